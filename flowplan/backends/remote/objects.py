"""What a state is made of where it is kept as objects, and how each of them reads.

KEY                              the head: which snapshot and backup count, the journal as the last save left
                                 it, and the fence of the last run that began
KEY.lock                         the lock's record
KEY.d/watch                      the record of who watches the state
KEY.d/states/SERIAL-FENCE-ID.json  snapshots; each is put once and never changes
KEY.d/journal/FENCE/NUMBER       what was appended since, in order; each is put once
KEY.d/versions/LINEAGE.SERIAL.json, KEY.d/aside/...
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Protocol

from attrs import asdict, field

from flowplan.backends.sent import Sent
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.patterns import regex
from flowplan.state.codec import no_constant, no_duplicates

FORMAT_VERSION = 1
SEAL = b"seal"  # what a seal says in the place of frames, which begin with digits
_ENTRY = regex(rb"flowplan-(journal|seal) 1 ([0-9a-f]{64})\n")
_STATE = regex(r"/([0-9]+)-([0-9]+)-[0-9a-f]+\.json\Z")
_VERSION = regex(r"/([^/]+)\.([0-9]{1,16})\.json\Z")


@frozen
class Found:
    """An object. `modified` is when it was put, in seconds since 1970 by the server's clock; None: it does not say."""

    data: bytes = field(repr=False)
    version: str
    modified: float | None = None


class Objects(Protocol):
    """A store of objects, each found by its key. Usable by several threads at once."""

    @property
    def name(self) -> str:
        """How messages name the store."""

    @property
    def sends(self) -> Sent | None:
        """What goes to the store as it is, and is secret; None: nothing does."""
        return None

    def get(self, key: str) -> Found | None:
        """The object, whole; None: there is none. Raises StateError where that is not known."""

    def put(self, key: str, data: bytes, expected: str) -> str:
        """Put the object in the place of the one whose version is `expected` ("": only if there is none); its version.
        Raises Conflict, Unanswered, StateError."""

    def names(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`. Raises StateError."""

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is nothing to do. Raises StateError."""

    def close(self) -> None:
        """End what is open; a second time does nothing."""


@frozen
class Sealed:
    """The journal under one fence: its entries `first` to `last` count; none are added to it."""

    fence: int
    first: int
    last: int


@frozen
class Head:
    """What counts. `snapshot` and `backup` are keys below KEY.d/states; `journal` is what the last save left of it,
    then come the `sealed` entries, then those under `fence` from `first` on. `run` is what began with `fence`. Each
    head has another `write`, and so no two are the same bytes."""

    fence: int = 0
    run: str = ""
    first: int = 1
    sealed: tuple[Sealed, ...] = ()
    snapshot: str = ""
    backup: str = ""
    journal: str = ""
    lineage: str = ""
    serial: int = 0
    write: str = field(factory=lambda: uuid.uuid4().hex)

    def dump(self) -> bytes:
        """As the store keeps it."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def load(cls, data: bytes, name: str) -> Head:
        """Raises StateError for what is no head, as nothing at all, or a part of one."""
        try:
            found = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
            if found.pop("format_version") != FORMAT_VERSION:
                raise ValueError("a later format")
            found["sealed"] = tuple(Sealed(**one) for one in found["sealed"])
            return cls(**found)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise StateError(
                f"what the server gave as {name} is not the head of a state of this flowplan",
                hint="look at it on the server: flowplan changes nothing that it does not understand",
            ) from None

    def sealed_at(self, last: int) -> tuple[Sealed, ...]:
        """What counts of the journals, where its own ends with the entry `last`."""
        return (*self.sealed, Sealed(self.fence, self.first, last)) if last >= self.first else self.sealed


def framed(kind: bytes, content: bytes) -> bytes:
    """An entry of the journal (b"journal"), or the b"seal" that ends one: it shows whether it is whole."""
    return b"flowplan-%s 1 %s\n" % (kind, hashlib.sha256(content).hexdigest().encode()) + content


def frames_in(data: bytes, name: str) -> bytes:
    """The frames of an entry that was put as `name`; SEAL for a seal. Raises StateError for a damaged one."""
    found = _ENTRY.match(data)
    content = data[found.end() :] if found else b""
    if found is None or hashlib.sha256(content).hexdigest().encode() != found[2]:
        raise StateError(f"{name} is damaged: it is not what was put there")
    return SEAL if found[1] == b"seal" else content


def is_state(key: str) -> bool:
    """Whether the object at `key` is a snapshot."""
    return _STATE.search(key) is not None


def numbers_in(key: str) -> tuple[int, int]:
    """Serial and fence in the key of a snapshot; 0 and 0 for any other key."""
    found = _STATE.search(key)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def version_in(key: str) -> tuple[str, int] | None:
    """Lineage and serial in the key of a version; None for any other key."""
    found = _VERSION.search(key)
    return (found[1], int(found[2])) if found else None
