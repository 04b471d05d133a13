"""The order of steps. Steps are ordered, not resources: two sweeps (all deletes, then all creates) would
delete a volume that a bid still uses until that bid's own update.

    up(x)    after up(n) for every n that x needs
    up(x)    after down(x); if x is made first, down(x) after up(x)
    down(n)  after down(x), or else up(x), for every x that used n before
    up(y)    after down(x), or else up(x), where y takes over from x what only one can use at a time
    down(y)  then too, unless x waits for it itself: should x fail, y stays
    down(x)  after up(n) for every new n that the successor of x needs: should n fail, x stays
    up(y)    after up(x), or else down(x), where the task y waits for the task x; so is down(y), unless x waits for it
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Literal, TypeAlias

from flowplan.classes import frozen
from flowplan.model.address import Address, in_order
from flowplan.printable import Natural

Way: TypeAlias = Literal["down", "up", "end"]


@frozen(cache_hash=True)
class Step:
    """One half of a change: `down` takes the old object away, `up` makes or alters the new one. `end` is in no plan: it
    cancels a bid whose lifetime ends while the run waits, whatever was done at its address before."""

    way: Way
    address: Address

    def __str__(self) -> str:
        return f"{self.way}({self.address})"


def _in_order(step: Step) -> tuple[str, tuple[str, Natural]]:
    return step.way, in_order(step.address)


Order: TypeAlias = dict[Step, tuple[Step, ...]]


class Cycle(ValueError):
    """The steps wait for each other in a circle: `members` in order, the first again at the end."""

    def __init__(self, members: Iterable[Step]) -> None:
        self.members = tuple(members)
        super().__init__(" -> ".join(map(str, self.members)))


def order(
    steps: Iterable[Step],
    needs_after: Mapping[Address, Iterable[Address]],
    needs_before: Mapping[Address, Iterable[Address]],
    handed_over: Iterable[tuple[Address, Address]] = (),
    made_first: Collection[Address] = (),
    waits_for: Iterable[tuple[Address, Address]] = (),
) -> Order:
    """Each step with the steps it waits for, in an order in which they could run one by one: what a step frees comes
    right after it, so that of many that are replaced each is made again before the next one goes.

    `needs_after`: what each address will need; `needs_before`: what it needed when it was last applied;
    `handed_over`: (who takes, who gives) what only one bid can use at a time; `made_first`: what is replaced, and made
    before the old one goes; `waits_for`: (who waits, for whom).
    The order is the same for the same input. Raises `Cycle`.
    """
    known = set(steps)
    waits: dict[Step, set[Step]] = {step: set() for step in known}
    _by_needs(waits, needs_after, needs_before, made_first)
    replaced: list[tuple[Step, Step]] = []
    for taker, giver in handed_over:
        gone = _first(known, giver, "down", "up")
        if gone is not None and (up := Step("up", taker)) in known:
            waits[up].add(gone)
            replaced += [(down, gone)] if (down := Step("down", taker)) in known else []
    for waiter, other in waits_for:
        before = _first(known, other, "up", "down")
        if before is not None:
            waits[Step("up", waiter)].add(before)
            replaced += [(down, before)] if (down := Step("down", waiter)) in known else []
    for down, gone in replaced:
        if not _waits_for(gone, down, waits):
            waits[down].add(gone)
    return _sorted(waits)


def _by_needs(
    waits: dict[Step, set[Step]],
    needs_after: Mapping[Address, Iterable[Address]],
    needs_before: Mapping[Address, Iterable[Address]],
    made_first: Collection[Address],
) -> None:
    """Let the steps wait for what they need, and for who needs what they take away."""
    known = waits.keys()
    for step in known:
        if step.way == "up":
            ups = (Step("up", need) for need in needs_after.get(step.address, ()))
            waits[step].update(up for up in ups if up in known)
            if (down := Step("down", step.address)) in known:
                first, then = (step, down) if step.address in made_first else (down, step)
                waits[then].add(first)
    for step in known:
        if step.way == "down":
            for need in needs_after.get(step.address, ()):
                up = Step("up", need)
                if up in known and (need in made_first or Step("down", need) not in known):
                    waits[step].add(up)
    for user, needs in needs_before.items():
        last_use = _first(known, user, "down", "up")
        for need in needs:
            down = Step("down", need)
            if last_use is not None and down in known:
                waits[down].add(last_use)


def _first(known: Container[Step], address: Address, *ways: Way) -> Step | None:
    """The first of the steps of an address, in the order of `ways`, that there is."""
    return next((step for way in ways if (step := Step(way, address)) in known), None)


def _waits_for(step: Step, other: Step, waits: Mapping[Step, set[Step]]) -> bool:
    """Whether `step` can only run after `other`, directly or not."""
    seen, ahead = {step}, [step]
    while ahead:
        for before in waits[ahead.pop()] - seen:
            seen.add(before)
            ahead.append(before)
    return other in seen


def _sorted(waits: Mapping[Step, set[Step]]) -> Order:
    sorter = TopologicalSorter(waits)
    try:
        sorter.prepare()
    except CycleError as error:
        raise Cycle(reversed(error.args[1])) from None  # graphlib lists predecessors first
    done: Order = {}
    ahead = deque(reversed(_ordered(sorter.get_ready())))
    while ahead:
        step = ahead.pop()
        done[step] = _ordered(waits[step])
        sorter.done(step)
        freed = _ordered(sorter.get_ready())
        for one in reversed(freed):  # what was begun is brought to its end first
            if not is_last(one, waits):
                ahead.append(one)
        ahead.extendleft(one for one in freed if is_last(one, waits))
    return done


def _ordered(steps: Collection[Step]) -> tuple[Step, ...]:
    """`steps` in their order, of which most are one or none: a name is not taken apart for that."""
    return tuple(steps) if len(steps) < 2 else tuple(sorted(steps, key=_in_order))


def is_last(step: Step, known: Container[Step]) -> bool:
    """Whether `step`, once it is free, goes after all that is: a removal for good. What waited is a volume, which costs
    little; what did not may be a bid."""
    return step.way == "down" and Step("up", step.address) not in known
