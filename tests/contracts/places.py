"""Where a state can live, as the contract needs it: each run opens a store of its own on the same place."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from flowplan.backends.local import LocalStore
from flowplan.backends.parts import Part
from flowplan.backends.remote.lease import LeaseLock
from flowplan.backends.remote.postgres import PostgresPlace as PostgresRows
from flowplan.backends.remote.postgres_url import read_url
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore, watching
from flowplan.backends.store import Store
from flowplan.state.state import State
from tests.contracts.http_site import GiteaSite, HttpSite
from tests.contracts.memory import QUICK, ObjectSite
from tests.contracts.postgres import TRUSTED, the_server


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


class PostgresPlace:
    """Rows of a server that the tests have started. Its clock, its rows and its rules are the real ones."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.base, self.overflow = directory, directory / "overflow"
        self.server = the_server()
        self.state = f"stack-{uuid.uuid4().hex}"
        self.url = self.server.url(self.state, user=TRUSTED)
        self._opened: list[Store] = []

    def open(self, hold: Callable[[], None] = lambda: None) -> Store:
        place = PostgresRows(read_url(self.url))
        lock = LeaseLock(place, place.name, place.fence, terms=QUICK)
        seen = Seen(None, place.identity, place.name)  # the contract takes states away, which no machine forgives
        watch_lock = watching(place, terms=QUICK)
        store = RemoteStore(place, lock, self.base, seen, self.overflow, hold, watch_lock=watch_lock)
        self._opened.append(store)
        return store

    def close(self) -> None:
        """End what the stores have open."""
        for store in self._opened:
            store.lock.release()
            store.watch_lock.release()
            store.close()

    def _rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self.server.run(statement, *values)

    def holds(self, part: Part) -> bytes | None:
        there = PostgresRows(read_url(self.url))
        try:
            found = there.read()
        finally:
            there.close()
        return {"snapshot": found.snapshot, "backup": found.backup, "journal": found.journal or None}[part]

    def put(self, part: Part, data: bytes | None) -> None:
        if part == "journal":
            self._rows("DELETE FROM flowplan.journal WHERE state = %s", self.state)
            data = data or b""
        column = {"snapshot": "snapshot", "backup": "backup", "journal": "journal"}[part]
        self._rows(
            f"INSERT INTO flowplan.states AS s (state, format_version, write_id, fence, run, {column}) "
            "VALUES (%s, 1, %s, 0, '', %s) "
            f"ON CONFLICT (state) DO UPDATE SET {column} = excluded.{column}, write_id = excluded.write_id",
            self.state,
            uuid.uuid4().hex,
            data,
        )

    def damage_version(self, state: State) -> None:
        self._rows(
            "UPDATE flowplan.versions SET document = %s WHERE state = %s AND lineage = %s AND serial = %s",
            b"{",
            self.state,
            state.lineage,
            state.serial,
        )

    def rename_version(self, old: State, new: State) -> None:
        self._rows(
            "DELETE FROM flowplan.versions WHERE state = %s AND (lineage, serial) = (%s, %s)",
            self.state,
            new.lineage,
            new.serial,
        )
        self._rows(
            "UPDATE flowplan.versions SET lineage = %s, serial = %s WHERE state = %s AND (lineage, serial) = (%s, %s)",
            new.lineage,
            new.serial,
            self.state,
            old.lineage,
            old.serial,
        )

    @contextmanager
    def full(self) -> Iterator[None]:
        """A server whose disk is full refuses what is inserted with 53100."""
        with self.server.refusing(self.state, "53100", "could not extend file: No space left on device"):
            yield

    def kept_elsewhere(self) -> int:
        return len(list(self.overflow.glob("*.spill")))


def s3_place(directory: Path) -> Place:
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    from tests.contracts.s3_site import S3Site

    return S3Site(directory)


def azure_place(directory: Path) -> Place:
    pytest.importorskip("obstore")
    from tests.contracts.azure_site import AzureSite

    return AzureSite(directory)


PLACES: dict[str, Callable[[Path], Place]] = {
    "local": LocalPlace,
    "objects": ObjectSite,
    # A server that minds locks and no serials is written under a lock alone, and the runs here take none:
    # tests/contracts/test_http.py holds it to what it promises.
    "gitlab": HttpSite,
    "gitea": GiteaSite,
    "postgres": PostgresPlace,
    "s3": s3_place,
    "azure": azure_place,
}
