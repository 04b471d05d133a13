"""Which step of a plan may start, and what became of each. Pure: no threads, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from typing import Literal, TypeAlias

from flowplan.planning.steps import Order, Step, is_last

LINGERING = 100  # how many removals at most take no place while their end is waited for: each has a thread

End: TypeAlias = Literal["done", "half done", "failed", "unknown"]


class Schedule:
    """The steps of `order`, each of which waits for those that it names there.

    A step waits, is under way once `next` gives it, may be in doubt for a while, and ends once: by `succeed`, `half`,
    `fail` or `lose`, which raise ValueError for a step that is neither under way nor in doubt. Where there is no room
    for it yet, `next` may give it as one to announce ahead: it is under way once `begin` gives it.

    A step that ends well frees those that wait for it alone; what waits for one that does not never starts. What is
    freed goes before what waits for nothing: of many bids that are replaced, each is placed again before others are
    cancelled. The second half of a replacement goes before what is announced, too: until then a bid is down, or paid
    for twice. A removal for good that waited (of a volume, for its bid) goes last: every bid is cancelled before it.

    What a bid does to its ports is no call: such a step takes no place, and is done with the last one that it waits
    for. Should the run end there, nobody would take the ports of a bid that has ended for open, or the reverse.
    """

    def __init__(self, order: Order, parallelism: int, ahead: int = 0) -> None:
        """`parallelism`: how many steps may be under way at once; `ahead`: how many more may be announced."""
        self.parallelism, self._ahead = parallelism, ahead
        self._order = tuple(order)
        self._waits = {step: set(before) for step, before in order.items()}
        self._users: dict[Step, list[Step]] = {step: [] for step in order}
        for step, before in order.items():
            for one in before:
                self._users[one].append(step)
        self._ready = deque(step for step, before in order.items() if not before)
        self._under_way: frozenset[Step] = frozenset()  # replaced, never changed: other threads count it
        self._announced: dict[Step, None] = {}  # in their order
        self._lingering: set[Step] = set()
        self._in_doubt: set[Step] = set()
        self._held: set[Step] = set()
        self._ends: dict[Step, End] = {}

    def next(self) -> Step | None:
        """A step that may start, what came free last before all others: it is under way from now on, or, if
        `is_announced`, once `begin` gives it. None: no step may start before another one ends. What takes something
        away is never announced: what is placed again goes before the next is cancelled."""
        if not self._ready:
            return None
        if self._has_room and (self._is_urgent or not self._announced):
            self._under_way |= {self._ready[0]}
        elif len(self._announced) < self._ahead and self._ready[0].way == "up":
            self._announced[self._ready[0]] = None
        else:
            return None
        return self._ready.popleft()

    def begin(self, durable: Container[Step]) -> Step | None:
        """The step that was announced first, under way from now on. None: there is none, or no room for it, or its
        intent is not among those that are `durable`."""
        step = next(iter(self._announced), None)
        if step is None or step not in durable or not self._has_room or self._is_urgent:
            return None
        del self._announced[step]
        self._under_way |= {step}
        return step

    def is_announced(self, step: Step) -> bool:
        """Whether `step` waits for `begin`."""
        return step in self._announced

    @property
    def _has_room(self) -> bool:
        return len(self._under_way) < self.parallelism

    @property
    def _is_urgent(self) -> bool:
        """Whether what is next goes before what is announced: it was added, or is the second half of a replacement."""
        return bool(self._ready) and (self._ready[0].way == "end" or _other_half(self._ready[0]) in self._ends)

    def add(self, step: Step) -> None:
        """One more step, which waits for nothing and goes before all others."""
        self._order = (*self._order, step)
        self._waits[step], self._users[step] = set(), []
        self._ready.appendleft(step)

    def linger(self, step: Step) -> bool:
        """A removal was answered, and only its end is waited for: it takes no place from now on, so that what is slow
        to stop keeps nothing else running. False: it does, since something is made in its stead, and no more is down
        at once than there are places, or since too many linger."""
        free = step in self._under_way and not any(user.way == "up" for user in self._users[step])
        if not free or len(self._lingering) >= LINGERING:
            return False
        self._under_way -= {step}
        self._lingering.add(step)
        return True

    def hold(self, step: Step) -> None:
        """It may not start yet after all: it takes no place until `release`, and has no end if that never comes."""
        self._leave(step)
        self._held.add(step)

    def release(self, step: Step) -> None:
        """What was held may start."""
        self._held.remove(step)
        self._ready.append(step)

    def doubt(self, step: Step) -> None:
        """Its call is over, and what came of it is looked up: it takes no place meanwhile."""
        self._leave(step)
        self._in_doubt.add(step)

    @property
    def in_doubt(self) -> tuple[Step, ...]:
        """The steps that are in doubt, in the order of the plan."""
        return tuple(step for step in self._order if step in self._in_doubt)

    def again(self, step: Step) -> None:
        """It was in doubt and is sent once more. It does not queue again: the steps that need it already wait for
        it."""
        self._leave(step)
        self._under_way |= {step}

    def succeed(self, step: Step) -> tuple[Step, ...]:
        """It did all that it was to do. Returns what is done with it."""
        self._end(step, "done")
        return tuple(self._free(step))

    def half(self, step: Step, *, frees: bool) -> tuple[Step, ...]:
        """It made its object, but not as it was asked for. `frees`: what waits for the step may start anyway. Returns
        what is done with it."""
        self._end(step, "half done")
        return tuple(self._free(step)) if frees else ()

    def fail(self, step: Step) -> None:
        """Nothing came of it."""
        self._end(step, "failed")

    def lose(self, step: Step) -> None:
        """What came of it stays unknown in this run."""
        self._end(step, "unknown")

    def deletions(self) -> int:
        """How many volumes are being deleted, from any thread."""
        return sum(step.way == "down" and step.address.kind == "volume" for step in self._under_way)

    def ended(self, *ends: End) -> tuple[Step, ...]:
        """The steps that ended in one of `ends`, in the order in which they did."""
        return tuple(step for step, end in self._ends.items() if end in ends)

    def has_failed(self, step: Step) -> bool:
        """Whether nothing came of it."""
        return self._ends.get(step) == "failed"

    @property
    def not_started(self) -> tuple[Step, ...]:
        """The steps that have no end, in the order of the plan."""
        return tuple(step for step in self._order if step not in self._ends)

    def _end(self, step: Step, end: End) -> None:
        self._leave(step)
        self._ends[step] = end

    def _leave(self, step: Step) -> None:
        places = (self._under_way, self._lingering, self._announced, self._in_doubt, self._held)
        if not any(step in where for where in places):
            raise ValueError(f"{step} is neither under way nor in doubt")
        self._under_way -= {step}
        self._lingering.discard(step)
        self._announced.pop(step, None)
        self._in_doubt.discard(step)
        self._held.discard(step)

    def _free(self, step: Step) -> Iterator[Step]:
        """Let go what waits for `step` alone; yields what is done with it."""
        freed = []
        for user in self._users[step]:
            self._waits[user].discard(step)
            if not self._waits[user] and user.address.kind == "ports":
                self._ends[user] = "done"
                yield user
                yield from self._free(user)
            elif not self._waits[user]:
                freed.append(user)
        for user in reversed(freed):
            if is_last(user, self._waits):  # what stops paying goes before it
                self._ready.append(user)
            else:  # what was begun is brought to its end first
                self._ready.appendleft(user)


def _other_half(step: Step) -> Step:
    return Step("down" if step.way == "up" else "up", step.address)
