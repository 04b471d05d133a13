"""Whether a store of objects keeps its conditions: without that, two runs could change a state at once."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import NoReturn

from flowplan.backends.remote.object_lease import Putting
from flowplan.backends.remote.objects import Objects
from flowplan.backends.remote.place import Conflict, Fault
from flowplan.errors import StateError


def prove(objects: Objects, put: Putting, below: str) -> None:
    """As `Place.prove`, by objects that are put `below` a key, and deleted."""
    key = f"{below}/{uuid.uuid4().hex}"
    data = [uuid.uuid4().hex.encode() for _ in range(5)]
    try:
        first = put(key, data[0], "")
        new = "puts an object that must be new in the place of another (If-None-Match)"
        _hold_refused(objects, key, data[1], "", new)
        second = put(key, data[2], first)
        _hold_refused(objects, key, data[3], first, "replaces an object that is another than was named (If-Match)")
        _hold_refused(objects, f"{key}x", data[4], first, "replaces an object that is not there (If-Match)")
        there = objects.get(key)
        if there is None or (there.data, there.version) != (data[2], second) or first == second:
            _fault(objects, "does not give back what was put last")
        if key not in objects.names(f"{below}/"):
            _fault(objects, "does not list what was put")
    finally:
        for one in (key, f"{key}x"):
            with suppress(StateError):
                objects.delete(one)


def _hold_refused(objects: Objects, key: str, data: bytes, expected: str, fault: str) -> None:
    try:
        objects.put(key, data, expected)
    except Conflict:
        return
    _fault(objects, fault)


def _fault(objects: Objects, fault: str) -> NoReturn:
    raise Fault(
        f"{objects.name} {fault}: no state can be kept there, because two runs could change it at once",
        hint="keep the state on a server that honours conditional writes, or in a file",
    )
