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
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from flowplan.backends.lock import Lock, lock_of
from flowplan.backends.overflow import Overflow
from flowplan.backends.parts import (
    NOT_RESTORED,
    continued,
    found_in,
    mended,
    name_no_restore,
    nothing_to_restore,
    on_top,
    settled,
)
from flowplan.backends.state_files import StateFiles
from flowplan.backends.state_name import DEFAULT
from flowplan.backends.store import Loaded, Store
from flowplan.backends.versions import Versions
from flowplan.errors import StateError, Unread, UsageProblem
from flowplan.files.atomic import durable, hold_not_mounted, hold_short, hold_trusted, replace_file
from flowplan.files.private import is_missing
from flowplan.state.form import Form
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.backends.local_journal import LocalJournal
    from flowplan.backends.watch_lock import WatchLock
    from flowplan.state.history import Change, Rewritten, Version
    from flowplan.state.journal import Journal
    from flowplan.state.records import Intent, Record
    from flowplan.state.restored import Restored


class LocalStore(Store):
    """The state in the file at `path` and those beside it; what each method promises is said at `store.Store`.

    `hold` is asked before each write whether the lock is ours, and raises StateError when it is not. `overflows`: where
    results go that the journal cannot take; None: nowhere. `form`: how all of it is read and written."""

    def __init__(
        self,
        path: Path,
        overflows: Path | None = None,
        hold: Callable[[], None] = lambda: None,
        form: Form | None = None,
    ) -> None:
        self.path, self._form = path, form or Form()
        self._lock = lock_of(path, DEFAULT)
        self._watch_lock: WatchLock | None = None
        self._files = StateFiles(path, self._form)
        self.journal_path, self.backup_path = self._files.journal, self._files.backup
        self._versions = Versions(path, self._form)
        self._hold = hold
        self._overflow = Overflow(overflows, os.path.realpath(path), self._form)
        self._journal: LocalJournal | None = None  # of a run that was prepared

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def identity(self) -> str:
        return os.path.realpath(self.path)

    @property
    def base(self) -> Path:
        return self.path.parent

    @property
    def form(self) -> Form:
        return self._form

    @property
    def lock(self) -> Lock:
        return self._lock

    @property
    def watch_lock(self) -> WatchLock:
        if self._watch_lock is None:  # few runs watch
            from flowplan.backends.watch_lock import WatchLock

            self._watch_lock = WatchLock(self.path)
        return self._watch_lock

    def hold_usable(self) -> None:
        if is_missing(self.path.absolute().parent):
            raise UsageProblem(
                f"--state {self.path}: there is no directory {self.path.parent}", hint="correct the name, or make it"
            )

    def reach(self) -> None:
        """A file is there at once."""

    # -- reading

    def read(self, *, stops: bool = False) -> Loaded:
        for path in (self.path, self.journal_path):
            hold_trusted(path)
        try:
            return settled(self._overflow, lambda: self._read_everything(stops=stops), self.path.name)
        except StateError as error:
            error.detail = error.detail or self._files.about_backup()
            name_no_restore(error, self._files, lambda: self._kept(self._files.readable_journal()))
            raise

    def exists(self) -> bool:
        return self.path.exists()

    def backup(self) -> str | None:
        return str(self.backup_path) if self._files.version("backup") is not None else None

    def _read_everything(self, *, stops: bool) -> Loaded:
        found = found_in(self._files)
        return on_top(self._nothing_lost() if found is None else found, self._overflow, self._files, stops=stops)

    def _nothing_lost(self) -> Loaded:
        """A fresh start, where nothing tells of an earlier one. Raises StateError."""
        if overflowed := self._overflow.found():
            raise StateError(
                f"{self.path} is missing, but {overflowed[0]} holds results of an earlier run here",
                hint=f"{NOT_RESTORED}; `flowplan apply --init` starts a new state",
            )
        return self.fresh()

    @staticmethod
    def fresh() -> Loaded:
        return Loaded(State(lineage=str(uuid.uuid4())), fresh=True)

    def versions(self) -> tuple[Version, ...]:
        return self._versions.heads()

    def version(self, lineage: str, serial: int) -> State:
        return self._versions.read(lineage, serial)

    # -- writing

    def prepare(self, state: State) -> LocalJournal:
        from flowplan.backends.local_journal import LocalJournal

        hold_one_name(self.path)
        self._journal = LocalJournal(self._files, self._overflow, self._hold, state)
        return self._journal

    def overflowed(self, lineage: str) -> tuple[Record, ...]:
        return tuple(result for one in self._overflow.read(lineage) for result in one.results)

    def hold_savable(self) -> None:
        self._hold()
        hold_not_mounted(self.path, self.backup_path, self.journal_path)
        hold_short(self.path, self.backup_path, self.journal_path)
        if (snapshot := self._files.snapshot()) is not None:  # else the journal is the first that is made here
            replace_file(self.path, snapshot)
            if self._journal is not None:
                with durable(self.journal_path):
                    self._journal.open()

    def hold_allowed(self) -> None:
        """Its lock says so."""

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        try:
            return self._save(state, pending, stated=stated)
        except StateError as error:
            if self._journal is not None:
                error.detail = "\n".join(filter(None, [self._journal.rescued(), error.detail])) or None
            raise

    def _save(self, state: State, pending: Iterable[Intent], *, stated: bool) -> State:
        if self._journal is None:  # what a run has done is saved whatever it finds by then
            hold_one_name(self.path)
        self._hold()
        if self._journal is not None:
            self._journal.give_back()  # it may be all the room that there is
        saved = attrs.evolve(state, serial=state.serial + 1)
        self._files.sweep()
        new = self._form.dump(saved)
        old = None if stated else self._files.snapshot()
        old = old and self._form.kept(old, self.name)
        if self.exists():
            replace_file(self.backup_path, old or new, through_link=False)
            replace_file(self.path, new)
        else:  # a backup alone would say that the state is lost
            replace_file(self.path, new)
            replace_file(self.backup_path, new, through_link=False)
        self.close()
        self._files.renew_journal(saved, pending)
        with durable(self.path):
            self._overflow.forget()  # the snapshot holds it: who saves has read it
        return saved

    def keep(self, saved: State, change: Change | None) -> None:
        self._hold()
        before = self._files.version("backup") if saved.serial > 1 and self._lacks_one_before(saved) else None
        if before is not None and (before.lineage, before.serial) == (saved.lineage, saved.serial - 1):
            self._versions.keep(before, None)
        self._versions.keep(saved, change)

    def rewrite_versions(self) -> Rewritten:
        self._hold()
        return self._versions.rewrite()

    def purge(self) -> None:
        self._files.sweep()
        self._versions.sweep()

    def _lacks_one_before(self, saved: State) -> bool:
        return not self._versions.has(saved.lineage, saved.serial - 1)

    def restore(self) -> Restored:
        try:
            there = self.read()
        except Unread:
            raise
        except StateError as error:
            damage = error
        else:
            raise nothing_to_restore(self.name, there)
        for path in (self.path, self.journal_path, self.backup_path):
            hold_trusted(path)
        found = mended(self._files, self._kept, self._overflow.read, damage)
        paths = {"snapshot": self.path, "journal": self.journal_path}
        self._form.hold_recipients()  # before anything is moved
        self._hold()
        aside = self._files.set_aside([paths[one] for one in found.damaged])
        return found.restored(self.save(found.state, found.pending), self._files.short(found.part), aside)

    def _kept(self, journal: Journal) -> State | None:
        """The version of a snapshot that is lost with its backup, or went back with it; None: none that reads."""
        with suppress(StateError):
            found = continued(self._versions.heads(), journal.header)
            return None if found is None else self._versions.read(found.lineage, found.serial)
        return None

    def begin_anew(self) -> list[str]:
        self._form.hold_recipients()
        self._hold()
        return list(self._files.set_aside((self.path, self.journal_path, self.backup_path)))

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def hold_one_name(path: Path) -> None:
    """Raise StateError for a state that has a hard link: each name would have a lock and a journal of its own, and
    whatever is done by one of them the other would not know of."""
    try:
        names = path.stat().st_nlink
    except OSError:  # absent, or reading it says what is wrong
        return
    if names > 1:
        copy = path.with_name(f"{path.name}.copy")
        raise StateError(
            f"{path} is one of {names} hard links to the same file; the others would not know what is done here",
            hint="use one of them alone, and remove the others; if they are backups: "
            f"cp -p {path} {copy} && mv {copy} {path}",
        )
