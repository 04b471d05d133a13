"""A plan and its prices -> the pools of GPUs that it bids for: what is known of each, and what is assumed.

Auctions of one kind of GPU in one region that have the same stock share it (docs/ASSUMPTIONS.md, A7): bids compete
per GPU. Nothing but prices and stock is public: the others' limits are drawn (rivals.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Literal, TypeAlias

from flowplan.classes import frozen
from flowplan.cost.costs import Costs, Priced
from flowplan.cost.forecast import NEVER
from flowplan.cost.what_if.rivals import Depth, Lots
from flowplan.model.address import Address
from flowplan.model.catalogue import Catalogue
from flowplan.model.resources import Bid
from flowplan.planning.actions import NoOp, Update
from flowplan.planning.succession import Succession
from flowplan.pricing.entry import Market
from flowplan.pricing.history import Stream
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.stock import family
from flowplan.pricing.units import CENT

DepthFrom: TypeAlias = Literal["win_price", "lowest_allocated", "assumed"]


@frozen
class Own:
    """A bid of the plan. `limit_price` in dollars per instance-hour; `gpus` per instance, 1 for what has none;
    `is_placed`: it is in the book already, so that it is older than what others place; `left`: of its lifetime;
    `unreported`: as in `Estimate`."""

    address: Address
    limit_price: Decimal
    quantity: int
    gpus: int = 1
    is_placed: bool = False
    work_hours: float | None = None
    left: Left = ENDLESS
    unreported: tuple[str, ...] = ()


@frozen
class Pool:
    """GPUs of one kind in one region; `kind`: the id of one of its types, the same for every plan.

    `own`: bids that begin together; `beside`: those that compete with them because they began before, and whose fate
    another pool of the same GPUs says. `stream`: past prices of instances of `gpus` GPUs; `level` and `reserve` in
    dollars per GPU now; `stock`, `room` (free while the price rests on the reserve) and `held` (by the plan's bids as
    they are now) in GPUs. `depth_from`: what shows how deep the book is.
    """

    name: str
    kind: str
    region: str
    own: tuple[Own, ...]
    stream: Stream
    gpus: int
    level: float
    reserve: float
    stock: int
    room: int
    held: int
    lots: Lots
    depth: Depth
    depth_from: DepthFrom
    beside: tuple[Own, ...] = ()

    @property
    def competing(self) -> tuple[Own, ...]:
        """All bids of the plan that are in its book at one time, `own` first."""
        return (*self.own, *self.beside)

    @property
    def wanted(self) -> int:
        """GPUs that all bids of the plan are for at one time."""
        return sum(own.quantity * own.gpus for own in self.competing)


@frozen
class Unknown:
    """A pool that cannot be simulated, and why."""

    name: str
    region: str
    own: tuple[Own, ...]
    reason: str


def pools_of(
    costs: Costs, streams: Mapping[tuple[str, str], Stream], catalogue: Catalogue, hours: float
) -> list[Pool | Unknown]:
    """The pools that the bids of a plan take part in as planned; one that is paused, or can never win, is in none. Bids
    that follow each other meet in none: what begins after the end of another has a pool of the same GPUs."""
    groups: dict[tuple[object, ...], list[tuple[Priced, Bid]]] = {}
    held: dict[tuple[object, ...], list[tuple[Priced, Bid]]] = {}
    keys: dict[tuple[str, str], tuple[object, ...]] = {}
    for one in costs.changes:
        change = one.change
        for bid in (change.before, change.after):
            if isinstance(bid, Bid) and (bid.instance_type, bid.region) not in keys:
                keys[bid.instance_type, bid.region] = _pool_key(bid, catalogue)
        before, after = change.before, change.after
        if isinstance(after, Bid) and idle(one) is None:
            groups.setdefault(keys[after.instance_type, after.region], []).append((one, after))
        if isinstance(before, Bid) and _holds(one):
            held.setdefault(keys[before.instance_type, before.region], []).append((one, before))
    order = Succession.of(one.change for one in costs.changes)
    return [
        _pool(together, begin, held.get(key, ()), costs, streams, catalogue, hours)
        for key, group in groups.items()
        for together, begin in order.groups(group, lambda one: one[0].change.address)
    ]


def idle(one: Priced) -> str | None:
    """Why a bid takes no part in its auction once all is done; None: it does."""
    if one.cost is None or one.cost.outlook not in ("paused", "cannot_win"):
        return None
    return NEVER[one.cost.entry.basis] if one.cost.outlook == "cannot_win" else "it is paused"


def _holds(one: Priced) -> bool:
    """Whether its bid has instances now that count in the price of now."""
    return one.cost_before is not None and one.cost_before.entry.basis == "holding"


def _pool(
    group: Sequence[tuple[Priced, Bid]],
    begin: Sequence[tuple[Priced, Bid]],
    held: Sequence[tuple[Priced, Bid]],
    costs: Costs,
    streams: Mapping[tuple[str, str], Stream],
    catalogue: Catalogue,
    hours: float,
) -> Pool | Unknown:
    bids = [bid for _, bid in group]
    own = tuple(_own(one, bid) for one, bid in begin)
    begins = {one.address for one in own}
    beside = tuple(_own(one, bid) for one, bid in group if one.change.address not in begins)
    first = bids[0]
    name, region = first.instance_type_name or first.instance_type, first.region
    sizes = {kind: gpus for kind, gpus, _ in _members(first, catalogue)} | {b.instance_type: b.gpus or 1 for b in bids}
    markets = [one for one in costs.markets.values() if one.region == region and one.instance_type in sizes]
    kind = max((bid.instance_type for bid in bids), key=lambda one: (_events(streams.get((one, region))), one))
    stream, gpus = streams.get((kind, region)), sizes[kind]
    stock = _stock(markets, sizes) or max((units for _, _, units in _members(first, catalogue)), default=0)
    spot = next((one.spot for one in markets if one.instance_type == kind and one.spot is not None), None)
    reason = _untold((*own, *beside)) or _untold_of_now(held) or _unfit(stream, spot, stock, hours)
    if reason is not None or stream is None or spot is None:
        return Unknown(name, region, own, reason or "")
    reserve = float(stream.reserve or 0) / gpus
    at_rest = float(spot) / gpus <= reserve
    lots = Lots(tuple(sorted(set(sizes.values()))), stock)
    depth, depth_from = _depth(markets, sizes)
    return Pool(
        name,
        min(sizes),
        region,
        own,
        stream,
        gpus,
        level=float(spot) / gpus,
        reserve=reserve,
        stock=stock,
        room=_room(markets, sizes) if at_rest else 0,
        held=min(stock, sum(bid.instance_quantity * (bid.gpus or 1) for _, bid in held)),
        lots=lots,
        depth=depth,
        depth_from=depth_from,
        beside=beside,
    )


def _own(one: Priced, bid: Bid) -> Own:
    hours = None if one.work_hours is None else float(one.work_hours)
    placed = isinstance(one.change, (NoOp, Update))
    missing = one.cost.unreported if one.cost is not None else ()
    quantity, gpus = bid.instance_quantity, bid.gpus or 1
    return Own(one.change.address, bid.limit_price, quantity, gpus, placed, hours, one.left, missing)


def _untold(bids: Iterable[Own]) -> str | None:
    """What the API does not report of a bid, without which its pool cannot be simulated."""
    one = next((own for own in bids if own.unreported), None)
    return None if one is None else f"the API does not report {' and '.join(one.unreported)} of {one.address}"


def _untold_of_now(held: Iterable[tuple[Priced, Bid]]) -> str | None:
    """The same of a bid that has instances now, and maybe none once all is done."""
    one = next((one for one, bid in held if bid.quantity is None), None)
    return None if one is None else f"the API does not report instance_quantity of {one.change.address}"


def _unfit(stream: Stream | None, spot: Decimal | None, stock: int, hours: float) -> str | None:
    """Why there is nothing to simulate with."""
    if spot is None:
        return "the price of now is unknown"
    if not stock:
        return "how many GPUs the auction has is unknown"
    if stream is None or not stream.times:
        return "no past prices are known"
    if stream.span < 2 * hours:
        return f"only {stream.span:.0f} h of past prices are known: {hours:g} h ahead need {2 * hours:g} h"
    return None


def _events(stream: Stream | None) -> int:
    return len(stream.times) if stream is not None else 0


# ---- which auctions share a stock ---------------------------------------------------------------------------


def _pool_key(bid: Bid, catalogue: Catalogue) -> tuple[object, ...]:
    """Equal for bids that compete for the same GPUs."""
    members = list(_members(bid, catalogue))
    largest = max((gpus for _, gpus, _ in members), default=1)
    units = next((units for kind, _, units in members if kind == bid.instance_type), None)
    if units is None:
        return bid.instance_type, bid.region
    return family(bid.instance_type_name, bid.gpus), bid.region, units // largest


def _members(bid: Bid, catalogue: Catalogue) -> Iterator[tuple[str, int, int]]:
    """(type, GPUs of an instance, GPUs of all) of each auction in the bid's region that sells the same kind of GPU, and
    as many of them but for what is no whole instance."""
    kind_of_gpu = family(bid.instance_type_name, bid.gpus)
    found = []
    for auction in catalogue.auctions:
        kind = catalogue.type(auction.instance_type)
        if kind is not None and auction.region == bid.region and family(kind.name, kind.gpus) == kind_of_gpu:
            gpus = kind.gpus or 1
            found.append((kind.id, gpus, auction.capacity * gpus))
    largest = max((gpus for _, gpus, _ in found), default=1)
    mine = next((units for kind_id, _, units in found if kind_id == bid.instance_type), None)
    return (one for one in found if mine is not None and one[2] // largest == mine // largest)


# ---- what is known of the book ------------------------------------------------------------------------------


def _stock(markets: Iterable[Market], sizes: Mapping[str, int]) -> int:
    return max((one.total * sizes[one.instance_type] for one in markets if one.total is not None), default=0)


def _room(markets: Iterable[Market], sizes: Mapping[str, int]) -> int:
    return max((one.available * sizes[one.instance_type] for one in markets if one.available is not None), default=0)


def _depth(markets: Sequence[Market], sizes: Mapping[str, int]) -> tuple[Depth, DepthFrom]:
    """From what as many instances as were asked about would win with, and from the lowest limit that wins."""
    seen: dict[int, float] = {}
    rests_on: DepthFrom = "assumed"
    for one in markets:
        if not one.spot or one.available is None:
            continue
        if one.lowest_allocated is not None and one.available == 0:
            seen[1] = _above(one.lowest_allocated, one.spot)
            rests_on = "lowest_allocated" if rests_on == "assumed" else rests_on
        if one.win_price is not None and one.quantity > one.available:
            seen[(one.quantity - one.available) * sizes[one.instance_type]] = _above(one.win_price - CENT, one.spot)
            rests_on = "win_price"
    units = sorted(seen)
    return Depth(tuple(zip(units, accumulate((seen[many] for many in units), max), strict=True))), rests_on


def _above(limit: Decimal, price: Decimal) -> float:
    return math.log(max(limit, price) / price)
