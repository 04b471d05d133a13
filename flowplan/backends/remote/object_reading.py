"""What the objects of a state say, as they are there. Nothing is written, and nothing is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from attrs import evolve

from flowplan.backends.remote.objects import SEAL, Head, Objects, Sealed, frames_in, is_state, numbers_in
from flowplan.backends.remote.place import Contents
from flowplan.classes import frozen
from flowplan.errors import Remedied

AT_ONCE = 32  # requests
_T = TypeVar("_T")
Listed: TypeAlias = tuple[list[str], dict[int, list[int]]]  # keys of states, numbers of entries by their fences


class AtOnce(Protocol):
    """How several calls are made, of which none waits for another: as `foreseen.at_once`."""

    def __call__(self, calls: Sequence[Callable[[], _T]]) -> list[_T]:
        """What they give."""


@frozen
class Look:
    """What was found: `head` led to `contents`, and the journal under its fence goes on with the entry `number`.
    `names`: of the states that were read, by what they hold."""

    head: Head
    number: int
    contents: Contents
    names: dict[bytes, str]


@frozen
class Reading:
    """What is there of the state at `key` of `objects`, which messages call `name`. All that reads raises
    StateError."""

    objects: Objects
    key: str
    name: str
    at_once: AtOnce

    def below(self, *parts: str) -> str:
        """The key of an object that is of the state."""
        return "/".join((f"{self.key}.d", *parts))

    def get(self, key: str) -> bytes | None:
        """The bytes of an object; None: there is none."""
        found = self.objects.get(key)
        return None if found is None else found.data

    def head(self) -> tuple[Head, str]:
        """The head, and its version; "": there is none, and what is left of a state says what is known."""
        found = self.objects.get(self.key)
        if found is None:
            return self.left_over(), ""
        return Head.load(found.data, f"{self.name}#head"), found.version

    def version(self) -> str:
        """That of the head; "": there is none."""
        found = self.objects.get(self.key)
        return found.version if found is not None else ""

    def left_over(self) -> Head:
        """What there is without a head: the newest snapshot as a backup, or the journal of a run that was the first."""
        found, journal = self.listed()
        states = sorted(found, key=numbers_in)
        fence = max([*journal, *(numbers_in(key)[1] for key in states)], default=0)
        left = Head(fence=fence, first=max(journal.get(fence, [0])) + 1, write="")
        if states:
            return evolve(left, backup=states[-1].rpartition("/")[2])
        sealed = (Sealed(one, min(numbers), max(numbers)) for one, numbers in sorted(journal.items()))
        return evolve(left, sealed=tuple(sealed))

    def listed(self) -> Listed:
        """What there is, also of what counts no more."""
        below = self.below("states/"), self.below("journal/")
        states, entries = self.at_once([partial(self.objects.names, prefix) for prefix in below])
        found: dict[int, list[int]] = {}
        for key in entries:
            fence, _, number = key.removeprefix(below[1]).partition("/")
            if fence.isdigit() and number.isdigit():
                found.setdefault(int(fence), []).append(int(number))
        return [key for key in states if is_state(key)], found

    def look(self, head: Head, version: str) -> Look | None:
        """What `head` leads to; None: some of it is not there, so that the head must be another by now."""
        names = sorted({head.snapshot, head.backup} - {""})
        sealed = [(one.fence, number) for one in head.sealed for number in range(one.first, one.last + 1)]
        first = [(head.fence, head.first)] if head.fence else []
        states, entries = len(names), len(names) + len(sealed)
        found = self.at_once(
            [
                *(partial(self.get, self.below("states", name)) for name in names),
                *(partial(self.entry, *one) for one in (*sealed, *first)),
            ]
        )
        if None in found[:entries]:
            self._hold_moved(version)
            return None
        whole = dict(zip(names, found[:states], strict=True))
        opened = self._open_entries(head, found[entries:])
        closed = [one for one in found[states:entries] if one is not None and one != SEAL]
        frames = [head.journal.encode("latin-1"), *closed, *opened]
        snapshot, backup = whole.get(head.snapshot), whole.get(head.backup)
        there = Contents(snapshot, backup, b"".join(frames), head.fence, version)
        by_data = {data: name for name, data in whole.items() if data is not None}
        return Look(head, head.first + len(opened), there, by_data)

    def _hold_moved(self, version: str) -> None:
        """Something is not there: raise StateError unless the head is another by now."""
        if self.version() == version:
            raise Remedied(
                f"{self.name} is not whole: objects that its head names are missing",
                hint="put them back from the versions that the store keeps of its objects; "
                "`flowplan recover --from-live` rebuilds the state from the markers of live bids",
            )

    def _open_entries(self, head: Head, found: Sequence[bytes | None]) -> list[bytes]:
        """What was appended under the fence of the last run, as far as it goes without a gap. `found`: the first of
        them, as it was read; of the next ever more are read at once."""
        opened: list[bytes] = []
        while found:
            for one in found:
                if one is None or one == SEAL:
                    return opened
                opened.append(one)
            number = head.first + len(opened)
            more = range(number, number + min(4 * len(opened), AT_ONCE))
            found = self.at_once([partial(self.entry, head.fence, one) for one in more])
        return opened

    def entry(self, fence: int, number: int) -> bytes | None:
        """The frames of an entry; SEAL for a seal; None: there is none. Raises StateError for a damaged one."""
        data = self.get(self.entry_key(fence, number))
        if data is None:
            return None
        return frames_in(data, f"{self.name}#journal/{fence}/{number}")

    def entry_key(self, fence: int, number: int) -> str:
        """The key of an entry of the journal."""
        return self.below("journal", str(fence), f"{number:06}")
