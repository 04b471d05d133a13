"""Which bids of a plan compete for the same GPUs, what has to be asked for to price them, and what they pay. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import attrs

from flowplan.cost.costs import Priced
from flowplan.cost.places import is_older, phases, place_of
from flowplan.model.resources import Bid
from flowplan.pricing.book import Wish
from flowplan.pricing.competition import stairs
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.sizes import asked_about, side_by_side
from flowplan.pricing.units import CENT

STEPS = 8  # different limits in one auction that are asked about
MOST = 256  # instances that can be asked about at once (fcp: instance_quantity)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def family(name: str, gpus: int | None) -> str:
    """The name of a type without how many GPUs it has: a100-80gb.sxm.8x -> a100-80gb.sxm, v6e-4 -> v6e."""
    return re.sub(rf"[.-]{gpus}x?$", "", name)


def asked(placed: Sequence[Bid], beside: Sequence[Bid], free: Sequence[Bid]) -> Iterator[Key]:
    """What has to be known of the auctions of bids that are to be `placed` side by side, besides what each wins with:
    as many instances as those with the highest limits are together; where that are several sizes, or something comes
    `free` that others of yours have now, also one more, and as many less. What comes free is to be known of those, too,
    that go on `beside`."""
    for _, there in _by(placed, lambda bid: (bid.instance_type, bid.region)):
        for quantity in stairs((bid.limit_price, bid.instance_quantity) for bid in there)[:STEPS]:
            if quantity <= MOST:
                yield there[0].instance_type, there[0].region, quantity
    new, on, freed = (dict(_by(bids, _kind_of)) for bids in (placed, beside, free))
    for kind in dict.fromkeys((*new, *freed)):
        wanted, held = new.get(kind, []), freed.get(kind, [])
        rest = on.get(kind, []) if held else []
        types = {bid.gpus or 1: bid for bid in (*wanted, *rest, *held)}
        if len(types) > 1 or held:
            wishes, others, places = ([*map(_wish, bids)] for bids in (wanted, rest, held))
            for gpus, quantity in asked_about(wishes, others, places, STEPS, MOST):
                yield types[gpus].instance_type, types[gpus].region, quantity


def _wish(bid: Bid) -> Wish:
    return Wish(bid.limit_price, bid.instance_quantity, bid.gpus or 1)


def pools(bids: Sequence[tuple[T, Bid]], markets: Mapping[Key, Market]) -> list[list[tuple[T, Bid]]]:
    """Those of `bids` together that compete for the same GPUs, as far as can be seen: several sizes of one kind of GPU
    in one region, where as many GPUs are sold and free in each, at one price for each (docs/ASSUMPTIONS.md, A7)."""
    seen: dict[tuple[str, str], Market] = {}
    for (kind, region, _), market in markets.items():
        if market.spot is not None and market.total is not None:
            seen.setdefault((kind, region), market)
    found = []
    for _, alike in _by(bids, lambda one: _kind_of(one[1])):
        groups: list[list[list[tuple[T, Bid]]]] = []
        for _, there in _by(alike, lambda one: one[1].instance_type):
            for group in groups:
                if all(_share(there[0][1], other[0][1], seen) for other in group):
                    group.append(there)
                    break
            else:
                groups.append([there])
        found += [[one for there in group for one in there] for group in groups]
    return found


def _share(one: Bid, other: Bid, seen: Mapping[tuple[str, str], Market]) -> bool:
    """Whether auctions of two types of a kind look like two sizes of one stock. What is rounded to whole instances and
    to whole cents of each may differ by as much."""
    markets = seen.get((one.instance_type, one.region)), seen.get((other.instance_type, other.region))
    a, b = one.gpus or 1, other.gpus or 1
    if a == b or markets[0] is None or markets[1] is None:
        return False
    return _one_stock(markets[0], a, markets[1], b)


def _one_stock(one: Market, a: int, other: Market, b: int) -> bool:
    """Whether as many GPUs are there and free, at one price each, by auctions of instances of `a` and of `b` GPUs."""
    for these, those in ((one.total, other.total), (one.available, other.available)):
        if (
            these is not None
            and those is not None
            and not (these * a < (those + 1) * b and those * b < (these + 1) * a)
        ):
            return False
    price, price_b = one.spot or Decimal(0), other.spot or Decimal(0)
    return (price - CENT) * b < price_b * a and (price_b - CENT) * a < price * b


def competing(changes: Sequence[Priced], markets: Mapping[Key, Market]) -> list[Priced]:
    """`changes` with the bids of each pool of GPUs priced together that run side by side, where those have what they
    give up, and what others had that end."""
    found = list(changes)
    plan = [one.change for one in changes]
    bids = [((index, True), one.change.after) for index, one in enumerate(found) if one.cost is not None]
    bids += [((index, False), place_of(one)) for index, one in enumerate(plan)]
    for pool in pools([(one, bid) for one, bid in bids if isinstance(bid, Bid)], markets):
        placed = [index for (index, is_after), _ in pool if is_after]
        places = [index for (index, is_after), _ in pool if not is_after]
        sizes = {(bid.instance_type, bid.region): bid.gpus or 1 for _, bid in pool}
        prices = [(sizes[key[:2]], market) for key, market in markets.items() if key[:2] in sizes]
        for phase in phases(plan, placed, places):
            if len(placed) < 2 and not phase.given_up and not phase.ended:
                continue
            costs = [cost for index in phase.group if (cost := changes[index].cost)]
            held = [_wish(place) if (place := phase.given_up.get(index)) else None for index in phase.group]
            older = [is_older(plan[index]) for index in phase.group]
            priced_now = side_by_side(costs, prices, held, [*map(_wish, phase.ended)], older)
            by_index = dict(zip(phase.group, priced_now, strict=True))
            for index in phase.begin:
                found[index] = attrs.evolve(found[index], cost=by_index[index])
    return found


def _kind_of(bid: Bid) -> tuple[str, str]:
    """The kind of GPU that a bid asks for, and where. A type whose name nobody knows is a kind of its own."""
    known = bid.instance_type_name and bid.gpus
    return family(bid.instance_type_name, bid.gpus) if known else bid.instance_type, bid.region


def _by(these: Iterable[T], key: Callable[[T], K]) -> Iterable[tuple[K, list[T]]]:
    """`these` by their key, in the order in which each first comes up."""
    found: dict[K, list[T]] = {}
    for one in these:
        found.setdefault(key(one), []).append(one)
    return found.items()
