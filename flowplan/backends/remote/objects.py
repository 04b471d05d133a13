"""A state as objects of a store that can put an object on condition: that there is none, or that it is still the one
that was read.

    KEY                              the head: which snapshot and backup count, the journal as the last save left
                                     it, and the fence of the last run that began
    KEY.lock                         the lock's record
    KEY.d/states/SERIAL-FENCE-ID.json  snapshots; each is put once and never changes
    KEY.d/journal/FENCE/NUMBER       what was appended since, in order; each is put once
    KEY.d/versions/LINEAGE.SERIAL.json, KEY.d/aside/...

All that is decided is decided by one put of the head. A run that begins puts a seal at the next free number of the
journal before it: what the earlier run would append then finds its number taken.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NoReturn, Protocol

from attrs import asdict, evolve, field, frozen

from flowplan.backends.parts import Part
from flowplan.backends.remote.place import Conflict, Contents, Fault, Lease, Leases, Place, Saved, Unanswered, VersionId
from flowplan.errors import StateError
from flowplan.state.codec import no_constant, no_duplicates

FORMAT_VERSION = 1
_TRIES = 4  # of one write, and of one look at a state that moves
_PAUSE = 0.25  # seconds before the second try; it doubles
_MOST_LOOKS = 20
_KEPT_FENCES = 100  # whose seals stay: nobody that woke up may find his number free
_ENTRY = re.compile(rb"flowplan-(journal|seal) 1 ([0-9a-f]{64})\n")


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


class ObjectPlace(Place, Leases):
    """The state at `key` of `objects`; what each method promises is said at `place.Place`. `name` is how messages call
    it, `identity` what tells it from others."""

    def __init__(
        self, objects: Objects, key: str, name: str, identity: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._objects, self._key, self._name, self._identity, self._sleep = objects, key, name, identity, sleep
        self._run = uuid.uuid4().hex
        self._tried = 0  # the highest number of `append`
        self._over: set[tuple[int, int]] = set()  # fence and number of entries that the next save holds
        self._names: dict[bytes, str] = {}  # by what they hold, of the states that were read last

    @property
    def name(self) -> str:
        return self._name

    @property
    def identity(self) -> str:
        return self._identity

    def close(self) -> None:
        self._objects.close()

    # -- objects

    def _below(self, *parts: str) -> str:
        return "/".join((f"{self._key}.d", *parts))

    def _put(self, key: str, data: bytes, expected: str) -> str:
        """Put `data`, which no other writer would put there. A refusal or a lost answer is looked up: what is there may
        be ours."""
        pause = _PAUSE
        for left in reversed(range(_TRIES)):
            try:
                return self._objects.put(key, data, expected)
            except (Conflict, Unanswered) as error:
                there = self._objects.get(key)
                if there is not None and there.data == data:
                    return there.version
                if isinstance(error, Conflict) or (there.version if there is not None else "") != expected:
                    raise Conflict(f"{key} was written by another run") from error
                if not left:
                    raise
            self._sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def _get(self, key: str) -> bytes | None:
        found = self._objects.get(key)
        return None if found is None else found.data

    # -- the lock's record

    def lease(self) -> Lease:
        found = self._objects.get(f"{self._key}.lock")
        return Lease() if found is None else Lease(found.data, found.version)

    def put_lease(self, record: bytes, expected: str) -> str:
        return self._put(f"{self._key}.lock", record, expected)

    def age(self, seen: Lease) -> float | None:
        """By an object that is put now: when the store says that was."""
        there = self._objects.get(f"{self._key}.lock")
        if there is None or there.version != seen.version or there.modified is None:
            return None
        key = self._below("clock", uuid.uuid4().hex)
        self._objects.put(key, uuid.uuid4().hex.encode(), "")
        now = self._objects.get(key)
        with suppress(StateError):
            self._objects.delete(key)
        return None if now is None or now.modified is None else max(now.modified - there.modified, 0.0)

    # -- proof

    def prove(self) -> None:
        key = self._below("probe", uuid.uuid4().hex)
        data = [uuid.uuid4().hex.encode() for _ in range(5)]
        try:
            first = self._put(key, data[0], "")
            self._refused(key, data[1], "", "puts an object that must be new in the place of another (If-None-Match)")
            second = self._put(key, data[2], first)
            self._refused(key, data[3], first, "replaces an object that is another than was named (If-Match)")
            self._refused(f"{key}x", data[4], first, "replaces an object that is not there (If-Match)")
            there = self._objects.get(key)
            if there is None or (there.data, there.version) != (data[2], second) or first == second:
                self._fault("does not give back what was put last")
            if key not in self._objects.names(self._below("probe/")):
                self._fault("does not list what was put")
        finally:
            for one in (key, f"{key}x"):
                with suppress(StateError):
                    self._objects.delete(one)

    def _refused(self, key: str, data: bytes, expected: str, fault: str) -> None:
        try:
            self._objects.put(key, data, expected)
        except Conflict:
            return
        self._fault(fault)

    def _fault(self, fault: str) -> NoReturn:
        raise Fault(
            f"{self._objects.name} {fault}: no state can be kept there, because two runs could change it at once",
            hint="keep the state on a server that honours conditional writes, or in a file",
        )

    # -- reading

    def fence(self) -> int:
        return self._head()[0].fence

    def read(self) -> Contents:
        for _ in range(_MOST_LOOKS):
            head, version = self._head()
            found = self._look(head, version)
            if found is not None and self._head()[1] == version:
                return found
        raise StateError(f"{self._name} changed at each of {_MOST_LOOKS} looks", hint="run the same command again")

    def _head(self) -> tuple[Head, str]:
        """The head, and its version; "": there is none, and what is left of a state says what is known."""
        found = self._objects.get(self._key)
        if found is None:
            return self._left_over(), ""
        return Head.load(found.data, f"{self._name}#head"), found.version

    def _left_over(self) -> Head:
        """What there is without a head: the newest snapshot as a backup, or the journal of a run that was the first."""
        states = sorted(filter(_is_state, self._objects.names(self._below("states/"))), key=_numbers)
        journal = self._entries()
        fence = max([*journal, *(_numbers(key)[1] for key in states)], default=0)
        left = Head(fence=fence, first=max(journal.get(fence, [0])) + 1, write="")
        if states:
            return evolve(left, backup=states[-1].rpartition("/")[2])
        sealed = (Sealed(one, min(numbers), max(numbers)) for one, numbers in sorted(journal.items()))
        return evolve(left, sealed=tuple(sealed))

    def _entries(self) -> dict[int, list[int]]:
        """The numbers of the journal's entries by their fences, also of those that count no more."""
        found: dict[int, list[int]] = {}
        for key in self._objects.names(self._below("journal/")):
            fence, _, number = key.removeprefix(self._below("journal/")).partition("/")
            if fence.isdigit() and number.isdigit():
                found.setdefault(int(fence), []).append(int(number))
        return found

    def _look(self, head: Head, version: str) -> Contents | None:
        """What `head` leads to; None: some of it is not there, so that the head must be another by now."""
        whole: list[bytes | None] = []
        self._names = {}
        for name in (head.snapshot, head.backup):
            data = self._get(self._below("states", name)) if name else None
            if name and data is None:
                self._hold_moved(version)
                return None
            if data is not None:
                self._names[data] = name
            whole.append(data)
        frames = [head.journal.encode("latin-1")]
        for one in head.sealed:
            for number in range(one.first, one.last + 1):
                entry = self._entry(one.fence, number)
                if entry is None:
                    self._hold_moved(version)
                    return None
                frames.append(entry if entry != _SEAL else b"")
        frames += self._open_entries(head)
        return Contents(whole[0], whole[1], b"".join(frames), head.fence, version)

    def _hold_moved(self, version: str) -> None:
        """Something is not there: raise StateError unless the head is another by now."""
        if self._head()[1] == version:
            raise StateError(
                f"{self._name} is not whole: objects that its head names are missing",
                hint="put them back from the versions that the store keeps of its objects; "
                "`flowplan recover --from-live` rebuilds the state from the markers of live bids",
            )

    def _open_entries(self, head: Head) -> Iterator[bytes]:
        """What was appended under the fence of the last run, as far as it goes without a gap."""
        if not head.fence:
            return
        number = head.first
        while (entry := self._entry(head.fence, number)) is not None and entry != _SEAL:
            yield entry
            number += 1

    def _entry(self, fence: int, number: int) -> bytes | None:
        """The frames of an entry; _SEAL for a seal; None: there is none. Raises StateError for a damaged one."""
        data = self._get(self._entry_key(fence, number))
        if data is None:
            return None
        found = _ENTRY.match(data)
        content = data[found.end() :] if found else b""
        if found is None or hashlib.sha256(content).hexdigest().encode() != found[2]:
            raise StateError(f"{self._name}#journal/{fence}/{number} is damaged: it is not what was put there")
        return _SEAL if found[1] == b"seal" else content

    def _entry_key(self, fence: int, number: int) -> str:
        return self._below("journal", str(fence), f"{number:06}")

    # -- writing

    def begin(self, fence: int, seen: Contents) -> Contents:
        for _ in range(_MOST_LOOKS):
            head, version = self._head()
            if not (head.fence == fence and head.run == self._run):
                if head.fence >= fence:
                    raise Conflict(f"{self._name} was written under fence {head.fence}, this run has {fence}")
                sealed = self._seal(head) if head.fence else ()
                head = evolve(head, fence=fence, run=self._run, first=1, sealed=sealed, write=uuid.uuid4().hex)
                try:
                    version = self._put(self._key, head.dump(), version)
                except Conflict:
                    continue
            self._tried = 0
            self._over = {(one.fence, number) for one in head.sealed for number in range(one.first, one.last + 1)}
            found = self._look(head, version)
            if found is not None:
                return found
        raise StateError(f"{self._name} changed at each of {_MOST_LOOKS} looks", hint="run the same command again")

    def _seal(self, head: Head) -> tuple[Sealed, ...]:
        """Put an end to the journal under the fence of `head`: all that counts of it, and of those before."""
        number = head.first
        seal = _framed(b"seal", b"")
        while True:
            try:
                self._put(self._entry_key(head.fence, number), seal, "")
                break
            except Conflict:
                number += 1
        return (*head.sealed, Sealed(head.fence, head.first, number - 1)) if number > head.first else head.sealed

    def append(self, fence: int, number: int, frames: bytes) -> None:
        self._tried = max(self._tried, number)
        self._put(self._entry_key(fence, number), _framed(b"journal", frames), "")
        self._over.add((fence, number))

    def save(self, fence: int, version: str, saved: Saved) -> str:
        head = Head(
            fence=fence,
            run=self._run,
            first=self._tried + 1,
            snapshot=self._kept_as(saved.snapshot, saved, fence),
            backup=self._kept_as(saved.backup, saved, fence),
            journal=saved.journal.decode("latin-1"),
            lineage=saved.lineage,
            serial=saved.serial,
        )
        new = self._put(self._key, head.dump(), version)
        with suppress(StateError):
            self._sweep(head)
        return new

    def _kept_as(self, data: bytes | None, saved: Saved, fence: int) -> str:
        """The name of the state that holds `data`: one that is there, or a new one."""
        if data is None:
            return ""
        if data not in self._names:
            name = f"{saved.serial:08}-{fence}-{uuid.uuid4().hex[:8]}.json"
            self._put(self._below("states", name), data, "")
            self._names[data] = name
        return self._names[data]

    def _sweep(self, head: Head) -> None:
        """Remove what no run can need: states of no later run that this head does not name, and entries that it holds.
        The last entry and the seal of each journal stay a long while, so that its numbers are not free; what the entry
        said does not."""
        keep = {head.snapshot, head.backup}
        for key in self._objects.names(self._below("states/")):
            if key.rpartition("/")[2] not in keep and _is_state(key) and _numbers(key)[1] <= head.fence:
                self._objects.delete(key)
        for fence, numbers in self._entries().items():
            over = [one for one in numbers if fence < head.fence or one < head.first]
            kept = sorted(over)[-2:] if fence >= head.fence - _KEPT_FENCES else []
            for number in over:
                if number not in kept:
                    self._objects.delete(self._entry_key(fence, number))
                elif (fence, number) in self._over:
                    self._empty(self._entry_key(fence, number))
        self._over = set()

    def _empty(self, key: str) -> None:
        """Put a seal in the place of an entry."""
        found = self._objects.get(key)
        if found is not None:
            self._put(key, _framed(b"seal", b""), found.version)

    def set_aside(self, part: Part, data: bytes) -> str:
        key = self._below("aside", f"{part}.damaged.{uuid.uuid4().hex[:8]}")
        self._put(key, data, "")
        return f"{self._name}#{key.rpartition('/')[2]}"

    # -- kept versions

    def _version_key(self, id: VersionId) -> str:
        return self._below("versions", f"{id[0]}.{id[1]}.json")

    def keep_version(self, id: VersionId, document: bytes, *, replace: bool) -> None:
        key = self._version_key(id)
        there = self._objects.get(key)
        if there is None or replace:
            self._put(key, document, there.version if there is not None else "")

    def version_ids(self) -> tuple[VersionId, ...]:
        found = (_VERSION.search(key) for key in self._objects.names(self._below("versions/")))
        return tuple((one[1], int(one[2])) for one in found if one is not None)

    def version_heads(self) -> Iterable[tuple[str, bytes]]:
        for id in self.version_ids():
            document = self._get(self._version_key(id))
            if document is not None:
                yield f"version {id[1]} of {self._name}", document

    def read_version(self, id: VersionId) -> bytes | None:
        return self._get(self._version_key(id))

    def drop_version(self, id: VersionId) -> None:
        self._objects.delete(self._version_key(id))


_SEAL = b"seal"  # no frames: those begin with digits
_STATE = re.compile(r"/([0-9]+)-([0-9]+)-[0-9a-f]+\.json\Z")
_VERSION = re.compile(r"/([^/]+)\.([0-9]{1,16})\.json\Z")


def _framed(kind: bytes, content: bytes) -> bytes:
    """An entry that shows whether it is whole."""
    return b"flowplan-%s 1 %s\n" % (kind, hashlib.sha256(content).hexdigest().encode()) + content


def _is_state(key: str) -> bool:
    return _STATE.search(key) is not None


def _numbers(key: str) -> tuple[int, int]:
    """Serial and fence in the name of a state."""
    found = _STATE.search(key)
    return (int(found[1]), int(found[2])) if found else (0, 0)
