"""The journal of one run in a file, and what becomes of results that the file does not take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from flowplan.backends.open_journal import OpenJournal
from flowplan.backends.overflow import Overflow
from flowplan.backends.room import RESERVED
from flowplan.backends.state_files import StateFiles
from flowplan.backends.store import Journal
from flowplan.errors import StateError
from flowplan.files.atomic import durable, sync_directory
from flowplan.state.journal import Header, fold
from flowplan.state.records import Closed, Done, Record
from flowplan.state.state import State


class LocalJournal(Journal):
    """The journal that continues `state`; what each method promises is said at `store.Journal`.

    `hold` is asked before each write whether the lock is ours. What earlier runs left in `overflow`, as it was read, is
    taken over by the first `append`."""

    def __init__(self, files: StateFiles, overflow: Overflow, hold: Callable[[], None], state: State) -> None:
        self._files, self._overflow, self._hold, self._state = files, overflow, hold, state
        self._open: OpenJournal | None = None
        self._appended = False
        self._frames = files.form.frames()
        self._recorded: list[Record] = []  # the results that this run has made durable

    @property
    def appended(self) -> bool:
        return self._appended

    def append(self, records: Iterable[Record]) -> None:
        self._hold()
        records = tuple(records)
        with durable(self._files.journal):
            journal = self.open()
            if not self._appended:
                self._take_over(journal)
            self._appended = True
            journal.write(self._frames.add(records))
        self._recorded += [record for record in records if isinstance(record, (Done, Closed))]

    def overflow(self, records: Iterable[Record]) -> str | None:
        # Where the journal itself is gone, so is what it held: everything that this run did is kept then.
        lost = [] if self._in_place() else self._recorded
        if not (kept := [*lost, *records]):
            return None
        path = self._overflow.write(self._state, kept)
        lost.clear()
        return str(path)

    def rescued(self) -> str:
        """What became of all that was recorded, where the directory is gone, and the journal with it; else nothing."""
        if not self._recorded or self._in_place():
            return ""
        try:
            return f"the results are kept in {self.overflow(())}"
        except StateError as error:
            return f"the results are not recorded anywhere, because {error}"

    def give_back(self) -> None:
        """Give back what is reserved: all that there is to say is written. Raises StateError."""
        if self._open is not None:
            with durable(self._files.journal):
                self._open.give_back()

    def close(self) -> None:
        """End it; a second time does nothing. Raises StateError when only now a write turns out to have failed."""
        if self._open is not None:
            with durable(self._files.journal):
                self._open.close()

    def _in_place(self) -> bool:
        return os.path.lexists(self._files.journal)

    def _take_over(self, journal: OpenJournal) -> None:
        """The overflow of an earlier run, into the journal. A kill in between leaves them in both."""
        if self._overflow.kept:
            journal.write(self._frames.add(self._overflow.news))
            self._overflow.forget()

    def open(self) -> OpenJournal:
        """The journal, opened to go on with what is in it, and with room reserved; once. Raises OSError, StateError."""
        if self._open is not None:
            return self._open
        files, state = self._files, self._state
        files.sweep()
        found = files.read_journal()
        if found.header is not None and found.header.serial < state.serial:
            # The last run died between its snapshot and this renewal: what it recorded is in the snapshot.
            _, pending = fold(state, found.records)
            files.renew_journal(state, pending.values())
            found = files.read_journal()
        elif found.header is None and files.has("snapshot"):
            # As a whole: beside a snapshot no journal is ever without its beginning.
            files.renew_journal(state, ())
            found = files.read_journal()
        self._frames = files.form.frames(found.end)
        journal = OpenJournal(files.journal, found.length)
        try:
            with durable(files.journal):
                journal.reserve(RESERVED)
            if found.header is None:
                journal.write(self._frames.begin(Header.of(state)))
            sync_directory(files.journal.parent)
        except BaseException:
            journal.close()
            raise
        self._open = journal
        return journal
