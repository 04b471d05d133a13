"""Where a state can live, as the contract needs it: each run opens a store of its own on the same place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from flowplan.backends.local import LocalStore
from flowplan.backends.parts import Part
from flowplan.backends.store import Store
from flowplan.state.state import State
from tests.contracts.database import Database, DatabaseStore
from tests.contracts.http_site import GiteaSite, HttpSite
from tests.contracts.memory import ObjectSite


class Place(Protocol):
    """One state somewhere. A second backend gives one of these, and is added to `PLACES`."""

    def open(self, hold: Callable[[], None] = ...) -> Store:
        """A store for one more run."""

    def holds(self, part: Part) -> bytes | None:
        """What `part` holds, None: there is none."""

    def put(self, part: Part, data: bytes | None) -> None:
        """Make `part` hold `data`, as damage or another tool would; None: remove it."""

    def damage_version(self, state: State) -> None:
        """Make the version of `state` that is kept one that does not read."""

    def rename_version(self, old: State, new: State) -> None:
        """Put the version of `old` that is kept where that of `new` belongs."""

    def full(self) -> AbstractContextManager[None]:
        """Within, nothing more can be written there."""

    def kept_elsewhere(self) -> int:
        """How many runs have results that overflowed."""


class LocalPlace:
    def __init__(self, directory: Path) -> None:
        self.work, self.overflow = directory / "work", directory / "overflow"
        self.work.mkdir(parents=True)

    def open(self, hold: Callable[[], None] = lambda: None) -> Store:
        return LocalStore(self.work / "flowplan.state.json", self.overflow, hold)

    def _path(self, part: Part) -> Path:
        names = {"snapshot": "flowplan.state.json", "journal": "flowplan.state.journal"}
        return self.work / names.get(part, "flowplan.state.json.backup")

    def holds(self, part: Part) -> bytes | None:
        path = self._path(part)
        return path.read_bytes() if path.exists() else None

    def put(self, part: Part, data: bytes | None) -> None:
        if data is None:
            self._path(part).unlink()
        else:
            self._path(part).write_bytes(data)

    def _version(self, state: State) -> Path:
        return self.work / f".flowplan/versions/flowplan.state.json/{state.lineage}.{state.serial}.json"

    def damage_version(self, state: State) -> None:
        self._version(state).write_bytes(b"{")

    def rename_version(self, old: State, new: State) -> None:
        self._version(old).replace(self._version(new))

    @contextmanager
    def full(self) -> Iterator[None]:
        def pwrite(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", pwrite)
            yield

    def kept_elsewhere(self) -> int:
        return len(list(self.overflow.glob("*.spill")))


class DatabasePlace:
    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.database, self.elsewhere = Database(directory / "states"), Database(directory / "elsewhere")
        self._directory = directory

    def open(self, hold: Callable[[], None] = lambda: None) -> Store:
        return DatabaseStore(f"rows://{self._directory.name}", self.database, self.elsewhere, self._directory, hold)

    def holds(self, part: Part) -> bytes | None:
        return self.database.get(part)

    def put(self, part: Part, data: bytes | None) -> None:
        with self.database.changing() as rows:
            if data is None:
                rows.remove(part)
            else:
                rows.put(part, data)

    def damage_version(self, state: State) -> None:
        with self.database.changing() as rows:
            rows.put(f"version-{state.lineage}-{state.serial}", b"{")

    def rename_version(self, old: State, new: State) -> None:
        with self.database.changing() as rows:
            rows.remove(f"version-{new.lineage}-{new.serial}")
            rows.rename(f"version-{old.lineage}-{old.serial}", f"version-{new.lineage}-{new.serial}")

    @contextmanager
    def full(self) -> Iterator[None]:
        self.database.full = True
        try:
            yield
        finally:
            self.database.full = False

    def kept_elsewhere(self) -> int:
        return len(self.elsewhere.names("*"))


PLACES: dict[str, Callable[[Path], Place]] = {
    "local": LocalPlace,
    "database": DatabasePlace,
    "objects": ObjectSite,
    "gitlab": HttpSite,
    "gitea": GiteaSite,
}
