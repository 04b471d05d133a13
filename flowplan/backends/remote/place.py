"""What a server that keeps states must offer: one state there, as what the server itself can check.

Exclusion is the lock's, and the lock is a lease: its holder may be suspended, and wake when another has taken it. So no
write rests on the lock. Each run has a fence, a number that is higher than those of all runs before it, and every write
names it: the server, not the writer, refuses what comes under a fence that is not the highest any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import evolve, field

from flowplan.backends.parts import Part
from flowplan.backends.sent import Sent
from flowplan.backends.store import StateLock
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.state.history import VersionId


class Conflict(StateError):
    """The condition of a write does not hold: another run has written since. Nothing was done."""


class Unanswered(StateError):
    """Whether the server did it is not known, and looking again did not tell."""


class Fault(StateError):
    """The server does not do what its interface promises, as a write that was done though its condition did not hold:
    no state can be kept there."""


class Foreign(Fault):
    """What is there is whole, and nothing that this flowplan puts there: somebody else has."""


@frozen
class Contents:
    """One consistent look at a state. The journal is its frames joined; b"": there is none. `fence` is that of the last
    run that began to write here; `version` that of what `save` replaces, and each begin and each save gives it another:
    "" where nothing was ever written."""

    snapshot: bytes | None = None
    backup: bytes | None = None
    journal: bytes = b""
    fence: int = 0
    version: str = field(default="", repr=False)

    def same_as(self, other: Contents) -> bool:
        """Whether both say the same of the state, also where another run has begun since."""
        return evolve(self, fence=0, version="") == evolve(other, fence=0, version="")


@frozen
class Saved:
    """What a save puts there, all at once. None, b"": there is no such part any more. `lineage` and `serial` are those
    of the snapshot, for servers and people that cannot read it ("" and 0: without one)."""

    snapshot: bytes | None
    backup: bytes | None
    journal: bytes
    lineage: str = ""
    serial: int = 0


@frozen
class Lease:
    """The lock's record as it was read. `record` None: there was never one, and `version` is "". `age` is how long ago
    the server wrote it, in seconds by the server's own clock; None where it does not say without being asked."""

    record: bytes | None = None
    version: str = ""
    age: float | None = None


class Leases(Protocol):
    """The record of a lock on a server. It is never removed: it is created, and then taken, renewed and freed by
    compare-and-swap. Every method may be called by several threads at once."""

    def ready(self) -> None:
        """Connect, for who is about to take the lock. Raises StateError."""

    def lease(self) -> Lease:
        """The record as it is now. Raises StateError."""

    def put_lease(self, record: bytes, expected: str) -> str:
        """Replace the record whose version is `expected` ("": there must be none); the new version. No two records are
        the same bytes, and so none have the same version. Raises Conflict, Unanswered, StateError."""

    def age(self, seen: Lease) -> float | None:
        """How long ago the server wrote the record that was `seen`, in seconds by the server's clock, however much that
        costs to find out; None where it cannot be known. Raises StateError."""


class Place(Protocol):
    """One state on a server. Bytes go in and come out as they are: a place understands none of them.

    What reads looks again by itself while the state moves. What writes raises Conflict where its condition does not
    hold, Unanswered where it is not known whether it was done, StateError for a server that fails; a lost answer is
    looked up, and a write that turns out to be done is success. No message holds a secret of the URL.
    """

    @property
    def name(self) -> str:
        """How messages name the state: its URL, without what is secret in it."""

    @property
    def identity(self) -> str:
        """What tells it from every other state, on every machine and with any credentials."""

    @property
    def typed(self) -> str:
        """As `Store.typed`."""
        return ""

    @property
    def sends(self) -> Sent | None:
        """What goes to the server as it is, and is secret; None: nothing does."""
        return None

    def prove(self) -> None:
        """Find out whether the server keeps its conditions: a second write that must find nothing fails, so does a
        swap with a wrong version, and what was written is read back and listed. Leaves nothing that counts. Raises
        Fault, which names what the server does and the server; StateError where it cannot be tried."""

    def hold_allowed(self) -> None:
        """Raise StateError where the server says that nothing may be written there. Nothing is written."""

    def close(self) -> None:
        """End what is open; a second time does nothing, and what is asked after it opens again. Raises no error."""

    # -- the state

    def foresee(self) -> None:
        """Begin to do ahead, without waiting, what lets the next `read` wait less. What `read` gives is still what is
        there when it is called."""

    def fence(self) -> int:
        """The highest fence that any run began with here; 0: none. Raises StateError."""

    def read(self) -> Contents:
        """What is there now. Needs no lock, and writes nothing."""

    def begin(self, fence: int, seen: Contents) -> Contents:
        """Make every write under a lower fence fail from now on, and only then look: what is there. `seen` is the last
        look of this run, from which it may go on where nothing has moved. Raises Conflict where the highest fence is
        `fence` or above, unless it is this very place that began with it."""

    def append(self, fence: int, number: int, frames: bytes) -> None:
        """Add `frames` to the journal, as the `number`-th (from 1) under `fence`; they are durable when this returns.
        Raises Conflict where that number is taken by something else, or `fence` is not the highest."""

    def save(self, fence: int, version: str, saved: Saved) -> str:
        """Replace the state whose version is `version`, all at once; what was appended before is gone with it. The
        version that it has now; under one fence the numbers of `append` go on. Raises Conflict where the version is
        another by now, or `fence` is not the highest."""

    def purge(self) -> None:
        """Remove what the last `save` of this run has replaced, and what saves before it left of that, where a save
        does not take it away at once. Raises StateError where some of it stays."""

    def set_aside(self, part: Part, data: bytes) -> str:
        """Keep `data`, which was found as `part` and is about to be replaced, under a name that no other has: the name
        for messages."""

    # -- kept versions: documents that never change, each by its lineage and serial

    def keep_version(self, id: VersionId, document: bytes, *, replace: bool) -> None:
        """Keep `document` as the version `id`; one that is there already stays unless `replace`."""

    def keep_newest(self, id: VersionId, document: bytes) -> tuple[VersionId, ...]:
        """The same in the place of one that is there; those that are kept then."""

    def version_ids(self) -> tuple[VersionId, ...]:
        """Those that are kept, in no order."""

    def version_heads(self) -> Iterable[tuple[str, bytes]]:
        """Of each that is kept how messages name it, and the document, or its first line with the end of the line."""

    def read_version(self, id: VersionId) -> bytes | None:
        """The document; None: it is not kept."""

    def drop_version(self, id: VersionId) -> None:
        """Forget it; one that is not kept is nothing to do."""


class FencedLock(StateLock, Protocol):
    """A lock whose holder has a fence."""

    def foresee(self) -> None:
        """Begin to look, without waiting, for who is about to take it: what `acquire` goes on from, if the server finds
        it unchanged."""

    def unused(self) -> bool:
        """Whether nobody has ever taken it, nor tried to: to take it would be the first that is written there. As
        `foresee` has found it, if that was called. Raises StateError."""

    @property
    def fence(self) -> int:
        """The fence of the run that holds it through this object; 0: this object does not hold it. It is higher than
        that of every run that held it before, and stays the same until it is released."""

    def sure_for(self) -> float:
        """For how many seconds from now on it is surely ours, whether or not the server answers meanwhile; at most 0:
        that is not known, or it is not ours."""
