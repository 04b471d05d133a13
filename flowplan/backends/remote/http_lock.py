"""The lock of a state on a server that keeps Terraform states: LOCK and UNLOCK, and the document that says who has it.

There is no lease: the server knows no time. A lock stays until its run gives it back; that of a run that died is freed
where its process is seen to be dead, on the machine that it ran on, or by `force-unlock`. GitLab does not show who has
a lock, so the document says it, too.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from attrs import evolve

from flowplan import __version__
from flowplan.backends.overflow import overflow_directory
from flowplan.backends.processes import fate_of, how_to_wake, pid_namespace
from flowplan.backends.remote.asked import Asked
from flowplan.backends.remote.foreseen import Foreseen
from flowplan.backends.remote.http import HttpPlace, InTheWay
from flowplan.backends.remote.http_address import HttpAddress
from flowplan.backends.remote.http_client import UNRETURNED, HttpClient, LockInfo
from flowplan.backends.remote.lease import Clocks, Record, dead
from flowplan.backends.remote.place import FencedLock, Foreign
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore
from flowplan.backends.store import StateLock
from flowplan.backends.waiting import wait_for
from flowplan.backends.watch_lock import NoWatchLock
from flowplan.errors import FlowplanError, Locked, Remedied, StateError
from flowplan.model.owner import Owner
from flowplan.state.form import Form

TRUST = 5.0  # seconds for which an answer of the server's counts
PATIENCE = 60.0  # seconds for which the server may be away
WAIT = 5.0  # seconds after which a look that is not answered is waited for no longer
AT_THE_END = 3.0  # seconds for each of two requests: nobody waits long for a server that is away
POLL = 1.0  # seconds between two tries
_UNTOLD = (
    "The server does not show whether anything else has it locked, as Terraform may, or a run that died before its "
    "first write; a run that needs the lock is told."
)


class HttpLock(FencedLock):
    """The lock of `place`; what each method promises is said at `store.StateLock` and `place.FencedLock`. `proof` finds
    out whether the server can keep a lock at all: it raises StateError, InTheWay where it cannot be tried now. `noted`:
    the locks that runs on this machine have asked for. `of_watcher`: what begins at `place` is no state of anybody's,
    and nobody is told of it."""

    def __init__(
        self,
        place: HttpPlace,
        proof: Callable[[], None],
        noted: Asked,
        clocks: Clocks | None = None,
        poll: float = POLL,
        *,
        of_watcher: bool = False,
    ) -> None:
        self._place, self._proof, self._clocks, self._poll = place, proof, clocks or Clocks(), poll
        self._of_watcher = of_watcher
        self._noted = noted
        self._asked: LockInfo | None = None  # what was asked for, and may be ours
        self._granted = False  # whether it was
        self._say: Callable[[str], None] = lambda _: None
        self._taken = False  # whether the document says so
        self._fence = 0
        self._asking = threading.Lock()
        self._look: tuple[float, Foreseen[bool]] | None = None  # whether it is still ours, and since when that is asked

    @property
    def name(self) -> str:
        return self._place.name

    @property
    def fence(self) -> int:
        return self._fence

    def out_of_reach(self) -> str | None:
        return None

    # -- taking it

    def foresee(self) -> None:
        """Nothing is known of a lock before it is taken."""

    def unused(self) -> bool:
        return not self._place.look().serial

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._say = say
        wait_for(
            lambda: self._blocked(owner, say),
            held=lambda: f"of {self.name}",
            timeout=timeout,
            poll=self._poll,
            say=say,
            stopped=stopped,
            clock=self._clocks.since_boot,
        )

    def _blocked(self, owner: Owner, say: Callable[[str], None]) -> Locked | None:
        """Take the lock; what is in the way, if it cannot be taken. The lock of a run that is dead is freed first."""
        there = self._in_the_way(owner, say)
        if there is not None and not self._is_left(there) and self._record_of(there).holder is None:
            time.sleep(self._poll)  # it may have been taken just now, and is named soon
            there = self._in_the_way(owner, say)
        if there is None:
            return None
        left = self._record_of(there)
        if self._is_left(there) or (left.holder is not None and dead(left)):
            self._place.client.unlock(LockInfo(left.run or there.ID))
            self._noted.forget(there.ID)
            there = self._in_the_way(owner, say)
            if there is None:
                if left.holder is not None and dead(left):
                    gone = left.holder
                    say(f"the run of {gone.who} since {gone.since} ({gone.command}) died; taking over its lock")
                return None
            left = self._record_of(there)
        return _locked(self.name, left.holder or _unknown(there), there)

    def _is_left(self, there: LockInfo) -> bool:
        """Whether the lock `there` was given back, and the server was away when it was: by what this process knows,
        which runs more than once as a watch, or by what its document says."""
        if not there.ID:
            return False
        found = self._place.look().record
        return there.ID in UNRETURNED or (found.holder is None and found.run == there.ID)

    def _in_the_way(self, owner: Owner, say: Callable[[str], None]) -> LockInfo | None:
        """Ask the server for the lock; None: it is ours, and the document says so."""
        try:
            with self._noting(owner) as self._place.noting:
                self._proof()
        except InTheWay as held:
            return held.info
        id = str(uuid.uuid4())
        record = self._record(owner, id)
        info = LockInfo(id, owner.command, record.dump().decode(), owner.who, __version__, owner.since, self.name)
        self._asked = info  # known first: what interrupts the call gives it back
        self._noted.note(record)  # and so does the next run, whatever ends this one
        there = self._place.client.lock(info)
        if there is not None:
            self._noted.forget(id)
            self._asked = None
            return there
        self._granted = True
        self._noted.forget_dead()
        try:
            written = self._place.take(id, record)
        except StateError:
            self.release()
            raise
        self._taken, self._fence = True, written.fence
        if self._place.is_new:
            self._place.is_new = False
            if not self._of_watcher:
                say(f"there was no state at {self.name}: a new one begins there")
        return None

    def _record(self, owner: Owner, id: str) -> Record:
        """That of the lock `id`, which is asked for now."""
        return Record(owner, 0, run=id, namespace=pid_namespace(), renewed_at=self._clocks.wall())

    @contextmanager
    def _noting(self, owner: Owner) -> Iterator[Callable[[str], None]]:
        """Inside, what is given notes that `owner` asks for a lock that is given back at once: of a process that is
        killed in between, the next run here knows whose it is."""
        asked: list[str] = []

        def note(id: str) -> None:
            asked.append(id)
            self._noted.note(self._record(owner, id))

        try:
            yield note
        finally:
            for id in asked:
                if id not in UNRETURNED:
                    self._noted.forget(id)

    @contextmanager
    def _trying(self, info: LockInfo, owner: Owner) -> Iterator[LockInfo | None]:
        """As `HttpClient.holding`, and noted."""
        with self._noting(owner) as note:
            note(info.ID)
            with self._place.client.holding(info) as there:
                yield there

    def _record_of(self, there: LockInfo) -> Record:
        """Who has the lock `there`, by the document, by what the server was given with it, or by what was noted on this
        machine before it was asked for; free: that is not known.
        What GitLab says of a lock that is held is, but for its ID, what it was just asked with."""
        found = self._place.look().record
        with suppress(StateError):
            if found.run != there.ID and there.Info:
                found = Record.load(there.Info.encode(), self.name)
        if found.run != there.ID:
            found = self._noted.record(there.ID) or found
        return found if there.ID in ("", found.run) else Record(None, 0)

    # -- keeping it

    def verify(self) -> None:
        """Raise StateError unless it is still ours. The server is asked where it has not said so for TRUST seconds."""
        if self._taken and (self._fresh(TRUST) or self._still_ours()):
            return
        raise Remedied(f"the lock of {self.name} was lost while this command ran; flowplan changes nothing more")

    def _still_ours(self) -> bool:
        """Where the server is away, the lock is ours as far as PATIENCE goes: nobody takes one that is held without
        saying so first. A server that does not answer for WAIT seconds is away; what it says then counts when it
        comes."""
        with self._asking:  # one of several threads asks
            while not self._fresh(TRUST):
                is_new, now = self._look is None, self._clocks.since_boot()
                began, look = self._look = self._look or (now, Foreseen(self._place.is_ours))
                if not look.ended_in(max(began + WAIT - now, 0.0)):
                    return self.sure_for() > 0
                self._look = None
                try:
                    if not look.found() or is_new:
                        return look.found()
                except Foreign:
                    raise
                except StateError:
                    return self.sure_for() > 0
            return True

    def _age(self) -> float:
        """How many seconds ago the server said that it is ours: by both clocks, as a machine may have slept."""
        since_boot, wall = self._place.confirmed
        return max(self._clocks.since_boot() - since_boot, abs(self._clocks.wall() - wall))

    def _fresh(self, seconds: float) -> bool:
        return self._age() < seconds

    def sure_for(self) -> float:
        return PATIENCE - self._age() if self._taken else 0.0

    # -- giving it back

    def release(self) -> None:
        """Free it, also after an `acquire` that was interrupted. Raises no error: where the server is away, the lock
        stays, and the next run on this machine takes it over."""
        asked = self._asked
        self._taken, self._fence, self._look = False, 0, None
        if asked is None:
            return
        client = self._place.client
        with suppress(StateError), client.within(AT_THE_END):
            if self._place.lock_id:
                self._place.give_back(asked.ID, AT_THE_END)
        self._place.leave()
        UNRETURNED.add(asked.ID)
        try:
            with client.within(AT_THE_END):
                client.unlock(asked)
            self._noted.forget(asked.ID)
        except StateError as error:
            if self._granted:
                self._say(
                    f"{error}; so the lock stays: the next run on this machine takes it over, and from elsewhere "
                    f"`flowplan force-unlock {asked.ID}` frees it"
                )
        self._asked, self._granted = None, False

    # -- looking at it

    def holder(self) -> Owner | None:
        return self._place.look_known().record.holder

    def untold(self) -> str | None:
        return _UNTOLD

    def held(self) -> bool:
        found = self._place.look_known().record
        return found.holder is not None and not dead(found)

    def break_(self, id: str, here: Owner) -> Owner:
        """Free it from the run `id`: its own id, or that of its lock at the server. Raises FlowplanError when another
        holds it, or nobody, or a process that is alive on this machine."""
        found = self._place.look_known().record
        holder = found.holder
        if holder is None or id not in (holder.id, found.run):
            holder, lock_id = self._unnamed(id, holder, here), id
        else:
            lock_id = found.run
            # As another process would see it: a lock that this very process holds is held.
            if fate_of(holder, evolve(here, pid=0, started="")) == "alive":
                raise FlowplanError(
                    f"process {holder.pid} on {holder.host} is alive and holds the lock; it stays",
                    hint=how_to_wake(holder)
                    or f"stop that process first (kill -INT {holder.pid} lets it finish cleanly)",
                )
        self._place.client.unlock(LockInfo(lock_id))
        self._clear(here)
        return holder

    def _unnamed(self, id: str, holder: Owner | None, here: Owner) -> Owner:
        """Who has the lock `id` at the server, which the document does not say. Raises FlowplanError."""
        probe = LockInfo(str(uuid.uuid4()), "probe", Who="flowplan", Version=__version__)
        with self._trying(probe, here) as there:
            if there is None and holder is None:
                raise FlowplanError(f"nobody holds the lock of {self.name}")
        there_id = there.ID if there is not None and there.ID else holder.id if holder is not None else ""
        if there is None or there_id != id:
            raise FlowplanError(f"the lock has the id {there_id}, not {id}; it stays", hint=None)
        return _unknown(there)

    def _clear(self, here: Owner) -> None:
        """Under a lock of its own, raise the fence and take the name out: a run that was alive writes nothing more."""
        own = LockInfo(str(uuid.uuid4()), "force-unlock", Who="flowplan", Version=__version__)
        with self._trying(own, here) as there:
            if there is not None:
                raise FlowplanError(f"another run has the lock of {self.name} by now; it stays", hint=None)
            try:
                self._place.take(own.ID, Record(None, 0))
            finally:
                self._place.leave()


def _unknown(there: LockInfo) -> Owner:
    """What the server says of who has a lock that no document names."""
    return Owner(there.ID, there.Who or "another run", "", 0, "", "", "", there.Created)


def _locked(name: str, holder: Owner, there: LockInfo) -> Locked:
    remedy = "give --lock-timeout 5m to wait"
    if wake := how_to_wake(holder):
        remedy = wake
    elif id := holder.id or there.ID:
        remedy += f"; if that run is dead, flowplan force-unlock {id}"
    else:
        remedy += "; the server does not say who has it: if no run does, unlock the state there"
    return Locked(f"the lock of {name} is held by {holder.who}", detail=holder.describe(), hint=remedy)


def open_http(given: str, base: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> RemoteStore:
    """The store of the state at the URL `given`, for `open.STORES`. Raises UsageProblem for a URL that can be no
    state."""
    address = HttpAddress.of(given, environ)
    seen = Seen.of(environ, address.state, address.state)
    place = HttpPlace(HttpClient(address, environ), seen=seen)
    lock, overflows = _lock_at(place, environ), overflow_directory(environ)
    watch_lock: StateLock = NoWatchLock(place.name)
    if (beside := address.for_watching()) is not None:
        watch_lock = _lock_at(HttpPlace(HttpClient(beside, environ)), environ, of_watcher=True)
    return RemoteStore(place, lock, base, seen, overflows, hold, form, watch_lock=watch_lock)


def _lock_at(place: HttpPlace, environ: Mapping[str, str], *, of_watcher: bool = False) -> HttpLock:
    """The lock of `place`, whose server is tried once on each machine."""
    proof = partial(Seen.of(environ, place.identity, place.name).prove_once, place.prove)
    return HttpLock(place, proof, Asked.of(environ, place.identity, place.name), of_watcher=of_watcher)
