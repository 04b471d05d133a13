"""The record of a lock as an object, and the put that all that is written to a store of objects is: on condition, and
looked up where its answer is lost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from flowplan.backends.remote.in_time import hold_wanted
from flowplan.backends.remote.objects import Objects
from flowplan.backends.remote.place import Conflict, Lease, Leases, Unanswered
from flowplan.classes import frozen
from flowplan.errors import StateError

_TRIES = 4  # of one write
_PAUSE = 0.25  # seconds before the second try; it doubles


@frozen
class Putting:
    """How objects are put: `sleep` between two tries."""

    objects: Objects
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, key: str, data: bytes, expected: str) -> str:
        """Put `data`, which no other writer would put there. A refusal or a lost answer is looked up: what is there may
        be ours. Raises Conflict, Unanswered, StateError."""
        pause = _PAUSE
        for left in reversed(range(_TRIES)):
            hold_wanted()
            try:
                return self.objects.put(key, data, expected)
            except (Conflict, Unanswered) as error:
                there = self.objects.get(key)
                if there is not None and there.data == data:
                    return there.version
                if isinstance(error, Conflict) or (there.version if there is not None else "") != expected:
                    raise Conflict(f"{key} was written by another run") from error
                if not left:
                    raise
            self.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")


@frozen
class ObjectLease(Leases):
    """The record at `key`; what each method promises is said at `place.Leases`. Objects that tell the time of the store
    are put below `clock`."""

    put: Putting
    key: str
    clock: str

    def ready(self) -> None:
        """It is connected as it is asked."""

    def lease(self) -> Lease:
        found = self.put.objects.get(self.key)
        return Lease() if found is None else Lease(found.data, found.version)

    def put_lease(self, record: bytes, expected: str) -> str:
        return self.put(self.key, record, expected)

    def age(self, seen: Lease) -> float | None:
        """By an object that is put now: when the store says that was."""
        objects = self.put.objects
        there = objects.get(self.key)
        if there is None or there.version != seen.version or there.modified is None:
            return None
        key = f"{self.clock}/{uuid.uuid4().hex}"
        objects.put(key, uuid.uuid4().hex.encode(), "")
        now = objects.get(key)
        with suppress(StateError):
            objects.delete(key)
        return None if now is None or now.modified is None else max(now.modified - there.modified, 0.0)
