"""Versions of a local state: `.flowplan/versions/NAME/LINEAGE.SERIAL.json`, the newest that fit.

They are no part of the state: nothing is decided by them but what somebody puts back. Each is complete or not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.files.atomic import durable, hold_trusted, replace_file, sweep
from flowplan.files.private import is_absent, make_directory
from flowplan.files.regular import opened, read_regular
from flowplan.patterns import regex
from flowplan.state.codec import SIZE_LIMIT
from flowplan.state.form import Form
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.history import Change, Rewritten, Version

DIRECTORY = ".flowplan/versions"
MOST_BYTES = 64 * 1024 * 1024  # of one state; the newest is kept whatever its size
_NAME = regex(r"(.+)\.([0-9]{1,16})\.json")


@frozen
class Versions:
    """Those of the state file at `path`, in `form`."""

    path: Path
    form: Form = field(factory=Form)
    directory: Path = field(init=False)

    @directory.default
    def _directory(self) -> Path:
        return self.path.parent / DIRECTORY / self.path.name

    def heads(self) -> tuple[Version, ...]:
        """All that read, the oldest first. Raises StateError for some that must not be trusted."""
        found = []
        for path in self._files():
            hold_trusted(path)
            version = _head(path)
            if version is not None:
                found.append(version)
        if not found:
            return ()
        from flowplan.state.history import ordered

        return ordered(found)

    def read(self, lineage: str, serial: int) -> State:
        """Raises StateError for one that is not there, or does not read."""
        path = self._of(lineage, serial)
        hold_trusted(path)
        try:
            return self.form.load_version(read_regular(path, SIZE_LIMIT), str(path), lineage, serial)
        except FileNotFoundError:
            raise StateError(
                f"there is no version {serial} of this state", hint="`flowplan state history` lists those there are"
            ) from None
        except OSError as error:
            raise StateError(f"{path} cannot be read: {error.strerror}") from error

    def has(self, lineage: str, serial: int) -> bool:
        """Whether this version is kept, be it damaged."""
        return not is_absent(self._of(lineage, serial))

    def keep(self, state: State, change: Change | None) -> None:
        """Keep `state`, and drop the oldest that no longer fit. Raises StateError."""
        path = self._of(state.lineage, state.serial)
        with durable(path):
            make_directory(self.directory)
        self.sweep()
        replace_file(path, self.form.dump_version(state, change), through_link=False)
        with durable(self.directory):
            self._drop_oldest(path, change)

    def sweep(self) -> None:
        """Remove what killed runs left half-written. Raises StateError."""
        with durable(self.directory):
            sweep(self.directory, None)

    def rewrite(self) -> Rewritten:
        """Write each again; see `store.Store.rewrite_versions`."""
        from flowplan.state.history import Rewritten

        found, written = self.heads(), set()
        for one in found:
            try:
                state = self.read(one.lineage, one.serial)
            except StateError:
                continue
            document = self.form.dump_version(state, one.change)
            replace_file(self._of(one.lineage, one.serial), document, through_link=False)
            written.add((one.lineage, one.serial))
        if found:
            with durable(self.directory):
                self._fitting(self._of(found[-1].lineage, found[-1].serial))
        return Rewritten.of(map(_named, self._files()), written)

    def _drop_oldest(self, newest: Path, change: Change | None) -> None:
        """Drop what no longer fits beside `newest`, then what is outdated beside `change`, which saved it."""
        from flowplan.state.history import AGED_EVERY, LEAST_VERSIONS, outdated

        oldest, serial = self._fitting(newest), _named(newest)[1]
        if serial % AGED_EVERY == 0:
            for one in oldest[: outdated(map(_head, oldest[:-LEAST_VERSIONS]), change)]:
                one.unlink(missing_ok=True)

    def _fitting(self, newest: Path) -> list[Path]:
        """Those that fit, the oldest first; the others are dropped, `newest` last: first what other lineages left, and
        what comes after `newest`, of a time that the state went back from; then by serial. No clock decides: it may
        jump, and a copy has its own."""
        from flowplan.state.history import MOST_VERSIONS

        sizes = {path: path.stat().st_size for path in self._files()}
        lineage, last = _named(newest)

        def age(one: Path) -> tuple[bool, bool, bool, str, int]:
            found, serial = _named(one)
            return one == newest, found == lineage, serial <= last, found, serial

        oldest = sorted(sizes, key=age)
        while len(oldest) > 1 and (len(oldest) > MOST_VERSIONS or sum(sizes[one] for one in oldest) > MOST_BYTES):
            oldest.pop(0).unlink(missing_ok=True)
        return oldest

    def _files(self) -> Iterator[Path]:
        with durable(self.directory):
            if self.directory.is_dir():
                yield from (path for path in self.directory.iterdir() if _NAME.fullmatch(path.name))

    def _of(self, lineage: str, serial: int) -> Path:
        return self.directory / f"{lineage}.{serial}.json"


def _named(path: Path) -> tuple[str, int]:
    """The lineage and the serial in the name of a version."""
    found = _NAME.fullmatch(path.name)
    return (found[1], int(found[2])) if found else ("", 0)


def _head(path: Path) -> Version | None:
    """What its first line says; None for one that is damaged: the others are of use anyway."""
    from flowplan.state.history import HEAD_LIMIT, read_head

    try:
        with opened(path) as file:
            return read_head(file.readline(HEAD_LIMIT), str(path))
    except (OSError, StateError):
        return None
