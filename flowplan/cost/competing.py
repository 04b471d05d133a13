"""Which bids of a plan compete for the same GPUs, what has to be asked for to price them, and what they pay. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs

from flowplan.cost.costs import Priced
from flowplan.cost.places import is_older, phases, place_of
from flowplan.model.resources import Bid
from flowplan.planning.actions import NoOp
from flowplan.pricing.competition import stairs
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.stock import compete, kind_of, stocks

if TYPE_CHECKING:
    from flowplan.pricing.book import Wish

STEPS = 8  # different limits in one auction that are asked about
MOST = 256  # instances that can be asked about at once (fcp: instance_quantity)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def asked(placed: Sequence[Bid], beside: Sequence[Bid], free: Sequence[Bid]) -> Iterator[Key]:
    """What has to be known of the auctions of bids that are to be `placed` side by side, besides what each wins with:
    as many instances as those with the highest limits are together; where that are several sizes, or something comes
    `free` that others of yours have now, also one more, and as many less. What comes free is to be known of those, too,
    that go on `beside`."""
    for _, there in _by(placed, lambda bid: (bid.instance_type, bid.region)):
        for quantity in stairs((bid.limit_price, bid.instance_quantity) for bid in there)[:STEPS]:
            if quantity <= MOST:
                yield there[0].instance_type, there[0].region, quantity
    new, on, freed = (dict(_by(bids, kind_of)) for bids in (placed, beside, free))
    for kind in dict.fromkeys((*new, *freed)):
        wanted, held = new.get(kind, []), freed.get(kind, [])
        rest = on.get(kind, []) if held else []
        types = {bid.gpus or 1: bid for bid in (*wanted, *rest, *held)}
        if len(types) > 1 or held:
            from flowplan.pricing.sizes import asked_about

            wishes, others, places = ([*map(_wish, bids)] for bids in (wanted, rest, held))
            for gpus, quantity in asked_about(wishes, others, places, STEPS, MOST):
                yield types[gpus].instance_type, types[gpus].region, quantity


def _wish(bid: Bid) -> Wish:
    from flowplan.pricing.book import Wish

    return Wish(bid.limit_price, bid.instance_quantity, bid.gpus or 1)


def pools(bids: Sequence[tuple[T, Bid]], markets: Mapping[Key, Market]) -> list[list[tuple[T, Bid]]]:
    """Those of `bids` together that compete for the same GPUs, as far as can be seen: several sizes of one kind of GPU
    in one region, where as many GPUs are sold and free in each, at one price for each (docs/ASSUMPTIONS.md, A7)."""
    known, found = stocks(markets), []
    for _, alike in _by(bids, lambda one: kind_of(one[1])):
        groups: list[list[list[tuple[T, Bid]]]] = []
        for _, there in _by(alike, lambda one: one[1].instance_type):
            for group in groups:
                if all(compete(there[0][1], other[0][1], known) for other in group):
                    group.append(there)
                    break
            else:
                groups.append([there])
        found += [[one for there in group for one in there] for group in groups]
    return found


def competing(changes: Sequence[Priced], markets: Mapping[Key, Market]) -> list[Priced]:
    """`changes` with the bids of each pool of GPUs priced together that run side by side, where those have what they
    give up, and what others had that end."""
    found = list(changes)
    plan = [one.change for one in changes]
    bids = [
        ((index, True), one.change.after) for index, one in enumerate(found) if one.cost and not one.cost.unreported
    ]
    bids += [((index, False), place_of(one)) for index, one in enumerate(plan)]
    for pool in pools([(one, bid) for one, bid in bids if isinstance(bid, Bid)], markets):
        placed = [index for (index, is_after), _ in pool if is_after]
        places = [index for (index, is_after), _ in pool if not is_after]
        sizes = {(bid.instance_type, bid.region): bid.gpus or 1 for _, bid in pool}
        prices = [(sizes[key[:2]], market) for key, market in markets.items() if key[:2] in sizes]
        for phase in phases(plan, placed, places):
            if len(placed) < 2 and not phase.given_up and not phase.ended:
                continue
            if not phase.given_up and not phase.ended and all(_goes_on(changes[index]) for index in phase.group):
                continue
            from flowplan.pricing.sizes import side_by_side

            costs = [cost for index in phase.group if (cost := changes[index].cost)]
            held = [_wish(place) if (place := phase.given_up.get(index)) else None for index in phase.group]
            older = [is_older(plan[index]) for index in phase.group]
            priced_now = side_by_side(costs, prices, held, [*map(_wish, phase.ended)], older)
            by_index = dict(zip(phase.group, priced_now, strict=True))
            for index in phase.begin:
                found[index] = attrs.evolve(found[index], cost=by_index[index])
    return found


def _goes_on(one: Priced) -> bool:
    """Whether it stays as it is: it holds what it has, or waits. The prices of now already count such a bid, so that it
    takes nothing from the others."""
    cost = one.cost
    if cost is None or not isinstance(one.change, NoOp):
        return False
    return cost.entry.basis == "holding" if cost.outlook == "runs" else cost.outlook != "unknown"


def _by(these: Iterable[T], key: Callable[[T], K]) -> Iterable[tuple[K, list[T]]]:
    """`these` by their key, in the order in which each first comes up."""
    found: dict[K, list[T]] = {}
    for one in these:
        found.setdefault(key(one), []).append(one)
    return found.items()
