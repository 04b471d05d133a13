"""State in the working directory: `flowplan.state.json`, its journal and its backup.

The snapshot is replaced as a whole at the end of a run; in between, the journal grows by one frame at a
time, each durable before anything that depends on it. A kill at any instruction leaves a state that reads.

When the journal's disk gives out in the middle of a run, the lock is lost, or the directory removed, the results that
came back are spilled (spill.py): whoever reads the state afterwards reads both, and the next run takes them over before
it does anything.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import attrs
from attrs import field, frozen

from flowplan.backends.open_journal import OpenJournal
from flowplan.backends.overflow import Spill, Spilled
from flowplan.errors import StateError
from flowplan.files.atomic import durable, hold_trusted, replace_file, sweep, sync_directory
from flowplan.files.regular import read_regular
from flowplan.model.address import Address
from flowplan.state.codec import RESTORE, SIZE_LIMIT, dump, hold_distinct, load
from flowplan.state.journal import Closed, Done, Header, Intent, Journal, Record, fold, frame, header_frame
from flowplan.state.journal import read_journal as parse_journal
from flowplan.state.state import State, twice, without

DEFAULT = "flowplan.state.json"
_NOT_RESTORED = "`flowplan recover --from-live` rebuilds the state from the markers of live bids"
RESERVED = 1024 * 1024  # bytes of journal allocated before the first call: a full disk is met before, not during


@frozen
class Loaded:
    """What was found. `fresh`: nothing was ever applied here. `pending`: operations whose outcome is in doubt."""

    state: State
    pending: Mapping[str, Intent] = field(factory=dict)
    fresh: bool = False
    journaled: bool = False  # the journal (or a spill) holds results that the snapshot does not


@frozen
class Restored:
    """A state put back. `of_backup`: made of the backup, not of the snapshot itself; `damaged`: what was set aside;
    `doubled`: ids that several addresses had, which are left out with those."""

    state: State
    of_backup: bool
    damaged: tuple[Path, ...]
    doubled: Mapping[str, Sequence[Address]] = field(factory=dict)


class LocalStore:
    """The state beside `path`. Reading needs no lock; `append` and `save` do: `hold` is asked before each whether it
    is ours, and raises StateError when it is not. `spills`: where results go that the journal cannot take; None:
    nowhere."""

    def __init__(self, path: Path, spills: Path | None = None, hold: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._hold = hold
        self._spill = Spill(spills, path)
        self.journal_path = path.with_name(journal_name(path.name))
        self._early_journal = path.with_name(f"{path.name}.journal") if not path.name.endswith(".json") else None
        self.backup_path = path.with_name(f"{path.name}.backup")
        self._journal: OpenJournal | None = None
        self._state: State | None = None
        self._recorded: list[Record] = []  # the results that this run has made durable in the journal
        self._spilled: tuple[Spilled, ...] = ()  # as they were read: others may be kept meanwhile
        self._news: tuple[Record, ...] = ()  # what of them the state did not know

    # -- reading

    def read(self) -> Loaded:
        """The state as it is now: snapshot, journal and spill. Raises StateError for anything but a clean story."""
        for path in (self.path, self.journal_path):
            hold_trusted(path)
        try:
            return self._read_everything()
        except StateError as error:
            error.detail = error.detail or self._about_backup()
            if error.hint == RESTORE and not self._restorable():
                error.hint = _NOT_RESTORED
            raise

    def _restorable(self) -> bool:
        return any(self._version(path) for path in (self.path, self.backup_path))

    def _read_everything(self) -> Loaded:
        loaded = self._read_here()
        self._spilled = self._spill.read(loaded.state.lineage)
        if self._spilled:
            self._news = self._news_of(loaded.state, self._read_journal().records, loaded.pending)
            state, pending = fold(loaded.state, [*loaded.pending.values(), *self._news])
            loaded = Loaded(state, pending, journaled=True)
        hold_distinct(loaded.state.bindings.values(), str(self.journal_path))
        return loaded

    def _news_of(self, state: State, records: Iterable[Record], pending: Collection[str]) -> tuple[Record, ...]:
        """The spilled results that `state`, with these `records` in it and `pending` in doubt, does not know yet."""
        settled = {record.intent for record in records if isinstance(record, (Done, Closed))}
        return tuple(result for one in self._spilled for result in one.news(state.serial, settled, pending))

    def _read_here(self) -> Loaded:
        journal = self._read_journal()
        data = _bytes_of(self.path)
        if data is None:
            return self._without_snapshot(journal)
        snapshot = load(data, str(self.path))
        header = journal.header
        if header is None:
            if self.journal_path.exists():  # with a snapshot beside it, it was never left without its first frame
                raise StateError(f"{self.journal_path} is damaged: its beginning is missing", hint=RESTORE)
            return Loaded(snapshot)
        self._hold_together(snapshot, header)
        folded, pending = fold(snapshot, journal.records)
        if header.serial < snapshot.serial:  # killed between the snapshot and the journal's renewal
            return Loaded(snapshot, pending, journaled=True)
        journaled = (folded.bindings, folded.plans) != (snapshot.bindings, snapshot.plans)
        return Loaded(folded, pending, journaled=journaled)

    def _read_journal(self) -> Journal:
        path = self._early_journal if self._is_early() else self.journal_path
        data = _bytes_of(path) if path else None
        return parse_journal(data, str(path)) if data else Journal(None)

    def _is_early(self) -> bool:
        """Whether our journal still has the name that earlier versions gave it, which may also be that of the state
        with `.json` beside ours. Raises StateError when it cannot be known whose it is."""
        early = self._early_journal
        # Of a name that is too long, lexists says no, and raises nothing.
        if early is None or os.path.lexists(self.journal_path) or not os.path.lexists(early):
            return False
        hold_trusted(early)
        ours = self._version(self.path) or self._version(self.backup_path)
        beside = self._version(self.path.with_name(f"{self.path.name}.json"))
        with suppress(StateError):
            header = parse_journal(_bytes_of(early) or b"", str(early)).header
            for state, answer in ((ours, True), (beside, False)):
                if header is not None and state is not None and header.lineage == state.lineage:
                    return answer
        raise StateError(
            f"{early} may be the journal of {self.path.name}, or of {self.path.name}.json: "
            "earlier versions of flowplan gave both the same name",
            hint=f"if it is that of {self.path.name}, mv {early} {self.journal_path}; else move it away",
        )

    def _without_snapshot(self, journal: Journal) -> Loaded:
        header = journal.header
        if header is not None and header.serial == 0:  # the first apply was stopped before its first snapshot
            state, pending = fold(header.fresh(), journal.records)
            return Loaded(state, pending, journaled=bool(journal.records))
        trace = self.journal_path if header is not None else self.backup_path
        if header is not None or self.backup_path.exists():
            remedy = f"{RESTORE}; else {_NOT_RESTORED}" if self._restorable() else _NOT_RESTORED
            raise StateError(
                f"{self.path} is missing, but {trace.name} shows that there was one",
                hint=f"{remedy}; `apply --init` starts anew",
            )
        if spilled := self._spill.found():
            raise StateError(
                f"{self.path} is missing, but {spilled[0]} holds what an earlier run here did",
                hint=f"{_NOT_RESTORED}; `apply --init` starts anew",
            )
        return self.fresh()

    @staticmethod
    def fresh() -> Loaded:
        """What a first run begins with, whatever is here."""
        return Loaded(State(lineage=str(uuid.uuid4())), fresh=True)

    def _hold_together(self, snapshot: State, header: Header) -> None:
        if header.lineage != snapshot.lineage:
            raise StateError(
                f"{self.path.name} and {self.journal_path.name} belong to different stacks "
                f"(lineage {snapshot.lineage} and {header.lineage})",
                hint=RESTORE,
            )
        if header.serial > snapshot.serial:
            raise StateError(
                f"{self.path.name} went back: serial {snapshot.serial}, but {header.serial} was seen here",
                hint=RESTORE,
            )

    # -- writing

    def prepare(self, state: State) -> None:
        """Name the state that the journal continues. Nothing is written before the first `append`."""
        self._state = state

    def append(self, records: Iterable[Record]) -> None:
        """Add one frame; it is durable when this returns. Raises StateError, and then never appends again.

        The first one opens the journal and reserves its room, so that a full disk is met before any call.
        """
        self._hold()
        records = tuple(records)
        with durable(self.journal_path):
            journal = self._journal
            if journal is None:
                journal = self._begin()
                self._take_over_spill(journal)
            journal.write(frame(records))
        self._recorded += [record for record in records if isinstance(record, (Done, Closed))]

    def spill(self, records: Iterable[Record]) -> Path | None:
        """Keep results elsewhere that `append` could not take; returns where, None: there are none. Raises StateError.

        Where the journal itself is gone, so is what it held: everything that this run did is kept then.
        """
        assert self._state is not None  # noqa: S101 - `prepare` comes first
        kept = [*(() if self._in_place() else self._recorded), *records]
        return self._spill.write(self._state, kept) if kept else None

    def _in_place(self) -> bool:
        return os.path.lexists(self.journal_path)

    def spilled(self, lineage: str) -> tuple[Record, ...]:
        """The results that were spilled for the state `lineage`: whoever saves it has read them. Raises StateError for
        some that cannot be read."""
        self._spilled = self._spill.read(lineage)
        return tuple(result for one in self._spilled for result in one.results)

    def _take_over_spill(self, journal: OpenJournal) -> None:
        """The results that an earlier run spilled, into the journal. A kill in between leaves them in both."""
        if self._spilled:
            journal.write(frame(self._news))
            self._forget_spilled()

    def _forget_spilled(self) -> None:
        self._spill.remove(self._spilled)
        self._spilled = ()

    @property
    def appended(self) -> bool:
        """Whether anything was recorded in this run."""
        return self._journal is not None

    def _begin(self) -> OpenJournal:
        """The journal, opened to go on with what is in it, and with room reserved."""
        assert self._state is not None  # noqa: S101 - `prepare` comes first
        self._sweep()
        found = self._read_journal()
        if found.header is not None and found.header.serial < self._state.serial:
            # The last run died between its snapshot and this renewal: what it recorded is in the snapshot.
            _, pending = fold(self._state, found.records)
            self._renew(self._state, pending.values())
            found = self._read_journal()
        elif found.header is None and self.path.exists():
            self._renew(self._state, ())  # as a whole: beside a snapshot no journal is ever without its beginning
            found = self._read_journal()
        journal = OpenJournal(self.journal_path, found.length)
        try:
            journal.reserve(RESERVED)
            if found.header is None:
                journal.write(header_frame(Header.of(self._state)))
            sync_directory(self.journal_path.parent)
        except BaseException:
            journal.close()
            raise
        self._journal = journal
        return journal

    def save(self, state: State, pending: Iterable[Intent] = (), *, told: bool = False) -> State:
        """Replace the snapshot by `state` with the next serial, keep the old one as backup (the first is its own), and
        renew the journal, which goes on with `pending`. Returns the state as saved. Raises StateError.

        `told`: somebody said what is in it (`state rm`, `mv`, `import`), which no look at the cloud could tell again:
        the backup has it too, and what undoes it is another command.
        """
        try:
            return self._save(state, pending, told=told)
        except StateError as error:
            if self._recorded and not self._in_place():  # the directory is gone, and with it all that was recorded
                error.detail = "\n".join(filter(None, [self._rescued(), error.detail]))
            raise

    def _rescued(self) -> str:
        try:
            return f"what was done is kept in {self.spill(())}"
        except StateError as error:
            return f"what was done is not recorded anywhere, for {error}"

    def _save(self, state: State, pending: Iterable[Intent], *, told: bool) -> State:
        self._hold()
        saved = attrs.evolve(state, serial=state.serial + 1)
        self._sweep()
        new = dump(saved)
        old = None if told else _bytes_of(self.path)
        replace_file(self.backup_path, old or new, through_link=False)
        replace_file(self.path, new)
        self.close()
        self._renew(saved, pending)
        with durable(self.path):
            self._forget_spilled()  # the snapshot holds it: who saves has read it
        return saved

    def _sweep(self) -> None:
        """Remove what killed runs left half-written, whichever of our files it was to become. A journal of an early
        name gets that of today."""
        if self._early_journal is not None and self._is_early():
            with durable(self.journal_path):
                self._early_journal.replace(self.journal_path)
                sync_directory(self.journal_path.parent)
        for path in (self.path, self.backup_path, self.journal_path):
            with durable(path):
                sweep(path.parent, path.name)

    def _renew(self, state: State, pending: Iterable[Intent]) -> None:
        """A journal that continues `state`, with nothing in it but what is in doubt."""
        pending = tuple(pending)
        data = header_frame(Header.of(state)) + (frame(pending) if pending else b"")
        replace_file(self.journal_path, data, through_link=False)

    def restore(self) -> Restored:
        """Put back the newest version that reads, snapshot or backup, with what journal and spill hold on top of it.

        Its serial is higher than any seen here. Raises StateError when none reads, when it cannot be known which file
        belongs here, or when everything is in order.
        """
        try:
            self.read()
        except StateError as error:
            damage = error
        else:
            raise StateError(f"{self.path} is in order: nothing is restored")
        for path in (self.path, self.journal_path, self.backup_path):
            hold_trusted(path)
        versions = {path: state for path in (self.path, self.backup_path) if (state := self._version(path))}
        if not versions:
            raise StateError(
                f"there is no {self.backup_path.name} to restore", detail=str(damage), hint=_NOT_RESTORED
            ) from None
        journal = self._readable_journal()
        header = journal.header
        if header is not None and all(state.lineage != header.lineage for state in versions.values()):
            raise StateError(str(damage), hint="move the one that does not belong here away") from None
        path = max(versions, key=lambda one: (_belongs(versions[one], header), versions[one].serial))
        state, pending = fold(versions[path], journal.records)
        self._spilled = self._spill.read(state.lineage)
        state, pending = fold(state, [*pending.values(), *self._news_of(state, journal.records, pending)])
        doubled = twice(state.bindings.values())
        state = without(state, {address for addresses in doubled.values() for address in addresses})
        serial = max([state.serial, header.serial if header else 0, *(one.serial for one in versions.values())])
        with durable(self.path):
            aside = [
                self._set_aside(one)
                for one, bad in ((self.path, path != self.path), (self.journal_path, header is None))
                if bad
            ]
        saved = self.save(attrs.evolve(state, serial=serial), pending.values())
        kept = tuple(one for one in aside if one is not None)
        return Restored(saved, path == self.backup_path, kept, doubled)

    def _version(self, path: Path) -> State | None:
        """The state in `path`; None: there is none that reads, and that is ours."""
        try:
            hold_trusted(path)
            data = _bytes_of(path)
            return None if data is None else load(data, str(path))
        except StateError:
            return None

    def _readable_journal(self) -> Journal:
        try:
            return self._read_journal()
        except StateError:
            return Journal(None)

    def has_backup(self) -> bool:
        """Whether there is a backup that reads."""
        return self._about_backup() is not None

    def _about_backup(self) -> str | None:
        """What a damaged state could be replaced by; None: nothing."""
        state = self._version(self.backup_path)
        if state is None:
            return None
        written = datetime.fromtimestamp(self.backup_path.stat().st_mtime, UTC)
        return f"{self.backup_path.name} is in order: serial {state.serial}, written {written:%Y-%m-%dT%H:%M:%SZ}"

    def begin_anew(self) -> list[Path]:
        """Set aside whatever is here, also what cannot be read; returns where. The next `read` is a fresh start."""
        with durable(self.path):
            kept = [self._set_aside(path) for path in (self.path, self.journal_path, self.backup_path)]
        return [path for path in kept if path is not None]

    def _set_aside(self, path: Path) -> Path | None:
        """Rename `path` to one that ends in .damaged and a number of its own. Raises OSError."""
        if not path.exists():
            return None
        damaged = path.with_name(f"{path.name}.damaged")
        number = 1
        while damaged.exists():
            number += 1
            damaged = path.with_name(f"{path.name}.damaged.{number}")
        path.replace(damaged)
        return damaged

    def close(self) -> None:
        """Close the journal. Raises StateError when the system says only now that a write went wrong."""
        if self._journal is not None:
            with durable(self.journal_path):
                self._journal.close()


def journal_name(state: str) -> str:
    """The name of the journal of the state file called so; no two states have the same."""
    stem = state.removesuffix(".json")
    return f"{stem}.journal" if stem != state else f"{state}-journal"


def _belongs(state: State, header: Header | None) -> bool:
    return header is None or state.lineage == header.lineage


def _bytes_of(path: Path) -> bytes | None:
    try:
        data = read_regular(path, SIZE_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > SIZE_LIMIT:
        raise StateError(f"{path} is larger than {SIZE_LIMIT // 1024**2} MB: flowplan did not write it", hint=RESTORE)
    return data
