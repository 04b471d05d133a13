"""A lock that is a lease: a record on a server, which its holder renews.

The server's own clock says how old a record is, or this machine's while it watches one; no clock of the holder is
believed. Whether the lock is still ours is known here without asking: it is, until the lease that was last renewed has
run out. The time since boot counts, which goes on while a machine sleeps.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from attrs import asdict, evolve, field

from flowplan import clock
from flowplan.backends.lock import owner_in
from flowplan.backends.processes import boot_id, fate_of, pid_namespace
from flowplan.backends.remote.foreseen import Foreseen
from flowplan.backends.remote.in_time import in_time, wanted_until
from flowplan.backends.remote.place import Conflict, FencedLock, Lease, Leases
from flowplan.backends.waiting import wait_for
from flowplan.classes import define, frozen
from flowplan.errors import FlowplanError, Locked, Remedied, StateError
from flowplan.model.owner import Owner
from flowplan.state.codec import no_constant, no_duplicates
from flowplan.threads import begun

FORMAT_VERSION = 1


@frozen
class Terms:
    """Seconds. A lease lasts `lease`, is renewed every `renewed`, counts as over `margin` before its end for its
    holder, and `grace` after it for everybody else. `poll`: between two looks at a lock that another holds. `freed`:
    how long its holder waits for the server to free it."""

    lease: float = 60.0
    renewed: float = 20.0
    margin: float = 5.0
    grace: float = 10.0
    poll: float = 1.0
    freed: float = 10.0


@frozen
class Clocks:
    """`since_boot` goes on while the machine sleeps; `wall` is the time of day: a machine that was stopped from outside
    sees it jump."""

    since_boot: Callable[[], float] = clock.since_boot
    wall: Callable[[], float] = time.time


@frozen
class Record:
    """What the server holds. `holder` None: it is free. `nonce` is another in each record; `run` the same in all of one
    run. `namespace` tells whose process numbers the holder's is one of. `lease_until` and `renewed_at` are by the
    holder's clock, for people."""

    holder: Owner | None
    fence: int
    run: str = ""
    namespace: str = ""
    renewed_at: float = 0.0
    lease_until: float = 0.0
    nonce: str = field(factory=lambda: uuid.uuid4().hex)

    def dump(self) -> bytes:
        """As the server keeps it."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}).encode()

    @classmethod
    def load(cls, data: bytes, name: str) -> Record:
        """Raises StateError for what is no record, as a part of one, and for one of a later format: never nobody's."""
        try:
            found = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
            if type(found) is not dict or found.pop("format_version") != FORMAT_VERSION:
                raise ValueError("another format")
            holder = found.pop("holder")
            owner = None if holder is None else owner_in(json.dumps(holder).encode())
            if (owner is None) is not (holder is None) or type(found["fence"]) is not int or found["fence"] < 0:
                raise ValueError("not an owner")
            return cls(owner, **{key: found[key] for key in _KEYS})
        except (ValueError, TypeError, KeyError, RecursionError):
            raise StateError(
                f"the lock of {name} cannot be read",
                hint="look at it on the server: flowplan takes no lock that it does not understand",
            ) from None


_KEYS = ("fence", "run", "namespace", "renewed_at", "lease_until", "nonce")


@define
class _Held:
    """A lease that this process has: the record as it was written last, and until when it lasts by each clock."""

    record: Record
    version: str
    until: float
    until_wall: float


class LeaseLock(FencedLock):
    """The lock of the state `name`; what each method promises is said at `store.StateLock` and `place.FencedLock`.

    `fence_there` asks for the highest fence that wrote to the state, `proof` whether the server can keep a lock at all:
    both are asked before the lock is taken, and raise StateError."""

    def __init__(
        self,
        leases: Leases,
        name: str,
        fence_there: Callable[[], int],
        proof: Callable[[], None] = lambda: None,
        terms: Terms | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self._leases, self._name, self._fence_there, self._proof = leases, name, fence_there, proof
        self._terms, self._clocks = terms or Terms(), clocks or Clocks()
        self._run = ""  # of an acquire that began
        self._foreseen: tuple[Foreseen[Lease], Foreseen[int]] | None = None
        self._held: _Held | None = None
        self._watched = ("", 0.0)  # the version of a record that another holds, and since when it was there
        self._guard = threading.RLock()  # of `_held`, and of each renewal
        self._stop = threading.Event()

    @property
    def name(self) -> str:
        return self._name

    @property
    def fence(self) -> int:
        held = self._held
        return held.record.fence if held is not None and not self._stop.is_set() else 0

    def sure_for(self) -> float:
        held = self._held
        if held is None or self._stop.is_set():
            return 0.0
        return min(held.until - self._clocks.since_boot(), held.until_wall - self._clocks.wall())

    def out_of_reach(self) -> str | None:
        return None

    # -- taking it

    def foresee(self) -> None:
        """Begin to look at the record, and at the fence, without waiting: `acquire` goes on from what is found. Whether
        that still holds by then, the server says."""

        def lease() -> Lease:
            self._leases.ready()
            return self._leases.lease()

        self._foreseen = Foreseen(lease), Foreseen(self._fence_there)

    def unused(self) -> bool:
        lease = self._leases.lease() if self._foreseen is None else self._foreseen[0].found()
        return lease.record is None

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._proof()
        self._run = uuid.uuid4().hex
        wait_for(
            lambda: self._blocked(owner, say),
            held=self._held_by,
            timeout=timeout,
            poll=self._terms.poll,
            say=say,
            stopped=stopped,
            clock=self._clocks.since_boot,
        )
        # Where there is no thread that renews it, the lock is sure for one lease.
        begun(threading.Thread(target=self._renew_on, args=(self._stop,), name="flowplan-lease", daemon=True))

    def _held_by(self) -> str:
        holder = self.holder()
        return f"held by {holder.who if holder is not None else 'another run'}"

    def _blocked(self, owner: Owner, say: Callable[[str], None]) -> Locked | None:
        """Take the lock; what is in the way, if it cannot be taken."""
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is not None and self._taken_as(*foreseen, owner):
            return None
        lease = self._leases.lease()
        left = self._read(lease)
        ended = left is None or left.holder is None or self._over(lease, left)
        if left is not None and left.holder is not None and not ended:
            return _locked(self._name, left.holder)
        if not self._take(self._next(owner, left, self._fence_there()), lease.version):
            return Locked(f"another run took the lock of {self._name} first", hint="give --lock-timeout 5m to wait")
        if left is not None and left.holder is not None:
            gone = left.holder
            say(f"the run of {gone.who} since {gone.since} ({gone.command}) died; taking over its lock")
        return None

    def _taken_as(self, foreseen: Foreseen[Lease], fence: Foreseen[int], owner: Owner) -> bool:
        """Whether the lock was free when it was looked at, and is taken, because its record is still that one. Raises
        what the look raised."""
        lease = foreseen.found()
        left = self._read(lease)
        if left is not None and left.holder is not None:
            return False
        return self._take(self._next(owner, left, fence.found()), lease.version)

    def _next(self, owner: Owner, left: Record | None, fence: int) -> Record:
        """That `owner` has the lock, after `left`, and after `fence`, which a run has begun to write with."""
        return Record(owner, max(left.fence if left is not None else 0, fence) + 1, self._run, pid_namespace())

    def _over(self, lease: Lease, left: Record) -> bool:
        """Whether the run that has the lock by the record `left` is dead, or its lease has ended for everybody."""
        return dead(left) or self._age(lease) > self._terms.lease + self._terms.grace

    def _age(self, lease: Lease) -> float:
        """How long a record has been there unchanged, in seconds: by the server's clock when it was first seen, by this
        machine's since."""
        now = self._clocks.since_boot()
        if self._watched[0] != lease.version:
            age = lease.age if lease.age is not None else self._leases.age(lease)
            self._watched = lease.version, now - max(age or 0.0, 0.0)
        return now - self._watched[1]

    def _take(self, record: Record, expected: str) -> bool:
        """Put `record` in the place of the one whose version is `expected`; whether it was still that one."""
        with self._guard:
            began, wall = self._clocks.since_boot(), self._clocks.wall()
            lasting = self._terms.lease
            record = evolve(record, nonce=uuid.uuid4().hex, renewed_at=wall, lease_until=wall + lasting)
            try:
                version = self._leases.put_lease(record.dump(), expected)
            except Conflict:
                return False
            lasting -= self._terms.margin
            self._stop = threading.Event()
            self._held = _Held(record, version, began + lasting, wall + lasting)
            return True

    def _read(self, lease: Lease) -> Record | None:
        return None if lease.record is None else Record.load(lease.record, self._name)

    # -- keeping it

    def _renew_on(self, stop: threading.Event) -> None:
        """In a thread: renew the lease until `stop`, or until another has it."""
        pause = self._terms.renewed
        with wanted_until(stop):
            while not stop.wait(pause):
                try:
                    if not self._renew(stop):
                        return
                    pause = self._terms.renewed
                except StateError:  # the server is away: it is ours as long as nobody has taken it
                    pause = self._terms.renewed / 10

    def _renew(self, stop: threading.Event) -> bool:
        """Renew it; False: it is not ours any more. Raises StateError where that is not known."""
        with self._guard:
            held = self._held
            if held is None or stop.is_set():
                return False
            began, wall = self._clocks.since_boot(), self._clocks.wall()
            lasting = self._terms.lease
            record = evolve(held.record, nonce=uuid.uuid4().hex, renewed_at=wall, lease_until=wall + lasting)
            try:
                version = self._leases.put_lease(record.dump(), held.version)
            except Conflict:
                return self._taken_from_us(held)
            lasting -= self._terms.margin
            self._held = _Held(record, version, began + lasting, wall + lasting)
            return True

    def _taken_from_us(self, held: _Held) -> bool:
        """The record is another than we wrote last. One that is still of this run is a renewal whose answer was lost;
        it lasts as long as was known before."""
        lease = self._leases.lease()
        there = self._read(lease)
        if there is not None and there.holder is not None and there.run == held.record.run:
            held.version, held.record = lease.version, there
            return True
        self._held = None
        return False

    def verify(self) -> None:
        """Raise StateError unless it is still ours. The server is asked only where the time of day has jumped, as it
        does for a machine that was stopped, and waited for only as long as the lease lasts by the time since boot."""
        if self.sure_for() > 0:
            return
        held, stop = self._held, self._stop
        if held is not None and not stop.is_set() and self._clocks.since_boot() < held.until:
            with suppress(StateError):
                left = held.until
                if in_time(lambda: self._renew(stop), lambda: left - self._clocks.since_boot(), self._name):
                    return
        raise Remedied(f"the lock of {self._name} was lost while this command ran; flowplan changes nothing more")

    # -- giving it back

    def release(self) -> None:
        """Free it, also after an `acquire` that was interrupted. Raises no error: where the server is away, or does not
        answer, the lease runs out by itself."""
        self._stop.set()
        run, self._run = self._run, ""
        if run:
            until = time.monotonic() + self._terms.freed
            with suppress(StateError):
                in_time(lambda: self._free(run), lambda: until - time.monotonic(), self._name)

    def _free(self, run: str) -> None:
        """Free it from `run`. By the time that the server answers, this object may have begun another."""
        with self._guard:
            held = self._held
            if held is not None and held.record.run == run:
                self._held = None
            else:
                held = None
            version, fence = (held.version, held.record.fence) if held is not None else ("", 0)
            try:
                if held is not None:
                    self._leases.put_lease(Record(None, fence).dump(), version)
                    return
            except Conflict:  # a renewal whose answer was lost, or another run
                pass
            lease = self._leases.lease()
            there = self._read(lease)
            if there is not None and there.holder is not None and there.run == run:
                self._leases.put_lease(Record(None, there.fence).dump(), lease.version)

    # -- looking at it

    def holder(self) -> Owner | None:
        found = self._read(self._leases.lease())
        return found.holder if found is not None else None

    def held(self) -> bool:
        lease = self._leases.lease()
        found = self._read(lease)
        if found is None or found.holder is None:
            return False
        return not self._over(lease, found)

    def break_(self, id: str, here: Owner) -> Owner:
        """Free it from the run `id`. Raises FlowplanError when another holds it, or nobody, or one that is alive: whose
        process is there, or whose lease has not ended."""
        lease = self._leases.lease()
        found = self._read(lease)
        if found is None or found.holder is None:
            raise FlowplanError(f"nobody holds the lock of {self._name}")
        holder = found.holder
        if holder.id != id:
            raise FlowplanError(f"the lock has the id {holder.id}, not {id}; it stays", hint=None)
        if not self._over(lease, found):
            left = self._terms.lease + self._terms.grace - self._age(lease)
            raise FlowplanError(
                f"process {holder.pid} on {holder.host} may be alive: its lease has not run out; the lock stays",
                hint=f"if that run is dead, its lock is free in {max(left, 1):.0f} s",
            )
        try:
            self._leases.put_lease(Record(None, found.fence).dump(), lease.version)
        except Conflict:
            raise FlowplanError(f"another run has the lock of {self._name} by now; it stays", hint=None) from None
        return holder


def dead(left: Record) -> bool:
    """Whether the process that `left` names is over. Only a process that this one would see says so: one kernel numbers
    the processes of each container by themselves, and this one may be in another."""
    holder = left.holder
    if holder is None or not holder.boot or holder.boot != boot_id():
        return False
    if not left.namespace or left.namespace != pid_namespace():
        return False
    # As another process would see it: a lock that this very process holds is held.
    return fate_of(holder, evolve(holder, pid=0, started="")) == "dead"


def _locked(name: str, holder: Owner) -> Locked:
    return Locked(
        f"the lock of {name} is held by {holder.who}",
        detail=holder.describe(),
        hint="give --lock-timeout 5m to wait; the lock of a run that is dead frees itself within 70 s",
    )
