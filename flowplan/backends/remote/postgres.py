"""A state in PostgreSQL: a few rows, each write one statement that names what must still be so."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from flowplan.backends.parts import Part
from flowplan.backends.remote import postgres_tables as tables
from flowplan.backends.remote.place import Conflict, Contents, Fault, Lease, Leases, Place, Saved
from flowplan.backends.remote.postgres_connection import Limits, Row, Server
from flowplan.backends.remote.postgres_tables import Tables
from flowplan.backends.remote.postgres_url import Target
from flowplan.backends.sent import Sent
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.state.history import VersionId


class PostgresPlace(Place, Leases):
    """The state that `target` names; what each method promises is said at `place.Place`. The lock's record has a
    connection of its own: it is renewed while a long write goes on."""

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        self._target = target
        reached = threading.Event()
        self._servers = tuple(Server(target, limits or Limits(), reached) for _ in range(2))
        self._rows, self._locks = (Tables(server, target.schema) for server in self._servers)
        self._run = uuid.uuid4().hex
        self._begun = 0  # the fence of this run
        self._version = ""  # what it has begun with, or saved
        self._tried = 0  # the highest number of `append` under its fence

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def identity(self) -> str:
        return self._target.identity

    @property
    def typed(self) -> str:
        return self._target.typed

    @property
    def sends(self) -> Sent | None:
        return self._target.sends

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _conflict(self, what: str) -> NoReturn:
        raise Conflict(f"{self.name}: {what}")

    # -- the lock's record

    def ready(self) -> None:
        self._locks.server.connect()

    def lease(self) -> Lease:
        return self.lease_of(self._target.state)

    def lease_of(self, state: str) -> Lease:
        """The record of the lock called `state`. Raises StateError."""
        of = self._locks if self._locks.server.connected() else self._rows  # who only looks needs one connection
        for record, write_id, age in of.look(tables.LEASE, state=state):
            return Lease(record, write_id, max(age, 0.0))
        return Lease()

    def put_lease(self, record: bytes, expected: str) -> str:
        return self.put_lease_of(self._target.state, record, expected)

    def put_lease_of(self, state: str, record: bytes, expected: str) -> str:
        """Replace the record of the lock called `state`, as `put_lease` does."""
        write_id = uuid.uuid4().hex
        statement = tables.NEXT_LEASE if expected else tables.NEW_LEASE
        done = self._locks.change(statement, state=state, record=record, write_id=write_id, expected=expected)
        if not done and self.lease_of(state).version != write_id:
            self._conflict("another run has written the lock")
        return write_id

    def age(self, seen: Lease) -> float | None:
        there = self.lease()
        return there.age if there.version == seen.version else None

    def watches(self) -> Leases:
        """The record of the lock of its watcher."""
        return _Watches(self, f"watch:{self._target.state}")

    # -- proof

    def prove(self) -> None:
        probe = f"probe:{uuid.uuid4().hex}"  # no state has a name like that
        data = [uuid.uuid4().hex.encode() for _ in range(5)]
        try:
            first = self.put_lease_of(probe, data[0], "")
            self._refused(probe, data[1], "", "makes a second row with the key of another")
            second = self.put_lease_of(probe, data[2], first)
            self._refused(probe, data[3], first, "changes a row that its condition (WHERE) leaves out")
            self._refused(f"{probe}x", data[4], first, "changes a row that is not there")
            there = self.lease_of(probe)
            if (there.record, there.version) != (data[2], second):
                self._fault("does not give back what was written last")
        finally:
            with suppress(StateError):
                self._locks.change(tables.DROP_LEASE, state=probe)

    def hold_allowed(self) -> None:
        self._rows.hold_allowed()

    def _refused(self, state: str, data: bytes, expected: str, fault: str) -> None:
        try:
            self.put_lease_of(state, data, expected)
        except Conflict:
            return
        self._fault(fault)

    def _fault(self, fault: str) -> NoReturn:
        raise Fault(
            f"{self.name}: the server {fault}: no state can be kept there, because two runs could change it at once",
            hint="look for rules and triggers on the tables, or keep the state on another server",
        )

    # -- reading

    def foresee(self) -> None:
        """Who looks at the fence connects."""

    def fence(self) -> int:
        return next((int(fence) for (fence,) in self._rows.look(tables.FENCE, state=self._target.state)), 0)

    def read(self) -> Contents:
        return self._look()[0]

    def _look(self) -> tuple[Contents, str]:
        """What is there, and the run that began last. One statement sees one moment."""
        for row in self._rows.look(tables.READ, state=self._target.state):
            return self._contents(row)
        return Contents(), ""

    def _contents(self, row: Row) -> tuple[Contents, str]:
        form, write_id, fence, run, snapshot, backup, journal = row
        if form != tables.FORMAT_VERSION:
            raise StateError(
                f"{self.name} is kept in format {form}, which this flowplan does not know",
                hint="use the flowplan that wrote it, or a later one",
            )
        return Contents(snapshot, backup, journal, fence, write_id), run

    # -- writing

    def begin(self, fence: int, seen: Contents) -> Contents:
        if fence != self._begun:
            self._begun, self._tried = fence, 0
        rows = self._rows.change_and_look(
            tables.BEGIN,
            tables.READ,
            state=self._target.state,
            format=tables.FORMAT_VERSION,
            write_id=uuid.uuid4().hex,
            fence=fence,
            run=self._run,
        )
        there, run = self._contents(rows[0]) if rows else (Contents(), "")
        if (there.fence, run) != (fence, self._run):
            self._conflict(f"it was written under fence {there.fence}, this run has {fence}")
        self._version = there.version
        return there

    def append(self, fence: int, number: int, frames: bytes) -> None:
        self._tried = max(self._tried, number)
        key = {"state": self._target.state, "fence": fence, "number": number, "run": self._run}
        if self._rows.change(tables.APPEND, **key, version=self._version, frames=frames):
            return
        if self._rows.look(tables.APPENDED, **key) != [(frames,)]:
            self._conflict(f"another run has written the journal since fence {fence}")

    def save(self, fence: int, version: str, saved: Saved) -> str:
        write_id = uuid.uuid4().hex
        done = self._rows.change(
            tables.SAVE,
            state=self._target.state,
            fence=fence,
            run=self._run,
            expected=version,
            write_id=write_id,
            next=self._tried + 1,
            snapshot=saved.snapshot,
            backup=saved.backup,
            journal=saved.journal,
            lineage=saved.lineage,
            serial=saved.serial,
        )
        if not done and self._rows.look(tables.WRITE_ID, state=self._target.state) != [(write_id,)]:
            self._conflict("another run has written it")
        self._version = write_id
        return write_id

    def purge(self) -> None:
        """A save takes it away at once."""

    def set_aside(self, part: Part, data: bytes) -> str:
        name = f"{part}.damaged.{uuid.uuid4().hex[:8]}"
        self._rows.change(tables.SET_ASIDE, state=self._target.state, name=name, data=data)
        return f"{self.name}#{name}"

    # -- kept versions

    def keep_version(self, id: VersionId, document: bytes, *, replace: bool) -> None:
        statement = tables.REPLACE_VERSION if replace else tables.KEEP_VERSION
        if not self._rows.change(statement, **self._key(id), **self._as(), document=document) and replace:
            self._conflict("another run has written it")

    def keep_newest(self, id: VersionId, document: bytes) -> tuple[VersionId, ...]:
        found = self._rows.change(tables.KEEP_NEWEST, **self._key(id), **self._as(), document=document)
        if not any(is_new for _, _, is_new in found):
            self._conflict("another run has written it")
        return tuple(dict.fromkeys((lineage, serial) for lineage, serial, _ in found))

    def _as(self) -> dict[str, object]:
        return {"fence": self._begun, "run": self._run}

    def _key(self, id: VersionId) -> dict[str, object]:
        return {"state": self._target.state, "lineage": id[0], "serial": id[1]}

    def version_ids(self) -> tuple[VersionId, ...]:
        found = self._rows.look(tables.VERSION_IDS, state=self._target.state)
        return tuple((lineage, serial) for lineage, serial in found)

    def version_heads(self) -> Iterable[tuple[str, bytes]]:
        for serial, head in self._rows.look(tables.VERSION_HEADS, state=self._target.state):
            yield f"version {serial} of {self.name}", head

    def read_version(self, id: VersionId) -> bytes | None:
        return next((document for (document,) in self._rows.look(tables.VERSION, **self._key(id))), None)

    def drop_version(self, id: VersionId) -> None:
        self._rows.change(tables.DROP_VERSION, **self._key(id))


@frozen
class _Watches(Leases):
    """The record called `state`, which is the name of no state; what each method promises is said at `place.Leases`."""

    place: PostgresPlace
    state: str

    def ready(self) -> None:
        self.place.ready()

    def lease(self) -> Lease:
        return self.place.lease_of(self.state)

    def put_lease(self, record: bytes, expected: str) -> str:
        return self.place.put_lease_of(self.state, record, expected)

    def age(self, seen: Lease) -> float | None:
        there = self.lease()
        return there.age if there.version == seen.version else None
