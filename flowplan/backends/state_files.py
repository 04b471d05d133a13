"""The files of one local state: where they are, whether they read, how they are replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from flowplan.backends.parts import READABLE, Part, Parts, Whole
from flowplan.classes import frozen
from flowplan.errors import Damaged, StateError, Unread
from flowplan.files.atomic import durable, hold_trusted, replace_file, sweep, sync_directory
from flowplan.files.regular import is_regular, read_regular
from flowplan.state.codec import SIZE_LIMIT
from flowplan.state.form import Form
from flowplan.state.journal import Journal
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.records import Intent


@frozen
class StateFiles(Parts):
    """The snapshot at `path`, in `form`; beside it its journal, its backup, and the journal's name in earlier versions
    (None: it was the same)."""

    path: Path
    form: Form = field(factory=Form)
    journal: Path = field(init=False)
    early_journal: Path | None = field(init=False)
    backup: Path = field(init=False)

    @journal.default
    def _journal(self) -> Path:
        return self.path.with_name(journal_name(self.path.name))

    @early_journal.default
    def _early_journal(self) -> Path | None:
        return None if self.path.name.endswith(".json") else self.path.with_name(f"{self.path.name}.journal")

    @backup.default
    def _backup(self) -> Path:
        return self.path.with_name(f"{self.path.name}.backup")

    def path_of(self, part: Part) -> Path:
        """The file of a part, whether it is there or not."""
        return {"snapshot": self.path, "journal": self.journal, "backup": self.backup}[part]

    def name(self, part: Part) -> str:
        return str(self.path_of(part))

    def short(self, part: Part) -> str:
        return self.path_of(part).name

    # -- reading

    def has(self, part: Part) -> bool:
        return self.path_of(part).exists()

    def snapshot(self) -> bytes | None:
        """What the snapshot holds; None: there is none. Raises StateError."""
        return _bytes_of(self.path)

    def whole(self, part: Whole) -> State | None:
        return self._state_in(self.path_of(part))

    def _state_in(self, path: Path) -> State | None:
        hold_trusted(path)
        data = _bytes_of(path)
        return None if data is None else self.form.load(data, str(path))

    def read_journal(self) -> Journal:
        """The journal; without a header when there is none. Raises StateError."""
        path = self.early_journal if self._is_early() else self.journal
        data = _bytes_of(path) if path else None
        return self.form.read_journal(data, str(path)) if data else Journal(None)

    def _is_early(self) -> bool:
        """Whether our journal still has the name that earlier versions gave it, which may also be that of the state
        with `.json` beside ours. Raises StateError when it cannot be known whose it is."""
        early = self.early_journal
        # Of a name that is too long, lexists says no, and raises nothing.
        if early is None or os.path.lexists(self.journal) or not os.path.lexists(early):
            return False
        hold_trusted(early)
        ours = self.version("snapshot") or self.version("backup")
        beside = None
        with suppress(StateError):
            beside = self._state_in(self.path.with_name(f"{self.path.name}.json"))
        with suppress(StateError):
            header = self.form.read_journal(_bytes_of(early) or b"", str(early)).header
            for state, answer in ((ours, True), (beside, False)):
                if header is not None and state is not None and header.lineage == state.lineage:
                    return answer
        raise StateError(
            f"{early} may be the journal of {self.path.name}, or of {self.path.name}.json: "
            "earlier versions of flowplan gave both the same name",
            hint=f"if it belongs to {self.path.name}, mv {early} {self.journal}; otherwise move it away",
        )

    def about_backup(self) -> str | None:
        """What a damaged state could be replaced by; None: nothing."""
        state = self.version("backup")
        if state is None:
            return None
        written = datetime.fromtimestamp(self.backup.stat().st_mtime, UTC)
        return f"{self.backup.name} is intact: serial {state.serial}, written {written:%Y-%m-%dT%H:%M:%SZ}"

    # -- writing

    def sweep(self) -> None:
        """Remove what killed runs left half-written, whichever of our files it was to become. A journal of an early
        name gets that of today."""
        if self.early_journal is not None and self._is_early():
            with durable(self.journal):
                self.early_journal.replace(self.journal)
                sync_directory(self.journal.parent)
        for path in (self.path, self.backup, self.journal):
            with durable(path):
                sweep(path.parent, path.name)

    def renew_journal(self, state: State, pending: Iterable[Intent]) -> None:
        """A journal that continues `state`, with nothing in it but what is in doubt."""
        replace_file(self.journal, self.form.journal(state, pending), through_link=False)

    def set_aside(self, paths: Iterable[Path]) -> tuple[str, ...]:
        """Rename those of `paths` that exist to names that end in .damaged and a number of their own; returns these.
        Raises StateError."""
        with durable(self.path):
            return tuple(str(_set_aside(path)) for path in paths if path.exists())


def journal_name(state: str) -> str:
    """The name of the journal of the state file called so; no two states have the same."""
    stem = state.removesuffix(".json")
    return f"{stem}.journal" if stem != state else f"{state}-journal"


def _set_aside(path: Path) -> Path:
    damaged = path.with_name(f"{path.name}.damaged")
    number = 1
    while damaged.exists():
        number += 1
        damaged = path.with_name(f"{path.name}.damaged.{number}")
    path.replace(damaged)
    return damaged


def _bytes_of(path: Path) -> bytes | None:
    try:
        data = read_regular(path, SIZE_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror}"
        raise (Unread(said, hint=READABLE) if is_regular(path) else StateError(said)) from error
    if len(data) > SIZE_LIMIT:
        raise Damaged(f"{path} is larger than {SIZE_LIMIT // 1024**2} MB: flowplan did not write it")
    return data
