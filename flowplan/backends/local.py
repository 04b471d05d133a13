"""State in the working directory: `flowplan.state.json`, its journal and its backup.

The snapshot is replaced as a whole at the end of a run; in between, the journal grows by one frame at a
time, each durable before anything that depends on it. A kill at any instruction leaves a state that reads.

When the journal's disk gives out in the middle of a run, the lock is lost, or the directory removed, the results that
came back overflow into other files (overflow.py): every later reader of the state reads both, and the next run takes
them over before it does anything.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import attrs

from flowplan.backends.lock import NAME as LOCK_NAME
from flowplan.backends.lock import Lock
from flowplan.backends.open_journal import OpenJournal
from flowplan.backends.overflow import Overflow, Overflowed
from flowplan.backends.state_files import NOT_RESTORED, StateFiles, found_in
from flowplan.backends.store import Loaded
from flowplan.errors import StateError
from flowplan.files.atomic import durable, hold_trusted, replace_file, sync_directory
from flowplan.state.codec import RESTORE, dump, hold_distinct
from flowplan.state.journal import Closed, Done, Header, Intent, Record, fold, frame, header_frame
from flowplan.state.restored import Restored
from flowplan.state.state import State, twice, without

DEFAULT = "flowplan.state.json"
RESERVED = 1024 * 1024  # bytes of journal allocated before the first call: a full disk is met before, not during


class LocalStore:
    """The state in the file at `path` and those beside it; what each method promises is said at `store.Store`.

    `hold` is asked before each write whether the lock is ours, and raises StateError when it is not. `overflows`: where
    results go that the journal cannot take; None: nowhere."""

    def __init__(self, path: Path, overflows: Path | None = None, hold: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.lock = Lock(path.with_name(LOCK_NAME))
        self._files = StateFiles(path)
        self.journal_path, self.backup_path = self._files.journal, self._files.backup
        self._hold = hold
        self._overflow = Overflow(overflows, path)
        self._journal: OpenJournal | None = None
        self._state: State | None = None
        self._recorded: list[Record] = []  # the results that this run has made durable in the journal
        self._overflowed: tuple[Overflowed, ...] = ()  # as they were read: others may be kept meanwhile
        self._news: tuple[Record, ...] = ()  # what of them the state did not know

    @property
    def name(self) -> str:
        return str(self.path)

    # -- reading

    def read(self) -> Loaded:
        for path in (self.path, self.journal_path):
            hold_trusted(path)
        try:
            return self._read_everything()
        except StateError as error:
            error.detail = error.detail or self._files.about_backup()
            if error.hint == RESTORE and not self._files.versions():
                error.hint = NOT_RESTORED
            raise

    def exists(self) -> bool:
        return self.path.exists()

    def backup(self) -> str | None:
        return str(self.backup_path) if self._files.version(self.backup_path) is not None else None

    def _read_everything(self) -> Loaded:
        found = found_in(self._files)
        loaded = self._nothing_lost() if found is None else found
        self._overflowed = self._overflow.read(loaded.state.lineage)
        if self._overflowed:
            self._news = self._news_of(loaded.state, self._files.read_journal().records, loaded.pending)
            state, pending = fold(loaded.state, [*loaded.pending.values(), *self._news])
            loaded = Loaded(state, pending, journaled=True)
        hold_distinct(loaded.state.bindings.values(), str(self.journal_path))
        return loaded

    def _nothing_lost(self) -> Loaded:
        """A fresh start, where nothing tells of an earlier one. Raises StateError."""
        if overflowed := self._overflow.found():
            raise StateError(
                f"{self.path} is missing, but {overflowed[0]} holds results of an earlier run here",
                hint=f"{NOT_RESTORED}; `apply --init` starts a new state",
            )
        return self.fresh()

    def _news_of(self, state: State, records: Iterable[Record], pending: Collection[str]) -> tuple[Record, ...]:
        """The results kept there that `state`, with these `records` in it and `pending` in doubt, does not know."""
        settled = {record.intent for record in records if isinstance(record, (Done, Closed))}
        return tuple(result for one in self._overflowed for result in one.news(state.serial, settled, pending))

    @staticmethod
    def fresh() -> Loaded:
        return Loaded(State(lineage=str(uuid.uuid4())), fresh=True)

    # -- writing

    def prepare(self, state: State) -> None:
        self._state = state

    def append(self, records: Iterable[Record]) -> None:
        self._hold()
        records = tuple(records)
        with durable(self.journal_path):
            journal = self._journal
            if journal is None:
                journal = self._begin()
                self._take_over(journal)
            journal.write(frame(records))
        self._recorded += [record for record in records if isinstance(record, (Done, Closed))]

    def overflow(self, records: Iterable[Record]) -> Path | None:
        # Where the journal itself is gone, so is what it held: everything that this run did is kept then.
        assert self._state is not None  # noqa: S101 - `prepare` comes first
        kept = [*(() if self._in_place() else self._recorded), *records]
        return self._overflow.write(self._state, kept) if kept else None

    def _in_place(self) -> bool:
        return os.path.lexists(self.journal_path)

    def overflowed(self, lineage: str) -> tuple[Record, ...]:
        self._overflowed = self._overflow.read(lineage)
        return tuple(result for one in self._overflowed for result in one.results)

    def _take_over(self, journal: OpenJournal) -> None:
        """The overflow of an earlier run, into the journal. A kill in between leaves them in both."""
        if self._overflowed:
            journal.write(frame(self._news))
            self._forget_overflowed()

    def _forget_overflowed(self) -> None:
        self._overflow.remove(self._overflowed)
        self._overflowed = ()

    @property
    def appended(self) -> bool:
        return self._journal is not None

    def _begin(self) -> OpenJournal:
        """The journal, opened to go on with what is in it, and with room reserved."""
        assert self._state is not None  # noqa: S101 - `prepare` comes first
        self._files.sweep()
        found = self._files.read_journal()
        if found.header is not None and found.header.serial < self._state.serial:
            # The last run died between its snapshot and this renewal: what it recorded is in the snapshot.
            _, pending = fold(self._state, found.records)
            self._files.renew_journal(self._state, pending.values())
            found = self._files.read_journal()
        elif found.header is None and self.path.exists():
            # As a whole: beside a snapshot no journal is ever without its beginning.
            self._files.renew_journal(self._state, ())
            found = self._files.read_journal()
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

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        try:
            return self._save(state, pending, stated=stated)
        except StateError as error:
            if self._recorded and not self._in_place():  # the directory is gone, and with it all that was recorded
                error.detail = "\n".join(filter(None, [self._rescued(), error.detail]))
            raise

    def _rescued(self) -> str:
        try:
            return f"the results are kept in {self.overflow(())}"
        except StateError as error:
            return f"the results are not recorded anywhere, because {error}"

    def _save(self, state: State, pending: Iterable[Intent], *, stated: bool) -> State:
        self._hold()
        saved = attrs.evolve(state, serial=state.serial + 1)
        self._files.sweep()
        new = dump(saved)
        old = None if stated else self._files.snapshot()
        replace_file(self.backup_path, old or new, through_link=False)
        replace_file(self.path, new)
        self.close()
        self._files.renew_journal(saved, pending)
        with durable(self.path):
            self._forget_overflowed()  # the snapshot holds it: who saves has read it
        return saved

    def restore(self) -> Restored:
        try:
            self.read()
        except StateError as error:
            damage = error
        else:
            raise StateError(f"{self.path} is in order; nothing was restored")
        for path in (self.path, self.journal_path, self.backup_path):
            hold_trusted(path)
        versions = self._files.versions()
        if not versions:
            raise StateError(
                f"there is no {self.backup_path.name} to restore", detail=str(damage), hint=NOT_RESTORED
            ) from None
        journal = self._files.readable_journal()
        header = journal.header
        if header is not None and all(state.lineage != header.lineage for state in versions.values()):
            raise StateError(str(damage), hint="move away the one that does not belong here") from None
        path = max(versions, key=lambda one: (_belongs(versions[one], header), versions[one].serial))
        state, pending = fold(versions[path], journal.records)
        self._overflowed = self._overflow.read(state.lineage)
        state, pending = fold(state, [*pending.values(), *self._news_of(state, journal.records, pending)])
        doubled = twice(state.bindings.values())
        state = without(state, {address for addresses in doubled.values() for address in addresses})
        serial = max([state.serial, header.serial if header else 0, *(one.serial for one in versions.values())])
        bad = [self.path] * (path != self.path) + [self.journal_path] * (header is None)
        aside = self._files.set_aside(bad)
        saved = self.save(attrs.evolve(state, serial=serial), pending.values())
        return Restored(saved, path.name, path == self.backup_path, aside, doubled)

    def begin_anew(self) -> list[str]:
        return list(self._files.set_aside((self.path, self.journal_path, self.backup_path)))

    def close(self) -> None:
        if self._journal is not None:
            with durable(self.journal_path):
                self._journal.close()


def _belongs(state: State, header: Header | None) -> bool:
    return header is None or state.lineage == header.lineage
