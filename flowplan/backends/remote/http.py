"""A state on a server that keeps Terraform states (GitLab, Gitea, and others that speak Terraform's `http`
backend), as one document: each write replaces it whole, in one request.

The server excludes, not the writer: each write names its lock, and the server refuses one that is not the one that is
held. Its serial is the next one, and a server that keeps each serial once refuses a second. So who wakes after his lock
was taken away writes nothing.

A server without serials takes any document in the place of any other, so a 404 that is a gateway's would cost the
state, and an older document that is a replica's all since. What is less than what this machine has seen is locked, but
not written: the command that reads it under the lock is refused, or was told to begin a new one or to put one back.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

from attrs import evolve

from flowplan import __version__
from flowplan.backends.parts import Part
from flowplan.backends.remote.http_client import HttpClient, LockInfo
from flowplan.backends.remote.http_document import ASIDE, Aside, Document, Packed
from flowplan.backends.remote.in_time import hold_wanted
from flowplan.backends.remote.lease import Clocks, Record
from flowplan.backends.remote.place import Conflict, Contents, Fault, Place, Saved, Unanswered
from flowplan.backends.remote.seen import Seen
from flowplan.backends.sent import Sent
from flowplan.errors import StateError
from flowplan.state.history import VersionId

_TRIES = 4  # of one write
_PAUSE = 0.5  # seconds before the second; it doubles
_LOOKS = 3  # that find nothing, before a first document is written


class InTheWay(StateError):
    """The lock is held, so that nothing can be tried: by `info`."""

    def __init__(self, name: str, info: LockInfo) -> None:
        super().__init__(f"the lock of {name} is held")
        self.info = info


class HttpPlace(Place):
    """The state that `client` reaches; what each method promises is said at `place.Place`. `lock_id` is what every
    write names, "": none; as long as there is one, nobody else writes, and what was written last is there. `seen`:
    what this machine has seen there; None: no memory."""

    def __init__(
        self,
        client: HttpClient,
        clocks: Clocks | None = None,
        sleep: Callable[[float], None] = time.sleep,
        seen: Seen | None = None,
    ) -> None:
        self.client, self._clocks, self._sleep, self._seen = client, clocks or Clocks(), sleep, seen
        self._met = False  # whether there was a document when this run looked
        self._unsaid = False  # whether the document does not say yet who has the lock
        self.noting: Callable[[str], None] = lambda id: None  # hears of each lock that is tried, before it is asked for
        self.lock_id = ""
        self.is_new = False  # whether nothing was there before
        self.confirmed = (0.0, 0.0)  # when the server last proved that the state is ours: since boot, and time of day
        self._run = uuid.uuid4().hex
        self._there = Document()  # as it was written last, under the lock
        self._doubt = ""  # a write that may have been done since
        self._guard = threading.RLock()  # of all that is written

    @property
    def name(self) -> str:
        return self.client.name

    @property
    def identity(self) -> str:
        return self.client.name

    @property
    def sends(self) -> Sent | None:
        return self.client.address.sends

    def close(self) -> None:
        self.client.close()

    # -- the document

    def look(self) -> Document:
        """What is there now; one with serial 0: nothing. Raises StateError, also where there was something before."""
        data = self.client.get()
        if data is None and self._met:
            self._gone("run")
        self._met = data is not None
        return Document() if data is None else Document.load(data, self.name)

    def look_known(self) -> Document:
        """The same; also raises StateError where there is nothing, and this machine has seen a state."""
        found = self.look()
        self._hold_seen(found)
        return found

    def _hold_seen(self, found: Document) -> None:
        if not found.serial and self._more_was_seen(found):
            self._gone("machine")

    def _more_was_seen(self, found: Document) -> bool:
        """Whether this machine has seen more there than `found`. Where that has but a journal, nothing is known."""
        there_is = found.serial > 0 and not found.state[0] and bool(found.journal)
        return self._seen is not None and not there_is and self._seen.more_than(*found.state)

    def _gone(self, who: str) -> NoReturn:
        path = None if self._seen is None or who == "run" else self._seen.path
        removed = f"; if somebody has removed it on purpose, remove {path}" if path else ""
        raise StateError(
            f"the server says that there is no state at {self.name} (HTTP 404), but this {who} has seen one there",
            hint=f"look at it on the server, and for a gateway before it, and run the same command again{removed}",
        )

    def _look_to_begin(self) -> Document:
        """What the first write of a run replaces; nothing, only if each of several looks finds nothing."""
        found, pause = self.look(), _PAUSE
        for _ in range(0 if self.client.address.numbered else _LOOKS - 1):
            if found.serial:
                break
            self._sleep(pause)
            pause *= 2
            found = self.look()
        return found

    def _base(self) -> Document:
        """What the next write replaces. Raises Conflict where that is another run's."""
        if self.lock_id and not self._doubt:
            if self._unsaid and self.look().write != self._there.write:
                self._overtaken()
            return self._there
        found = self.look()
        if self.lock_id:
            if found.write not in (self._there.write, self._doubt):
                self._overtaken()
            if found.write != self._doubt and not self.client.address.numbered:
                raise Unanswered(f"a write to {self.name} may arrive late, so nothing more is written under this lock")
            self._there, self._doubt = found, ""
        elif not self.client.address.numbered:
            raise StateError(f"{self.name} is written only under its lock")
        return found

    def _put(self, base: Document, new: Document) -> Document:
        """Write `new` in the place of `base`. An answer that is lost, or no success, is looked up. What may have been
        done is sent again only where a second arrival of the first could do no harm: its serial is taken by then."""
        hold_wanted()  # what is not sent is in no doubt, maybe under another lock by now
        pause, data, self._doubt = _PAUSE, new.dump(), new.write
        for left in reversed(range(_TRIES)):
            asked = self._clocks.since_boot(), self._clocks.wall()
            try:
                self.client.update(data, self.lock_id)
                break
            except (Conflict, Unanswered) as error:
                there = self.look()
                if there.write == new.write:
                    break
                if there.write != base.write:
                    self._overtaken(error)
                sent_again = left < _TRIES - 1  # what refuses it then may be itself, which a look does not show yet
                if (isinstance(error, Conflict) and not sent_again) or not left or not self.client.address.numbered:
                    raise
            self._sleep(pause)
            pause *= 2
        self._there, self._doubt, self._met, self._unsaid = new, "", True, False
        self.confirmed = max(self.confirmed, asked)
        return new

    def _overtaken(self, error: StateError | None = None) -> NoReturn:
        raise Conflict(f"{self.name} was written by another run") from error

    # -- for its lock

    def take(self, lock_id: str, record: Record) -> Document:
        """Say in the document who has the lock `lock_id`, which was taken, under a fence that is higher than all
        before. Raises StateError."""
        with self._guard:
            self.lock_id, self._doubt, pause = lock_id, "", _PAUSE
            for left in reversed(range(_TRIES)):
                before = self._look_to_begin()
                fence, version = before.fence + 1, uuid.uuid4().hex
                now = before.next(fence=fence, run=self._run, version=version, record=evolve(record, fence=fence))
                if self._more_was_seen(before):
                    self._there, self._unsaid = evolve(now, serial=before.serial, write=before.write), True
                    self.confirmed = self._clocks.since_boot(), self._clocks.wall()
                    return self._there
                self.is_new = self.is_new or not before.serial
                try:
                    return self._put(before, now)
                except Conflict as error:  # nobody else writes under this lock: what was read is not the latest yet
                    if not left:
                        raise StateError(
                            f"{self.name}: the server gives an older document than the one it has",
                            hint="look for a cache or a replica before it, and run the same command again",
                        ) from error
                self._sleep(pause)
                pause *= 2
            raise AssertionError("unreachable")

    def give_back(self, lock_id: str, seconds: float) -> None:
        """Say in the document that the lock `lock_id` was given back. Raises StateError, also where the server has not
        answered another write within `seconds`."""
        if not self._guard.acquire(timeout=seconds):
            raise Unanswered(f"the server of {self.name} does not answer")
        try:
            if self._unsaid:
                return
            base = self._base() if self._there.record.run == lock_id else self.look()
            if base.record.run == lock_id:
                self._put(base, base.next(record=Record(None, base.fence, lock_id)))
        finally:
            self._guard.release()

    def leave(self) -> None:
        """Nothing is written under the lock any more. A write that is under way, because the server does not answer, is
        not sent again: nobody waits for it."""
        free = self._guard.acquire(blocking=False)
        self.lock_id, self._doubt, self._run, self._unsaid = "", "", uuid.uuid4().hex, False
        if free:
            self._guard.release()

    def is_ours(self) -> bool:
        """Whether no run has begun since this one did. Raises StateError."""
        began = self._clocks.since_boot(), self._clocks.wall()
        unsaid, before = self._unsaid, self._there.write  # a write of this run may overtake the look
        found = self.look()
        if (found.run, found.fence) != (self._run, self._there.fence) and not (unsaid and found.write == before):
            return False
        self.confirmed = max(self.confirmed, began)
        return True

    # -- proof

    def prove(self) -> None:
        """Also raises InTheWay where another has the lock."""
        mine, other = (LockInfo(str(uuid.uuid4()), "probe", Who="flowplan", Version=__version__) for _ in range(2))
        for one in (mine, other):
            self.noting(one.ID)
        with self.client.holding(mine) as there:
            if there is not None:
                raise InTheWay(self.name, there)
            self.lock_id = mine.ID
            try:
                self._try(mine, other)
            finally:
                self.leave()

    def _try(self, mine: LockInfo, other: LockInfo) -> None:
        if self.client.lock(other) is None:
            with suppress(StateError):
                self.client.unlock(other)
            self._fault("gives a lock that is held to a second run")
        there = self._look_to_begin()
        self._hold_seen(there)
        if self._more_was_seen(there):
            raise StateError(
                f"{self.name} went back to serial {there.state[1]}; this machine has seen a later one",
                hint="look for a replica before the server, and run the same command again",
            )
        if not there.serial:
            self.is_new, first = True, self._put(there, there.next())
            there = self.look()
            if there.write != first.write:
                self._fault("does not give back what was written last")
        if not self._refuses(there.next(), other.ID):
            self._fault("takes a write from a run that does not have the lock")
        if self.client.unlock(other):
            self._fault("gives the lock away for a run that does not have it")
        if not self._refuses(evolve(there, write=uuid.uuid4().hex), mine.ID):
            # Serials do not count there. Then a lock must, also when nobody has it any more.
            self.client.unlock(mine)
            if not self._refuses(there.next(), mine.ID):
                self._fault("takes a write from a run whose lock was taken away")

    def _refuses(self, document: Document, lock_id: str) -> bool:
        """Whether the server does not take `document`, which says of the state what is there."""
        try:
            self.client.update(document.dump(), lock_id)
        except StateError:
            return self.look().write != document.write
        return False

    def _fault(self, fault: str) -> NoReturn:
        raise Fault(
            f"the server of {self.name} {fault}: no state can be kept there, because two runs could change it at once",
            hint="keep the state at GitLab or Gitea, or in a file",
        )

    # -- the state

    def hold_allowed(self) -> None:
        """Only a write finds out."""

    def foresee(self) -> None:
        """It is one look anyway."""

    def fence(self) -> int:
        return self.look().fence

    def read(self) -> Contents:
        return self.look().contents

    def begin(self, fence: int, seen: Contents) -> Contents:
        with self._guard:
            base = self._base()
            if (base.fence, base.run) == (fence, self._run):
                return base.contents
            if base.fence >= fence:
                raise Conflict(f"{self.name} was written under fence {base.fence}, this run has {fence}")
            return self._put(base, base.next(fence=fence, run=self._run, version=uuid.uuid4().hex)).contents

    def append(self, fence: int, number: int, frames: bytes) -> None:
        with self._guard:
            base = self._held(fence)
            self._put(base, base.next(journal=base.journal + frames))

    def save(self, fence: int, version: str, saved: Saved) -> str:
        with self._guard:
            base = self._held(fence)
            if base.version != version:
                self._overtaken()
            new = base.next(
                version=uuid.uuid4().hex,
                state=(saved.lineage, saved.serial),
                snapshot=saved.snapshot,
                backup=saved.backup,
                journal=saved.journal,
            )
            return self._put(base, new).version

    def _held(self, fence: int) -> Document:
        base = self._base()
        if (base.fence, base.run) != (fence, self._run):
            self._overtaken()
        return base

    def purge(self) -> None:
        """A save takes it away at once."""

    def set_aside(self, part: Part, data: bytes) -> str:
        with self._guard:
            base, name = self._base(), f"{part}.damaged.{uuid.uuid4().hex[:8]}"
            kept = (*base.aside, Aside(name, Packed.of(("", 0), data).data))[-ASIDE:]
            self._put(base, base.next(aside=kept))
            return f"{self.name}#{name}"

    # -- kept versions

    def keep_version(self, id: VersionId, document: bytes, *, replace: bool) -> None:
        with self._guard:
            base = self._base()
            kept = base.keeping(Packed.of(id, document), replace=replace)
            if kept != base.versions:
                self._put(base, base.next(versions=kept))

    def keep_newest(self, id: VersionId, document: bytes) -> tuple[VersionId, ...]:
        with self._guard:
            self.keep_version(id, document, replace=True)
            return self.version_ids()

    def _versions(self) -> tuple[Packed, ...]:
        return (self._there if self.lock_id and not self._doubt else self.look()).versions

    def version_ids(self) -> tuple[VersionId, ...]:
        return tuple(one.id for one in self._versions())

    def version_heads(self) -> Iterable[tuple[str, bytes]]:
        return [(f"version {one.serial} of {self.name}", one.unpacked()) for one in self._versions()]

    def read_version(self, id: VersionId) -> bytes | None:
        return next((one.unpacked() for one in self._versions() if one.id == id), None)

    def drop_version(self, id: VersionId) -> None:
        with self._guard:
            base = self._base()
            kept = tuple(one for one in base.versions if one.id != id)
            if kept != base.versions:
                self._put(base, base.next(versions=kept))
