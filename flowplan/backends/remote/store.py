"""The state of one stack on a server: a `Place` does the reading and the writing, and this says what it means.

A run begins to write with a fence, that of its lock. From then on the server refuses what earlier runs would write. A
run goes on only if what is there at that moment is what it had read: all that it decided rests on that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import attrs
from attrs import define, field, frozen

from flowplan.backends.overflow import Overflow, news_of, overflow_directory
from flowplan.backends.parts import (
    MOST_LOOKS,
    NOT_RESTORED,
    Part,
    Parts,
    Whole,
    continued,
    found_in,
    hold_opened,
    mended,
    moving,
    went_back,
)
from flowplan.backends.remote.lease import LeaseLock
from flowplan.backends.remote.place import Conflict, Contents, FencedLock, Leases, Place, Saved
from flowplan.backends.remote.seen import Seen, Sight
from flowplan.backends.store import MOST_VERSIONS, Journal, Loaded, Store
from flowplan.errors import StateError
from flowplan.state.codec import RESTORE, hold_distinct
from flowplan.state.form import Form
from flowplan.state.history import HEAD_LIMIT, Change, Version, ordered, read_head
from flowplan.state.journal import Closed, Done, Header, Intent, Record, fold
from flowplan.state.journal import Journal as Records
from flowplan.state.restored import Restored
from flowplan.state.state import State


@frozen
class RemoteParts(Parts):
    """`parts.Parts` of the state `place`, as they were found."""

    place: str
    contents: Contents
    form: Form

    def name(self, part: Part) -> str:
        return f"{self.place}#{part}"

    def short(self, part: Part) -> str:
        return f"the {part}"

    def has(self, part: Part) -> bool:
        return bool(self.contents.journal) if part == "journal" else self._whole(part) is not None

    def _whole(self, part: Whole) -> bytes | None:
        return self.contents.snapshot if part == "snapshot" else self.contents.backup

    def snapshot(self) -> bytes | None:
        return self.contents.snapshot

    def read_journal(self) -> Records:
        data = self.contents.journal
        return self.form.read_journal(data, self.name("journal")) if data else Records(None)

    def readable_journal(self) -> Records:
        """The journal; without a header also where it does not read."""
        try:
            return self.read_journal()
        except StateError:
            return Records(None)

    def version(self, part: Whole) -> State | None:
        """Snapshot or backup; None for one that is not there, or does not read."""
        data = self._whole(part)
        try:
            return None if data is None else self.form.load(data, self.name(part))
        except StateError:
            return None

    def versions(self) -> dict[Whole, State]:
        parts: tuple[Whole, ...] = ("snapshot", "backup")
        found = {part: self.version(part) for part in parts}
        return {part: state for part, state in found.items() if state is not None}


@define
class Writing:
    """What one run writes to `place`, under one fence. `hold` is asked before each write whether the lock is ours."""

    place: Place
    lock: FencedLock
    hold: Callable[[], None]
    form: Form
    read: Contents | None = field(default=None, init=False)  # as this run has read it last
    _fence: int = field(default=0, init=False)  # 0: it has not begun
    _version: str = field(default="", init=False)
    _appended: int = field(default=0, init=False)  # journal entries that were tried
    _broken: bool = field(default=False, init=False)  # whether the last one is there is not known

    def look(self) -> Contents:
        """What is there now: this run goes on from that."""
        self.read = self.place.read()
        return self.read

    def begin(self) -> Contents:
        """Begin to write, if this run has not yet: what is there, which is what it had read. Raises StateError for
        another."""
        seen = self.read if self.read is not None else self.look()
        if self._fence:
            return seen
        self.hold()
        fence = self.lock.fence or seen.fence + 1
        try:
            there = self.place.begin(fence, seen)
        except Conflict as error:
            raise self._overtaken() from error
        if not there.same_as(seen):
            raise StateError(
                f"{self.place.name} was changed by another run while this command ran",
                hint="run the same command again",
            )
        self._fence, self._version, self.read = fence, there.version, there
        return there

    def append(self, frames: bytes) -> None:
        """Add to the journal; durable, and under a lock that was ours all the while, when it returns. Once it was not,
        nothing more is added."""
        there = self.begin()
        self.hold()
        if self._broken:
            raise StateError(f"{self.place.name}#journal is closed after an error")
        self._broken = True
        self._appended += 1
        try:
            self.place.append(self._fence, self._appended, frames)
        except Conflict as error:
            raise self._overtaken() from error
        self.read = attrs.evolve(there, journal=there.journal + frames)
        self._broken = False
        self.hold()

    def save(self, saved: Saved) -> None:
        """Replace all of it. Raises StateError; then it reads as before or as saved."""
        self.begin()
        self.hold()
        try:
            self._version = self.place.save(self._fence, self._version, saved)
        except Conflict as error:
            raise self._overtaken() from error
        self.read = Contents(saved.snapshot, saved.backup, saved.journal, self._fence, self._version)

    def _overtaken(self) -> StateError:
        return StateError(
            f"{self.place.name} was written by another run while this command ran; flowplan leaves it alone",
            hint="run the same command again",
        )


class RemoteJournal(Journal):
    """The journal that continues `state`; what each method promises is said at `store.Journal`. What earlier runs left
    in `overflow`, as it was read, is taken over by the first `append`."""

    def __init__(self, writing: Writing, overflow: Overflow, state: State) -> None:
        self._writing, self._overflow, self._state = writing, overflow, state
        self._recorded: list[Done | Closed] = []  # the results that were durable, as far as is known
        self._begun = False

    @property
    def appended(self) -> bool:
        return self._begun

    def append(self, records: Iterable[Record]) -> None:
        records = tuple(records)
        before = b"" if self._begun else self._first()
        self._writing.append(before + self._writing.form.frame(records))
        self._begun = True
        self._recorded += [record for record in records if isinstance(record, (Done, Closed))]
        with suppress(OSError):  # read again, they are known by their intents
            self._overflow.forget()

    def _first(self) -> bytes:
        """What comes before the first entry of this run: a header where there is none, and what overflowed."""
        parts = RemoteParts(self._writing.place.name, self._writing.begin(), self._writing.form)
        form, found = self._writing.form, parts.read_journal()
        if found.header is not None and (found.torn or found.header.serial < self._state.serial):
            there = parts.contents
            kept = there.journal[: found.length]
            if found.header.serial < self._state.serial:
                pending = tuple(fold(self._state, found.records)[1].values())
                kept = form.header_frame(Header.of(self._state)) + (form.frame(pending) if pending else b"")
            self._writing.save(Saved(there.snapshot, there.backup, kept, self._state.lineage, self._state.serial))
        begun = form.header_frame(Header.of(self._state)) if found.header is None else b""
        return begun + (form.frame(self._overflow.news) if self._overflow.kept else b"")

    def overflow(self, records: Iterable[Record]) -> str | None:
        # All of it: what the server was given may be gone with the server, and what it has is known by its intent.
        kept = [*self._recorded, *records]
        return str(self._overflow.write(self._state, kept)) if kept else None


class Server(Place, Leases, Protocol):
    """A state on a server, and the record of its lock there."""


class RemoteStore(Store):
    """The state at `place`, locked by `lock`; what each method promises is said at `store.Store`. `base` is the
    directory of the run; `overflows` and `seen`: what this machine keeps of it."""

    def __init__(
        self,
        place: Place,
        lock: FencedLock,
        base: Path,
        seen: Seen,
        overflows: Path | None = None,
        hold: Callable[[], None] = lambda: None,
        form: Form | None = None,
    ) -> None:
        self._place, self._lock, self._base, self._seen, self._hold = place, lock, base, seen, hold
        self._form = form or Form()
        self._overflow = Overflow(overflows, place.identity, self._form)
        self._begin_again()

    def _begin_again(self) -> None:
        """What comes after is written under another fence."""
        self._writing = Writing(self._place, self._lock, self._hold, self._form)

    @classmethod
    def on(
        cls, server: Server, base: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form | None = None
    ) -> RemoteStore:
        """The store of the state that `server` keeps, for an opener of `open.STORES`. Whether the server keeps its
        conditions is found out once on each machine, before the first lock is taken there."""
        seen = Seen.of(environ, server.identity, server.name)
        lock = LeaseLock(server, server.name, server.fence, lambda: seen.prove_once(server.prove))
        return cls(server, lock, base, seen, overflow_directory(environ), hold, form)

    @property
    def name(self) -> str:
        return self._place.name

    @property
    def identity(self) -> str:
        return self._place.identity

    @property
    def base(self) -> Path:
        return self._base

    @property
    def form(self) -> Form:
        return self._form

    @property
    def lock(self) -> FencedLock:
        return self._lock

    def hold_usable(self) -> None:
        """A URL that can be no state is refused when it is opened; a server that has none says so when it is read."""

    # -- reading

    def read(self) -> Loaded:
        """Results that overflowed go over into the journal with the next run's first record: where that took them
        meanwhile, all of it is read once more."""
        last = self._seen.last()
        for _ in range(MOST_LOOKS):
            there = self._overflow.found()
            found = self._read(last)
            if all(path.exists() for path in there):
                break
        else:
            raise moving(self.name)
        if not found.fresh:
            self._seen.note(found.state.lineage, found.state.serial)
        return found

    def _read(self, last: Sight) -> Loaded:
        parts = self._look()
        try:
            found = self._everything(parts)
            self._seen.hold(last, found)
        except StateError as error:
            if (backup := parts.version("backup")) is not None and parts.version("snapshot") is None:
                error.detail = error.detail or f"the backup is intact: serial {backup.serial}"
            if error.hint == RESTORE and not parts.versions() and self._kept(parts) is None:
                error.hint = NOT_RESTORED
            raise
        return found

    def _look(self) -> RemoteParts:
        return RemoteParts(self.name, self._writing.look(), self._form)

    def _everything(self, parts: RemoteParts) -> Loaded:
        found = found_in(parts)
        loaded = self._nothing_lost() if found is None else found
        overflow = self._overflow
        if kept := overflow.read(loaded.state.lineage):
            overflow.news = news_of(kept, loaded.state, parts.read_journal().records, loaded.pending)
            state, pending = fold(loaded.state, [*loaded.pending.values(), *overflow.news])
            loaded = Loaded(state, pending, journaled=True)
        hold_distinct(loaded.state.bindings.values(), parts.name("journal"))
        return loaded

    def _nothing_lost(self) -> Loaded:
        """A fresh start, where nothing tells of an earlier one. Raises StateError."""
        if overflowed := self._overflow.found():
            raise StateError(
                f"there is no state at {self.name}, but {overflowed[0]} holds results of an earlier run there",
                hint=f"{NOT_RESTORED}; `apply --init` starts a new state",
            )
        return self.fresh()

    def fresh(self) -> Loaded:
        return Loaded(State(lineage=str(uuid.uuid4())), fresh=True)

    def exists(self) -> bool:
        return self._look().has("snapshot")

    def backup(self) -> str | None:
        parts = self._look()
        return parts.name("backup") if parts.version("backup") is not None else None

    def overflowed(self, lineage: str) -> tuple[Record, ...]:
        return tuple(result for one in self._overflow.read(lineage) for result in one.results)

    def versions(self) -> tuple[Version, ...]:
        found = []
        for name, document in self._place.version_heads():
            with suppress(StateError):
                found.append(read_head(document[:HEAD_LIMIT].partition(b"\n")[0] + b"\n", name))
        return ordered(found)

    def version(self, lineage: str, serial: int) -> State:
        document = self._place.read_version((lineage, serial))
        if document is None:
            raise StateError(
                f"there is no version {serial} of this state", hint="`flowplan state history` lists those there are"
            )
        return self._form.load_version(document, self._named(serial), lineage, serial)

    def _named(self, version: int) -> str:
        return f"version {version} of {self.name}"

    # -- writing

    def prepare(self, state: State) -> RemoteJournal:
        return RemoteJournal(self._writing, self._overflow, state)

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        self._hold()
        there = self._writing.begin()
        saved = attrs.evolve(state, serial=state.serial + 1)
        pending = tuple(pending)
        new = self._form.dump(saved)
        journal = self._form.header_frame(Header.of(saved)) + (self._form.frame(pending) if pending else b"")
        backup = None if stated else there.snapshot
        backup = backup and self._form.kept(backup, self.name)
        self._writing.save(Saved(new, backup or new, journal, saved.lineage, saved.serial))
        self._seen.note(saved.lineage, saved.serial)
        with suppress(OSError):
            self._overflow.forget()
        return saved

    def keep(self, saved: State, change: Change | None) -> None:
        self._hold()
        there = self._writing.read
        before = RemoteParts(self.name, there or self._place.read(), self._form).version("backup")
        if before is not None and (before.lineage, before.serial + 1) == (saved.lineage, saved.serial):
            self._place.keep_version(
                (before.lineage, before.serial), self._form.dump_version(before, None), replace=False
            )
        self._place.keep_version((saved.lineage, saved.serial), self._form.dump_version(saved, change), replace=True)
        self._drop_oldest((saved.lineage, saved.serial))

    def rewrite_versions(self) -> tuple[int, int]:
        self._hold()
        written = 0
        for one in self.versions():
            id = (one.lineage, one.serial)
            kept = self._place.read_version(id)
            try:
                state = self._form.load_version(kept or b"", self._named(one.serial), *id)
            except StateError:
                continue
            self._place.keep_version(id, self._form.dump_version(state, one.change), replace=True)
            written += 1
        return written, len(self._place.version_ids()) - written

    def _drop_oldest(self, newest: tuple[str, int]) -> None:
        ids = self._place.version_ids()
        if len(ids) <= MOST_VERSIONS:
            return
        order = {(one.lineage, one.serial): place for place, one in enumerate(self.versions())}
        oldest = sorted(ids, key=lambda id: (id == newest, order.get(id, -1), id[1]))
        for id in oldest[:-MOST_VERSIONS]:
            self._place.drop_version(id)

    def close(self) -> None:
        self._place.close()
        self._begin_again()

    # -- mending

    def restore(self) -> Restored:
        last = self._seen.last()
        try:
            self.read()
        except StateError as error:
            damage = error
        else:
            raise StateError(f"{self.name} is intact; nothing was restored")
        parts = self._look()
        hold_opened(parts)
        versions, journal = parts.versions(), parts.readable_journal()
        kept = None if versions and not went_back(versions, journal.header) else self._kept(parts)
        if kept is not None:
            versions = {"backup": kept}
        if not versions:
            raise StateError(
                f"there is no {parts.name('backup')} to restore", detail=str(damage), hint=NOT_RESTORED
            ) from None
        found = mended(versions, journal, self._overflow.read, damage)
        if found.state.lineage == last.lineage and last.serial > found.state.serial:
            found = attrs.evolve(found, state=attrs.evolve(found.state, serial=last.serial).as_put_back())
        self._form.hold_recipients()  # before anything is moved
        self._hold()
        bad: dict[Part, bool] = {"snapshot": found.part == "backup", "journal": journal.header is None}
        aside = self._set_aside(parts.contents, [part for part, is_bad in bad.items() if is_bad])
        saved = self.save(found.state, found.pending)
        name = found.part if kept is None else f"version {kept.serial}"
        return Restored(saved, name, found.part == "backup" and kept is None, aside, found.doubled)

    def _kept(self, parts: RemoteParts) -> State | None:
        """The version of a snapshot that is lost with its backup, or went back with it; None: none that reads."""
        with suppress(StateError):
            found = continued(self.versions(), parts.readable_journal().header)
            return None if found is None else self.version(found.lineage, found.serial)
        return None

    def begin_anew(self) -> list[str]:
        self._form.hold_recipients()
        self._hold()
        there = self._look().contents
        aside = self._set_aside(there, ("snapshot", "journal", "backup"))
        if aside:
            self._writing.save(Saved(None, None, b""))
        self._seen.forget()
        return list(aside)

    def _set_aside(self, there: Contents, parts: Iterable[Part]) -> tuple[str, ...]:
        """Copies of `parts`; a save then replaces them."""
        data = {"snapshot": there.snapshot, "backup": there.backup, "journal": there.journal or None}
        found = [(part, data[part]) for part in parts]
        return tuple(self._place.set_aside(part, one) for part, one in found if one is not None)
