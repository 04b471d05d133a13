"""A second store, which has neither a directory nor a file for each part: a state is a few rows of a database, as it
would be on a server, and its lock is one of them."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
from attrs import define, field, frozen

from flowplan.backends.overflow import Overflowed, news_of
from flowplan.backends.parts import NOT_RESTORED, Part, Whole, continued, found_in, highest, newest, went_back
from flowplan.backends.processes import fate_of
from flowplan.backends.store import MOST_VERSIONS, Loaded
from flowplan.errors import FlowplanError, Locked, StateError, UsageProblem
from flowplan.model.owner import Owner
from flowplan.state.codec import RESTORE, dump, hold_distinct, load
from flowplan.state.form import Form
from flowplan.state.history import Change, Version, dump_version, load_version, ordered, read_head
from flowplan.state.journal import (
    Closed,
    Done,
    Header,
    Intent,
    Journal,
    Record,
    fold,
    frame,
    header_frame,
    read_journal,
)
from flowplan.state.restored import Restored
from flowplan.state.state import State, twice, without


@define
class Database:
    """Rows of bytes by their names. `full`: it takes no more."""

    path: Path
    full: bool = False

    @contextmanager
    def changing(self) -> Iterator[Rows]:
        """Within, nobody else changes it; all of what is changed is durable then, or none."""
        db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
            yield Rows(db, self)
            db.execute("COMMIT")
        finally:
            db.close()

    def get(self, name: str) -> bytes | None:
        with self.changing() as rows:
            return rows.get(name)

    def names(self, like: str) -> list[str]:
        with self.changing() as rows:
            return [name for (name,) in rows.db.execute("SELECT name FROM parts WHERE name GLOB ?", (like,))]


@frozen
class Rows:
    db: sqlite3.Connection
    database: Database

    def get(self, name: str) -> bytes | None:
        row = self.db.execute("SELECT data FROM parts WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, name: str, data: bytes) -> None:
        if self.database.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (name, data))

    def remove(self, name: str) -> None:
        self.db.execute("DELETE FROM parts WHERE name = ?", (name,))

    def rename(self, name: str, new: str) -> None:
        self.db.execute("UPDATE parts SET name = ? WHERE name = ?", (new, name))


@contextmanager
def durable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(f"{name} could not be made durable: {error.strerror}") from error


@define
class RowLock:
    """The lock of a state: the row `lock`, which names its owner."""

    database: Database
    name: str
    _ours: Owner | None = field(default=None, init=False)

    def out_of_reach(self) -> str | None:
        return None

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        deadline = time.monotonic() + timeout
        while not self._taken(owner, say):
            if time.monotonic() >= deadline or stopped():
                holder = self.holder()
                raise Locked(f"the lock {self.name} is held by {holder.who if holder else 'another run'}")
            time.sleep(0.05)

    def _taken(self, owner: Owner, say: Callable[[str], None]) -> bool:
        with self.database.changing() as rows:
            left = _owner_in(rows)
            if left is not None and _may_live(left, owner):
                return False
            rows.put("lock", json.dumps(attrs.asdict(owner)).encode())
            self._ours = owner
        if left is not None:
            say(f"the run of {left.who} died; taking over its lock")
        return True

    def verify(self) -> None:
        if self._ours is None or self.holder() != self._ours:
            raise StateError(f"the lock {self.name} was taken away while this command ran")

    def release(self) -> None:
        ours, self._ours = self._ours, None
        if ours is not None:
            with self.database.changing() as rows:
                if _owner_in(rows) == ours:
                    rows.remove("lock")

    def holder(self) -> Owner | None:
        with self.database.changing() as rows:
            return _owner_in(rows)

    def held(self) -> bool:
        holder = self.holder()
        # As another process of its machine sees it.
        return holder is not None and fate_of(holder, attrs.evolve(holder, pid=0, started="")) != "dead"

    def break_(self, id: str, here: Owner) -> Owner:
        with self.database.changing() as rows:
            holder = _owner_in(rows)
            if holder is None or holder.id != id:
                raise FlowplanError(f"the run {id} does not hold the lock {self.name}")
            if _may_live(holder, here):
                raise FlowplanError(f"process {holder.pid} is alive and holds the lock; it stays")
            rows.remove("lock")
        return holder


def _owner_in(rows: Rows) -> Owner | None:
    data = rows.get("lock")
    return None if data is None else Owner(**json.loads(data))


def _may_live(left: Owner, here: Owner) -> bool:
    """What is in the row is held, unless its process is over: the row alone keeps others out."""
    itself = (left.boot, left.pid, left.started) == (here.boot, here.pid, here.started)
    return itself or fate_of(left, here) != "dead"


@frozen
class DatabaseParts:
    place: str
    database: Database
    form: Form = field(factory=Form)

    def name(self, part: Part) -> str:
        return f"{self.place}#{part}"

    def short(self, part: Part) -> str:
        return part

    def has(self, part: Part) -> bool:
        return self.database.get(part) is not None

    def snapshot(self) -> bytes | None:
        return self.database.get("snapshot")

    def read_journal(self) -> Journal:
        data = self.database.get("journal")
        return read_journal(data, self.name("journal")) if data else Journal(None)

    def readable_journal(self) -> Journal:
        try:
            return self.read_journal()
        except StateError:
            return Journal(None)

    def version(self, part: Whole) -> State | None:
        data = self.database.get(part)
        try:
            return None if data is None else load(data, self.name(part))
        except StateError:
            return None

    def versions(self) -> dict[Whole, State]:
        parts: tuple[Whole, ...] = ("snapshot", "backup")
        found = {part: self.version(part) for part in parts}
        return {part: state for part, state in found.items() if state is not None}


@define
class Elsewhere:
    """Where results go that the journal cannot take: another database, on this machine."""

    database: Database
    run: str = field(factory=lambda: uuid.uuid4().hex, init=False)
    kept: dict[str, Overflowed] = field(factory=dict, init=False)  # as it was read
    news: tuple[Record, ...] = field(default=(), init=False)

    def read(self, lineage: str) -> tuple[Overflowed, ...]:
        self.kept = {name: self._read(name) for name in self.database.names(f"{lineage}-*")}
        return tuple(sorted(self.kept.values(), key=lambda one: one.serial))

    def _read(self, name: str) -> Overflowed:
        found = read_journal(self.database.get(name) or b"", name)
        if found.header is None:
            raise StateError(f"{name} is damaged")
        return Overflowed(found.header.serial, tuple(one for one in found.records if isinstance(one, (Done, Closed))))

    def write(self, state: State, records: Iterable[Record]) -> str:
        results = [record for record in records if isinstance(record, (Done, Closed))]
        name = f"{state.lineage}-{self.run}"
        with durable(name), self.database.changing() as rows:
            rows.put(name, (rows.get(name) or header_frame(Header.of(state))) + frame(results))
        return f"{self.database.path}, as {name}"

    def forget(self) -> None:
        with self.database.changing() as rows:
            for name in self.kept:
                rows.remove(name)
        self.kept = {}


@define
class DatabaseJournal:
    """The journal of one run. It is added to only where this run left it."""

    parts: DatabaseParts
    elsewhere: Elsewhere
    hold: Callable[[], None]
    state: State
    appended: bool = field(default=False, init=False)
    _written: bytes = field(default=b"", init=False)
    _failed: bool = field(default=False, init=False)

    def append(self, records: Iterable[Record]) -> None:
        self.hold()
        name = self.parts.name("journal")
        if self._failed:
            raise StateError(f"{name} is closed after an error")
        try:
            with durable(name), self.parts.database.changing() as rows:
                there = rows.get("journal") or b""
                if self.appended and there != self._written:
                    raise StateError(f"{name} was written by another run while this command ran")
                data = (there if self.appended else self._begun(there)) + frame(tuple(records))
                rows.put("journal", data)
        except StateError:
            self._failed = self.appended
            raise
        self._written, self.appended = data, True
        self.elsewhere.forget()

    def _begun(self, there: bytes) -> bytes:
        found = read_journal(there, self.parts.name("journal")) if there else Journal(None)
        header = header_frame(Header.of(self.state))
        if found.header is None:
            begun = header
        elif found.header.serial < self.state.serial:
            begun = header + frame(tuple(fold(self.state, found.records)[1].values()))
        else:
            begun = there[: found.length]
        return begun + (frame(self.elsewhere.news) if self.elsewhere.kept else b"")

    def overflow(self, records: Iterable[Record]) -> str | None:
        kept = list(records)
        return self.elsewhere.write(self.state, kept) if kept else None


class DatabaseStore:
    """The state in `database`; results that it cannot take go to `elsewhere`."""

    def __init__(
        self,
        name: str,
        database: Database,
        elsewhere: Database,
        base: Path,
        hold: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.base = name, base
        self.lock = RowLock(database, name)
        self._database, self._parts, self._elsewhere = database, DatabaseParts(name, database), Elsewhere(elsewhere)
        self._hold = hold

    @property
    def identity(self) -> str:
        return self.name

    def hold_usable(self) -> None:
        if not self._database.path.parent.is_dir():
            raise UsageProblem(f"there is no database {self.name}")

    def read(self) -> Loaded:
        try:
            found = found_in(self._parts)
            loaded = self.fresh() if found is None else found
            if kept := self._elsewhere.read(loaded.state.lineage):
                records = self._parts.read_journal().records
                self._elsewhere.news = news_of(kept, loaded.state, records, loaded.pending)
                state, pending = fold(loaded.state, [*loaded.pending.values(), *self._elsewhere.news])
                loaded = Loaded(state, pending, journaled=True)
            hold_distinct(loaded.state.bindings.values(), self._parts.name("journal"))
        except StateError as error:
            if (backup := self._parts.version("backup")) is not None:
                error.detail = error.detail or f"the backup is intact: serial {backup.serial}"
            if error.hint == RESTORE and not self._parts.versions() and self._kept_snapshot() is None:
                error.hint = NOT_RESTORED
            raise
        return loaded

    def fresh(self) -> Loaded:
        return Loaded(State(lineage=str(uuid.uuid4())), fresh=True)

    def exists(self) -> bool:
        return self._parts.has("snapshot")

    def backup(self) -> str | None:
        return self._parts.name("backup") if self._parts.version("backup") is not None else None

    def overflowed(self, lineage: str) -> tuple[Record, ...]:
        return tuple(result for one in self._elsewhere.read(lineage) for result in one.results)

    def prepare(self, state: State) -> DatabaseJournal:
        return DatabaseJournal(self._parts, self._elsewhere, self._hold, state)

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        self._hold()
        saved = attrs.evolve(state, serial=state.serial + 1)
        pending = tuple(pending)
        with durable(self.name), self._database.changing() as rows:
            new = dump(saved)
            rows.put("backup", (None if stated else rows.get("snapshot")) or new)
            rows.put("snapshot", new)
            rows.put("journal", header_frame(Header.of(saved)) + (frame(pending) if pending else b""))
        self._elsewhere.forget()
        return saved

    def versions(self) -> tuple[Version, ...]:
        found = []
        for name, data in self._kept():
            with suppress(StateError):
                found.append(read_head(data.split(b"\n")[0] + b"\n", name))
        return ordered(found)

    def _kept(self) -> list[tuple[str, bytes]]:
        names = sorted(self._database.names("version-*"), key=lambda name: int(name.rpartition("-")[2]))
        return [(name, self._database.get(name) or b"") for name in names]

    def version(self, lineage: str, serial: int) -> State:
        name = f"version-{lineage}-{serial}"
        data = self._database.get(name)
        if data is None:
            raise StateError(f"there is no version {serial} of this state")
        return load_version(data, name, lineage, serial)

    def keep(self, saved: State, change: Change | None) -> None:
        self._hold()
        before = self._parts.version("backup")
        with durable(self.name), self._database.changing() as rows:
            if before is not None and (before.lineage, before.serial + 1) == (saved.lineage, saved.serial):
                name = f"version-{saved.lineage}-{before.serial}"
                rows.put(name, rows.get(name) or dump_version(before, None))
            rows.put(f"version-{saved.lineage}-{saved.serial}", dump_version(saved, change))
        for name, _ in self._kept()[:-MOST_VERSIONS]:
            with durable(self.name), self._database.changing() as rows:
                rows.remove(name)

    def rewrite_versions(self) -> tuple[int, int]:
        """There is one form here."""
        return len(self._kept()), 0

    def close(self) -> None:
        """Nothing is open between two changes."""

    def restore(self) -> Restored:
        try:
            self.read()
        except StateError as error:
            damage = error
        else:
            raise StateError(f"{self.name} is intact; nothing was restored")
        versions, journal = self._parts.versions(), self._parts.readable_journal()
        kept = None if versions and not went_back(versions, journal.header) else self._kept_snapshot()
        if kept is not None:
            versions = {"backup": kept}
        if not versions:
            raise StateError("there is no backup to restore", detail=str(damage), hint=NOT_RESTORED)
        part = newest(versions, journal.header)
        if part is None:
            raise StateError(str(damage), hint="move away the one that does not belong here")
        state, pending = fold(versions[part], journal.records)
        news = news_of(self._elsewhere.read(state.lineage), state, journal.records, pending)
        state, pending = fold(state, [*pending.values(), *news])
        doubled = twice(state.bindings.values())
        state = without(state, {address for addresses in doubled.values() for address in addresses})
        self._hold()
        bad: dict[Part, bool] = {"snapshot": part == "backup", "journal": journal.header is None}
        aside = self._set_aside(one for one, is_bad in bad.items() if is_bad)
        serial = highest(state, versions, journal.header)
        saved = self.save(attrs.evolve(state, serial=serial).as_put_back(), pending.values())
        name = part if kept is None else f"version {kept.serial}"
        return Restored(saved, name, part == "backup" and kept is None, aside, doubled)

    def _kept_snapshot(self) -> State | None:
        found = continued(self.versions(), self._parts.readable_journal().header)
        return None if found is None else self.version(found.lineage, found.serial)

    def begin_anew(self) -> list[str]:
        self._hold()
        return list(self._set_aside(("snapshot", "journal", "backup")))

    def _set_aside(self, parts: Iterable[Part]) -> tuple[str, ...]:
        with durable(self.name), self._database.changing() as rows:
            aside = {part: f"{part}.damaged.{uuid.uuid4().hex[:8]}" for part in parts if rows.get(part) is not None}
            for part, name in aside.items():
                rows.rename(part, name)
        return tuple(f"{self.name}#{name}" for name in aside.values())
