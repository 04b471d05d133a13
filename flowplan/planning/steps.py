"""The order of steps. Steps are ordered, not resources: two sweeps (all deletes, then all creates) would
delete a volume that a bid still uses until that bid's own update.

    up(x)    after up(n) for every n that x needs
    up(x)    after down(x); if x is made first, down(x) after up(x)
    down(n)  after down(x), or else up(x), for every x that used n before, but for ports:
    down(p)  after down(x), where p are the ports of the bid x: they end with it, and what keeps it keeps them
    up(y)    after down(x), or else up(x), where y takes over from x what only one can use at a time
    down(y)  then too, unless x waits for it itself: should x fail, y stays
    down(x)  after up(n) for every new n that the successor of x needs: should n fail, x stays
    up(y)    after up(x), or else down(x), where the task y waits for the task x; so is down(y), unless x waits for it
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable, Mapping
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
Waits: TypeAlias = dict[Step, set[Step]]  # each step, with those that it waits for


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
    waits: Waits = {step: set() for step in steps}
    ups, downs = ({step.address: step for step in waits if step.way == way} for way in ("up", "down"))
    _by_needs(waits, ups, downs, needs_after, needs_before, made_first)
    replaced: list[tuple[Step, Step]] = []
    for taker, giver in handed_over:
        gone = downs.get(giver) or ups.get(giver)
        if gone is not None and taker in ups:
            waits[ups[taker]].add(gone)
            replaced += [(downs[taker], gone)] if taker in downs else []
    for waiter, other in waits_for:
        before = ups.get(other) or downs.get(other)
        if before is not None:
            waits[ups[waiter]].add(before)
            replaced += [(downs[waiter], before)] if waiter in downs else []
    for down, gone in replaced:
        if not _waits_for(gone, down, waits):
            waits[down].add(gone)
    return _sorted(waits)


def _by_needs(
    waits: Waits,
    ups: Mapping[Address, Step],
    downs: Mapping[Address, Step],
    needs_after: Mapping[Address, Iterable[Address]],
    needs_before: Mapping[Address, Iterable[Address]],
    made_first: Collection[Address],
) -> None:
    """Let the steps wait for what they need, and for who needs what they take away."""
    for address, up in ups.items():
        waits[up].update(ups[need] for need in needs_after.get(address, ()) if need in ups)
        if (down := downs.get(address)) is not None:
            first, then = (up, down) if _bid_of(address) in made_first else (down, up)
            waits[then].add(first)
    for address, down in downs.items():
        for need in needs_after.get(address, ()):
            if need in ups and (need in made_first or need not in downs):
                waits[down].add(ups[need])
        if address.kind == "ports" and (ends := downs.get(_bid_of(address))) is not None:
            waits[down].add(ends)
    for user, needs in needs_before.items():
        if user.kind == "ports":
            continue
        last_use = downs.get(user) or ups.get(user)
        for need in needs:
            if last_use is not None and need in downs:
                waits[downs[need]].add(last_use)


def _bid_of(address: Address) -> Address:
    """The bid whose ports `address` is; of anything else, itself."""
    return Address("bid", address.name) if address.kind == "ports" else address


def _waits_for(step: Step, other: Step, waits: Mapping[Step, set[Step]]) -> bool:
    """Whether `step` can only run after `other`, directly or not."""
    seen, ahead = {step}, [step]
    while ahead:
        for before in waits[ahead.pop()] - seen:
            seen.add(before)
            ahead.append(before)
    return other in seen


def _sorted(waits: Waits) -> Order:
    left = {step: len(before) for step, before in waits.items()}
    waiting: dict[Step, list[Step]] = {step: [] for step in waits}  # for this one
    for step, before in waits.items():
        for one in before:
            waiting[one].append(step)
    done: Order = {}
    ahead = deque(reversed(_ordered([step for step, many in left.items() if not many])))
    while ahead:
        step = ahead.pop()
        done[step] = _ordered(waits[step])
        for one in waiting[step]:
            left[one] -= 1
        freed = _ordered([one for one in waiting[step] if not left[one]])
        for one in reversed(freed):  # what was begun is brought to its end first
            if not is_last(one, waits):
                ahead.append(one)
        ahead.extendleft(one for one in freed if is_last(one, waits))
    if len(done) < len(waits):
        _refuse_circle(waits)
    return done


def _refuse_circle(waits: Waits) -> None:
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        raise Cycle(reversed(error.args[1])) from None  # graphlib lists predecessors first


def _ordered(steps: Collection[Step]) -> tuple[Step, ...]:
    """`steps` in their order, of which most are one or none: a name is not taken apart for that."""
    return tuple(steps) if len(steps) < 2 else tuple(sorted(steps, key=_in_order))


def is_last(step: Step, known: Container[Step]) -> bool:
    """Whether `step`, once it is free, goes after all that is: a removal for good. What waited is a volume, which costs
    little; what did not may be a bid. Ports, which end with their bid, take no time."""
    return step.way == "down" and step.address.kind != "ports" and Step("up", step.address) not in known
