"""A state on a server of objects that is in this process: with faults where a test wants them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from flowplan.backends.open import Opener
from flowplan.backends.parts import Part
from flowplan.backends.remote.lease import Clocks, LeaseLock, Terms
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.objects import Found, Head, Objects
from flowplan.backends.remote.place import Conflict
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore, watching
from flowplan.backends.store import Store
from flowplan.errors import StateError
from flowplan.state.form import Form
from flowplan.state.state import State

QUICK = Terms(poll=0.02)


class Memory(Objects):
    """Objects in files of a directory, so that a process that is killed leaves them. `asked` is called before each
    call with its name and key, `answered` after it: what they raise is what the caller sees."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.clock = directory, clock
        self.asked: Callable[[str, str], None] = lambda call, key: None
        self.answered: Callable[[str, str], None] = lambda call, key: None
        self.full = False
        self._guard = threading.Lock()

    @property
    def name(self) -> str:
        return "memory"

    def _path(self, key: str) -> Path:
        return self.directory / key.replace("/", "%")

    def look(self, key: str) -> Found | None:
        """What is there, whatever the faults."""
        try:
            version, modified, data = self._path(key).read_bytes().split(b"\n", 2)
        except FileNotFoundError:
            return None
        return Found(data, version.decode(), float(modified))

    def set(self, key: str, data: bytes) -> str:
        """Put it there, whatever the faults."""
        version, path = uuid.uuid4().hex, self._path(key)
        new = path.with_name(f".{version}")
        new.write_bytes(f"{version}\n{self.clock()}\n".encode() + data)
        new.replace(path)
        return version

    def get(self, key: str) -> Found | None:
        self.asked("get", key)
        found = self.look(key)
        self.answered("get", key)
        return found

    def put(self, key: str, data: bytes, expected: str) -> str:
        self.asked("put", key)
        if self.full:
            raise StateError("memory does not take it: No space left on device")
        with self._guard:
            there = self.look(key)
            if (there.version if there is not None else "") != expected:
                raise Conflict(f"{key} is another")
            version = self.set(key, data)
        self.answered("put", key)
        return version

    def names(self, prefix: str) -> list[str]:
        self.asked("names", prefix)
        found = (path.name.replace("%", "/") for path in self.directory.iterdir() if not path.name.startswith("."))
        return sorted(key for key in found if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self.asked("delete", key)
        self._path(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is open."""


def opener(objects: Memory) -> Opener:
    """What opens states at `objects` by URLs `memory://...`, as if that were a server."""

    def opened(given: str, base: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
        place = ObjectPlace(objects, given.partition("://")[2], given, given, lambda _: None)
        return RemoteStore.on(place, base, environ, hold, form)

    return opened


class InTurn(ObjectPlace):
    """One call after the other, so that which is the next is the same at each run."""

    def _beside(self, calls: Sequence[Callable[[], object]]) -> None:
        with suppress(StateError):
            self._at_once(calls)


class ObjectSite:
    """A state as objects: `contracts.places.Place`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.objects = Memory(directory / "objects")
        self.key, self.url = "train", f"memory://{directory.name}/train"

    def place(self) -> ObjectPlace:
        return InTurn(self.objects, self.key, self.url, f"{self.directory}/train", lambda _: None)

    def lock(self, place: ObjectPlace, terms: Terms = QUICK, clocks: Clocks | None = None) -> LeaseLock:
        return LeaseLock(place, place.name, place.fence, place.prove, terms, clocks)

    def open(self, hold: Callable[[], None] = lambda: None, clocks: Clocks | None = None) -> RemoteStore:
        place = self.place()
        seen = Seen(None, place.identity, place.name)  # the contract takes states away, which no machine forgives
        lock = self.lock(place, clocks=clocks)
        watch_lock = watching(place, place.prove, QUICK, clocks)
        return RemoteStore(place, lock, self.directory, seen, self.directory / "overflow", hold, watch_lock=watch_lock)

    def _head(self) -> Head | None:
        found = self.objects.look(self.key)
        return None if found is None else Head.load(found.data, self.key)

    def holds(self, part: Part) -> bytes | None:
        contents = self.place().read()
        return {"snapshot": contents.snapshot, "backup": contents.backup, "journal": contents.journal or None}[part]

    def put(self, part: Part, data: bytes | None) -> None:
        head = self._head() or Head()
        if part == "journal":
            place = self.place()
            place.begin(head.fence + 1, place.read())
            head = attrs.evolve(self._head() or head, sealed=(), journal=(data or b"").decode("latin-1"))
        else:
            name = ""
            if data is not None:
                name = f"00000000-0-{uuid.uuid4().hex}.json"
                self.objects.set(f"{self.key}.d/states/{name}", data)
            head = attrs.evolve(head, **{part: name})
        self.objects.set(self.key, head.dump())

    def _version(self, state: State) -> str:
        return f"{self.key}.d/versions/{state.lineage}.{state.serial}.json"

    def damage_version(self, state: State) -> None:
        self.objects.set(self._version(state), b"{")

    def rename_version(self, old: State, new: State) -> None:
        found = self.objects.look(self._version(old))
        assert found is not None
        self.objects.set(self._version(new), found.data)
        self.objects.delete(self._version(old))

    @contextmanager
    def full(self) -> Iterator[None]:
        self.objects.full = True
        try:
            yield
        finally:
            self.objects.full = False

    def kept_elsewhere(self) -> int:
        return len(list((self.directory / "overflow").glob("*.spill")))
