"""The state of one stack on a server: a `Place` does the reading and the writing, and this says what it means."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import attrs

from flowplan.backends.overflow import Overflow, overflow_directory
from flowplan.backends.parts import (
    NOT_RESTORED,
    Part,
    continued,
    found_in,
    mended,
    name_no_restore,
    nothing_to_restore,
    on_top,
    settled,
)
from flowplan.backends.remote.lease import Clocks, LeaseLock, Terms
from flowplan.backends.remote.place import Contents, FencedLock, Leases, Place, Saved
from flowplan.backends.remote.seen import Seen, Sight
from flowplan.backends.remote.writing import RemoteJournal, RemoteParts, Writing
from flowplan.backends.sent import Sent
from flowplan.backends.store import Loaded, StateLock, Store
from flowplan.errors import Remedied, StateError, Unread
from flowplan.state.form import Form
from flowplan.state.history import (
    AGED_EVERY,
    LEAST_VERSIONS,
    MOST_VERSIONS,
    Change,
    Rewritten,
    Version,
    VersionId,
    head_of,
    ordered,
    outdated,
)
from flowplan.state.journal import Journal
from flowplan.state.records import Intent, Record
from flowplan.state.restored import Restored
from flowplan.state.state import State


class Server(Place, Leases, Protocol):
    """A state on a server, and the record of its lock there."""

    def watches(self) -> Leases:
        """The record of the lock of who watches the state."""


class RemoteStore(Store):
    """The state at `place`, locked by `lock`; `watch_lock` is that of its watcher. What each method promises is said at
    `store.Store`. `base` is the directory of the run; `overflows` and `seen`: what this machine keeps of it."""

    def __init__(
        self,
        place: Place,
        lock: FencedLock,
        base: Path,
        seen: Seen,
        overflows: Path | None = None,
        hold: Callable[[], None] = lambda: None,
        form: Form | None = None,
        *,
        watch_lock: StateLock,
    ) -> None:
        self._watch_lock = watch_lock
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
        proof = partial(seen.prove_once, server.prove)
        lock = LeaseLock(server, server.name, server.fence, proof)
        watch_lock = watching(server, proof)
        return cls(server, lock, base, seen, overflow_directory(environ), hold, form, watch_lock=watch_lock)

    @property
    def name(self) -> str:
        return self._place.name

    @property
    def identity(self) -> str:
        return self._place.identity

    @property
    def typed(self) -> str:
        return self._place.typed

    @property
    def tried(self) -> bool:
        return self._seen.last().proved

    @property
    def sends(self) -> Sent | None:
        return self._place.sends

    @property
    def base(self) -> Path:
        return self._base

    @property
    def form(self) -> Form:
        return self._form

    @property
    def lock(self) -> FencedLock:
        return self._lock

    @property
    def watch_lock(self) -> StateLock:
        return self._watch_lock

    def hold_usable(self) -> None:
        """A URL that can be no state is refused when it is opened; a server that has none says so when it is read."""

    def reach(self) -> None:
        self._lock.foresee()
        self._place.foresee()

    # -- reading

    def untouched(self) -> bool:
        return not self._seen.last().lineage and self._lock.unused() and self.read().fresh

    def read(self, *, stops: bool = False) -> Loaded:
        last = self._seen.last()
        found = settled(self._overflow, lambda: self._found_in(self._look(), last, stops=stops), self.name)
        if not found.fresh:
            self._seen.note(found.state.lineage, found.state.serial)
        return found

    def _found_in(self, parts: RemoteParts, last: Sight, *, stops: bool = False) -> Loaded:
        try:
            there = found_in(parts)
            found = on_top(self._nothing_lost() if there is None else there, self._overflow, parts, stops=stops)
            self._seen.hold(last, found)
        except StateError as error:
            if (backup := parts.version("backup")) is not None and parts.version("snapshot") is None:
                error.detail = error.detail or f"the backup is intact: serial {backup.serial}"
            name_no_restore(error, parts, lambda: self._kept(parts.readable_journal()))
            raise
        return found

    def _look(self) -> RemoteParts:
        return RemoteParts(self.name, self._writing.look(), self._form)

    def _nothing_lost(self) -> Loaded:
        """A fresh start, where nothing tells of an earlier one. Raises StateError."""
        if overflowed := self._overflow.found():
            raise Remedied(
                f"there is no state at {self.name}, but {overflowed[0]} holds results of an earlier run there",
                hint=f"{NOT_RESTORED}; `flowplan apply --init` starts a new state",
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
                found.append(head_of(document, name))
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

    def hold_savable(self) -> None:
        """A server that takes no writes says so at the first append."""

    def hold_allowed(self) -> None:
        self._place.hold_allowed()

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        self._hold()
        there = self._writing.begin(last=True)
        saved = attrs.evolve(state, serial=state.serial + 1)
        new, journal = self._form.dump(saved), self._form.journal(saved, pending)
        backup = None if stated else there.snapshot
        backup = backup and self._form.kept(backup, self.name)
        self._writing.save(Saved(new, backup or new, journal, saved.lineage, saved.serial))
        self._seen.note(saved.lineage, saved.serial)
        with suppress(OSError):
            self._overflow.forget()
        return saved

    def keep(self, saved: State, change: Change | None) -> None:
        self._hold()
        self._writing.answered(lambda: self._keep(saved, change))

    def _keep(self, saved: State, change: Change | None) -> None:
        newest, there = (saved.lineage, saved.serial), self._writing.read
        kept = self._place.keep_newest(newest, self._form.dump_version(saved, change))
        if (saved.lineage, saved.serial - 1) not in kept:
            before = RemoteParts(self.name, there or self._place.read(), self._form).version("backup")
            if before is not None and (before.lineage, before.serial + 1) == newest:
                id = (before.lineage, before.serial)
                self._place.keep_version(id, self._form.dump_version(before, None), replace=False)
                kept = (*kept, id)
        self._drop_oldest(kept, newest, change)

    def rewrite_versions(self) -> Rewritten:
        written = set()
        for one in self.versions():
            id = (one.lineage, one.serial)
            kept = self._place.read_version(id)
            try:
                state = self._form.load_version(kept or b"", self._named(one.serial), *id)
            except StateError:
                continue
            self._hold()  # no fence keeps another run's versions, and there may be many
            document = self._form.dump_version(state, one.change)
            self._writing.answered(partial(self._place.keep_version, id, document, replace=True))
            written.add(id)
        return Rewritten.of(self._place.version_ids(), written)

    def purge(self) -> None:
        self._hold()
        self._writing.answered(self._place.purge)

    def _drop_oldest(self, ids: tuple[VersionId, ...], newest: VersionId, change: Change | None) -> None:
        if len(ids) > MOST_VERSIONS:
            order = {(one.lineage, one.serial): place for place, one in enumerate(self.versions())}
            oldest = sorted(ids, key=lambda id: (id == newest, order.get(id, -1), id[1]))
            for id in oldest[:-MOST_VERSIONS]:
                self._place.drop_version(id)
            ids = tuple(oldest[-MOST_VERSIONS:])
        if newest[1] % AGED_EVERY == 0:
            lineage = sorted(id for id in ids if id[0] == newest[0] and id[1] <= newest[1])
            for id in lineage[: outdated(map(self._head, lineage[:-LEAST_VERSIONS]), change)]:
                self._place.drop_version(id)

    def _head(self, id: VersionId) -> Version | None:
        """What a version says first; None: it does not read."""
        with suppress(StateError):
            return head_of(self._place.read_version(id) or b"", self._named(id[1]))
        return None

    def close(self) -> None:
        self._place.close()
        self._begin_again()

    # -- mending

    def restore(self) -> Restored:
        last, parts = self._seen.last(), self._look()  # a look that fails is no damage
        try:
            there = self._found_in(parts, last)
        except Unread:
            raise
        except StateError as error:
            damage = error
        else:
            raise nothing_to_restore(self.name, there)
        found = mended(parts, self._kept, self._overflow.read, damage)
        if found.state.lineage == last.lineage and last.serial > found.state.serial:
            found = attrs.evolve(found, state=attrs.evolve(found.state, serial=last.serial).as_put_back())
        self._form.hold_recipients()  # before anything is moved
        self._hold()
        aside = self._set_aside(parts.contents, found.damaged)
        return found.restored(self.save(found.state, found.pending), found.part, aside)

    def _kept(self, journal: Journal) -> State | None:
        """The version of a snapshot that is lost with its backup, or went back with it; None: none that reads."""
        with suppress(StateError):
            found = continued(self.versions(), journal.header)
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
        aside = [partial(self._place.set_aside, part, one) for part, one in found if one is not None]
        return tuple(self._writing.answered(one) for one in aside)


def watching(
    server: Server,
    proof: Callable[[], None] = lambda: None,
    terms: Terms | None = None,
    clocks: Clocks | None = None,
) -> LeaseLock:
    """The lock of who watches the state that `server` keeps. Nothing is written under its fence."""
    return LeaseLock(server.watches(), f"{server.name} (watch)", lambda: 0, proof, terms, clocks)
