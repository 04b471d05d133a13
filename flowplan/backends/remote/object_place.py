"""A state as objects of a store that can put an object on condition: that there is none, or that it is still the one
that was read. `objects.py` says which objects there are.

All that is decided is decided by one put of the head. A run that begins puts a seal at the next free number of the
journal before it: what the earlier run would append then finds its number taken.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar

from attrs import evolve

from flowplan.backends.parts import Part
from flowplan.backends.remote.foreseen import Foreseen, at_once
from flowplan.backends.remote.in_time import hold_wanted, wanted_until
from flowplan.backends.remote.object_lease import ObjectLease, Putting
from flowplan.backends.remote.object_proof import prove
from flowplan.backends.remote.object_reading import AT_ONCE, Listed, Look, Reading
from flowplan.backends.remote.objects import (
    Head,
    Objects,
    Sealed,
    framed,
    numbers_in,
    version_in,
)
from flowplan.backends.remote.place import Conflict, Contents, Lease, Leases, Place, Saved
from flowplan.backends.sent import Sent
from flowplan.errors import Remedied, StateError
from flowplan.state.history import VersionId

_MOST_LOOKS = 20
_KEPT_FENCES = 100  # whose seals stay: nobody that woke up may find his number free
_LOOKED_AFTER = 4  # fences before, of which each save empties what a run left that was killed right after its own
_AT_THE_END = 10.0  # seconds for what is removed beside: a later run removes the rest
_T = TypeVar("_T")
_Entry: TypeAlias = tuple[int, int]  # its fence and number


def _if_wanted(call: Callable[[], _T]) -> _T:
    hold_wanted()
    return call()


class ObjectPlace(Place, Leases):
    """The state at `key` of `objects`; what each method promises is said at `place.Place`. `name` is how messages call
    it, `identity` what tells it from others."""

    def __init__(
        self, objects: Objects, key: str, name: str, identity: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._objects, self._key, self._name, self._identity = objects, key, name, identity
        self._put = Putting(objects, sleep)
        self._there = Reading(objects, key, name, self._at_once)
        self._lock = ObjectLease(self._put, f"{key}.lock", self._there.below("clock"))
        self._run = uuid.uuid4().hex
        self._tried = 0  # the highest number of `append`
        # The entries that the next save holds, by fence and number, each with its version; "": that is not known.
        self._over: dict[_Entry, str] = {}
        self._saved: Head | None = None  # what the last save of this run has put
        self._looked = Look(Head(), 0, Contents(), {})  # what was read last
        self._names: dict[bytes, str] = {}  # by what they hold, of the states that were read, or put since
        self._ahead: Foreseen[Contents] | None = None  # what is read ahead
        self._under_way: Foreseen[None] | None = None  # what nobody waits for before it is closed
        self._over_with = threading.Event()  # nothing more of it is begun

    @property
    def name(self) -> str:
        return self._name

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def sends(self) -> Sent | None:
        return self._objects.sends

    def close(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None and not under_way.ended_in(_AT_THE_END):
            self._over_with.set()
            self._over_with = threading.Event()
        self._objects.close()

    # -- objects

    def _at_once(self, calls: Sequence[Callable[[], _T]]) -> list[_T]:
        """As `foreseen.at_once`, and each only if it is still waited for."""
        return at_once([partial(_if_wanted, call) for call in calls], AT_ONCE)

    def _beside(self, calls: Sequence[Callable[[], Any]]) -> None:
        """Make `calls` while others go on, and after those of the time before. What fails is left as it is."""
        before, over = self._under_way, self._over_with

        def made() -> None:
            if before is not None:
                before.found()
            with wanted_until(over), suppress(StateError):
                self._at_once(calls)

        self._under_way = Foreseen(made)

    # -- the records of its locks

    def ready(self) -> None:
        self._lock.ready()

    def lease(self) -> Lease:
        return self._lock.lease()

    def put_lease(self, record: bytes, expected: str) -> str:
        return self._lock.put_lease(record, expected)

    def age(self, seen: Lease) -> float | None:
        return self._lock.age(seen)

    def watches(self) -> Leases:
        """The record of the lock of its watcher."""
        return ObjectLease(self._put, self._there.below("watch"), self._there.below("clock"))

    # -- proof

    def prove(self) -> None:
        prove(self._objects, self._put, self._there.below("probe"))

    def hold_allowed(self) -> None:
        """Only a write finds out."""

    # -- reading

    def fence(self) -> int:
        return self._there.head()[0].fence

    def foresee(self) -> None:
        self._ahead = Foreseen(self._read)

    def read(self) -> Contents:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            with suppress(StateError):
                if (found := ahead.found()) is self._looked.contents and self._is_as_looked():
                    return found
        return self._read()

    def _is_as_looked(self) -> bool:
        """Whether the head is the one that was read, and the next number of the journal is free, as it was then:
        nothing has been written since."""
        head, number = self._looked.head, self._looked.number
        reading = self._there
        next_entry = partial(reading.entry, head.fence, number) if self._looked.contents.version else reading.left_over
        version, there = self._at_once([reading.version, next_entry])
        is_free = there is None if self._looked.contents.version else there == head == Head(write="")
        return version == self._looked.contents.version and is_free

    def _read(self) -> Contents:
        for _ in range(_MOST_LOOKS):
            head, version = self._there.head()
            found = self._look(head, version)
            if found is not None and self._there.version() == version:
                return found
        raise Remedied(f"{self._name} changed at each of {_MOST_LOOKS} looks")

    def _look(self, head: Head, version: str) -> Contents | None:
        """As `Reading.look`; it is remembered as what was read last."""
        self._names = {}
        found = self._there.look(head, version)
        if found is None:
            return None
        self._looked, self._names = found, dict(found.names)
        return found.contents

    # -- writing

    def begin(self, fence: int, seen: Contents) -> Contents:
        found = self._begin_from(fence, seen)
        if found is not None:
            return found
        for _ in range(_MOST_LOOKS):
            head, version = self._there.head()
            if not (head.fence == fence and head.run == self._run):
                if head.fence >= fence:
                    raise Conflict(f"{self._name} was written under fence {head.fence}, this run has {fence}")
                sealed = self._seal(head, head.first) if head.fence else ()
                try:
                    head, version = self._begun(head, version, fence, sealed)
                except Conflict:
                    continue
            self._tried = 0
            found = self._look(head, version)
            if found is not None:
                return found
        raise Remedied(f"{self._name} changed at each of {_MOST_LOOKS} looks")

    def _begin_from(self, fence: int, seen: Contents) -> Contents | None:
        """Go on from what was `seen`, if it is what was read last, without another look: the seal is put at the number
        that was free, and the head in the place of the one that was read, or of none. None: something has moved since,
        or is left of a state without a head."""
        head, number = self._looked.head, self._looked.number
        is_first = not seen.version and head == Head(write=head.write) and number == 1
        if seen != self._looked.contents or not (is_first or (seen.version and 0 < head.fence < fence)):
            return None
        try:
            sealed = () if is_first else self._seal(head, number)
            if sealed != head.sealed_at(number - 1):
                return None
            _, version = self._begun(head, seen.version, fence, sealed)
        except Conflict:
            return None
        self._tried = 0
        return evolve(seen, fence=fence, version=version)

    def _begun(self, head: Head, version: str, fence: int, sealed: tuple[Sealed, ...]) -> tuple[Head, str]:
        """The head with which this run begins, in the place of `head`, and its version. Raises Conflict."""
        new = evolve(head, fence=fence, run=self._run, first=1, sealed=sealed, write=uuid.uuid4().hex)
        version = self._put(self._key, new.dump(), version)
        hold_wanted()  # else this run has gone on, maybe with what it has begun again
        self._over = {(one.fence, number): "" for one in sealed for number in range(one.first, one.last + 1)}
        return new, version

    def _seal(self, head: Head, number: int) -> tuple[Sealed, ...]:
        """Put an end to the journal under the fence of `head`, at the first number from `number` on that is free: all
        that counts of it, and of those before."""
        seal = framed(b"seal", b"")
        while True:
            try:
                self._put(self._there.entry_key(head.fence, number), seal, "")
                return head.sealed_at(number - 1)
            except Conflict:
                number += 1

    def append(self, fence: int, number: int, frames: bytes) -> None:
        self._tried = max(self._tried, number)
        self._over[fence, number] = self._put(self._there.entry_key(fence, number), framed(b"journal", frames), "")

    def save(self, fence: int, version: str, saved: Saved) -> str:
        states = sorted({data for data in (saved.snapshot, saved.backup) if data is not None})
        puts: list[Callable[[], Any]] = [partial(self._kept_as, one, saved, fence) for one in states]
        listed, *kept = self._at_once([self._listed_if_possible, *puts])
        names = dict(zip(states, kept, strict=True))
        head = Head(
            fence=fence,
            run=self._run,
            first=self._tried + 1,
            snapshot=names[saved.snapshot] if saved.snapshot is not None else "",
            backup=names[saved.backup] if saved.backup is not None else "",
            journal=saved.journal.decode("latin-1"),
            lineage=saved.lineage,
            serial=saved.serial,
        )
        self._saved = None  # one that is not answered may still arrive, and needs what it has put beside it
        new = self._put(self._key, head.dump(), version)
        hold_wanted()  # else this run has gone on, maybe with another save
        if listed is not None:
            self._beside(self._over_by(head, self._over, *listed))
        self._over, self._saved = {}, head
        return new

    def purge(self) -> None:
        if self._under_way is not None:
            self._under_way.found()
        if self._saved is None:
            return
        states, journal = self._there.listed()
        earlier = {fence: numbers for fence, numbers in journal.items() if fence <= self._saved.fence}
        over = {(fence, one): "" for fence, numbers in earlier.items() for one in numbers}
        self._at_once(self._over_by(self._saved, over, states, earlier))

    def _kept_as(self, data: bytes, saved: Saved, fence: int) -> str:
        """The name of the state that holds `data`: one that is there, or a new one."""
        if data not in self._names:
            name = f"{saved.serial:08}-{fence}-{uuid.uuid4().hex[:8]}.json"
            self._put(self._there.below("states", name), data, "")
            hold_wanted()  # else this run has gone on, and may have removed it
            self._names[data] = name
        return self._names[data]

    def _listed_if_possible(self) -> Listed | None:
        with suppress(StateError):
            return self._there.listed()
        return None

    def _over_by(
        self, head: Head, emptied: Mapping[_Entry, str], states: Iterable[str], journal: Mapping[int, Iterable[int]]
    ) -> list[Callable[[], Any]]:
        """What removes, of what was listed, what no run can need since `head` was put: states that it does not name,
        and entries that it holds. The last entry and the seal of each journal stay a long while, so that its numbers
        are not free; what those say that are to be `emptied`, by their versions, does not, nor what the runs right
        before this one left of theirs. This run may have slept since, and another may have begun: nothing of that one
        is among it."""
        recent = sorted(fence for fence in journal if fence < head.fence)[-_LOOKED_AFTER:]
        keep = {head.snapshot, head.backup}
        gone: list[Callable[[], Any]] = [
            partial(self._objects.delete, key)
            for key in states
            if key.rpartition("/")[2] not in keep and numbers_in(key)[1] <= head.fence
        ]
        for fence, numbers in journal.items():
            over = sorted(one for one in numbers if fence < head.fence or one < head.first)
            kept = over[-2:] if fence >= head.fence - _KEPT_FENCES else []
            delete = self._objects.delete
            gone += [partial(delete, self._there.entry_key(fence, one)) for one in over if one not in kept]
            over_now = [(fence, one) for one in kept if (fence, one) in emptied or fence in recent]
            gone += [partial(self._empty, self._there.entry_key(*one), emptied.get(one, "")) for one in over_now]
        return gone

    def _empty(self, key: str, version: str) -> None:
        """Put a seal in the place of the entry at `key`, which has that `version`; "": that is not known, and it may be
        one already."""
        seal = framed(b"seal", b"")
        if not version:
            found = self._objects.get(key)
            version = found.version if found is not None and found.data != seal else ""
        if version:
            self._put(key, seal, version)

    def set_aside(self, part: Part, data: bytes) -> str:
        key = self._there.below("aside", f"{part}.damaged.{uuid.uuid4().hex[:8]}")
        self._put(key, data, "")
        return f"{self._name}#{key.rpartition('/')[2]}"

    # -- kept versions

    def _version_key(self, id: VersionId) -> str:
        return self._there.below("versions", f"{id[0]}.{id[1]}.json")

    def keep_version(self, id: VersionId, document: bytes, *, replace: bool) -> None:
        key = self._version_key(id)
        try:
            self._put(key, document, "")
        except Conflict:
            there = self._objects.get(key) if replace else None
            if there is not None:
                self._put(key, document, there.version)

    def keep_newest(self, id: VersionId, document: bytes) -> tuple[VersionId, ...]:
        calls: list[Callable[[], Any]] = [self.version_ids, partial(self.keep_version, id, document, replace=True)]
        kept: tuple[VersionId, ...] = self._at_once(calls)[0]
        return kept if id in kept else (*kept, id)

    def version_ids(self) -> tuple[VersionId, ...]:
        found = map(version_in, self._objects.names(self._there.below("versions/")))
        return tuple(one for one in found if one is not None)

    def version_heads(self) -> Iterable[tuple[str, bytes]]:
        ids = self.version_ids()
        found = self._at_once([partial(self._there.get, self._version_key(id)) for id in ids])
        for id, document in zip(ids, found, strict=True):
            if document is not None:
                yield f"version {id[1]} of {self._name}", document

    def read_version(self, id: VersionId) -> bytes | None:
        return self._there.get(self._version_key(id))

    def drop_version(self, id: VersionId) -> None:
        self._objects.delete(self._version_key(id))
