"""A plan and its prices -> the pools of GPUs that it bids for: what is known of each, and what is assumed.

Auctions of one kind of GPU in one region that have the same stock share it (docs/ASSUMPTIONS.md, A7): bids compete
per GPU. Nothing but prices and stock is public: the others' limits are drawn (rivals.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from attrs import frozen

from flowplan.catalogue import Catalogue
from flowplan.plan import Change, Plan
from flowplan.pricing import CENT, Market, Stream
from flowplan.resources import Address, Bid
from flowplan.whatif.rivals import Depth, Lots


@frozen
class Own:
    """A bid of the plan. `limit` in dollars per instance-hour; `gpus` per instance, 1 for what has none; `is_placed`:
    it is in the book already, so that it is older than what others place."""

    address: Address
    limit: Decimal
    quantity: int
    gpus: int = 1
    is_placed: bool = False
    work_hours: float | None = None


@frozen
class Pool:
    """GPUs of one kind in one region. `stream`: past prices of instances of `gpus` GPUs; `level` and `reserve` in
    dollars per GPU now; `stock`, `room` (free while the price rests on the reserve) and `held` (by the plan's bids as
    they are now) in GPUs. `depth_from`: what is known of the book's depth, in words."""

    name: str
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
    depth_from: str

    @property
    def wanted(self) -> int:
        """GPUs that all bids of the plan are for."""
        return sum(own.quantity * own.gpus for own in self.own)


@frozen
class Unknown:
    """A pool that cannot be simulated, and why."""

    name: str
    region: str
    own: tuple[Own, ...]
    reason: str


def pools_of(
    plan: Plan, streams: Mapping[tuple[str, str], Stream], catalogue: Catalogue, hours: float
) -> list[Pool | Unknown]:
    """The pools that the bids of `plan` take part in as planned; one that is paused, or can never win, is in none."""
    groups: dict[tuple[object, ...], list[Change]] = {}
    for change in plan.changes:
        if isinstance(change.after, Bid) and change.action != "forget" and idle(change) is None:
            groups.setdefault(_pool_key(change.after, catalogue), []).append(change)
    leaving = [one for one in plan.changes if isinstance(one.before, Bid) and _holds(one)]
    found: list[Pool | Unknown] = []
    for key, changes in groups.items():
        held = [_bid_of(one.before) for one in leaving if _pool_key(_bid_of(one.before), catalogue) == key]
        found.append(_pool(changes, held, plan, streams, catalogue, hours))
    return found


def idle(change: Change) -> str | None:
    """Why a bid takes no part in its auction once all is done; None: it does."""
    if change.cost is None or change.cost.outlook not in ("paused", "cannot_win"):
        return None
    return _IDLE[change.cost.entry.basis] if change.cost.outlook == "cannot_win" else "it is paused"


_IDLE = {
    "below_reserve": "the limit is below the reserve: it never runs",
    "too_large": "more instances than the auction has: it never runs",
}


def _holds(change: Change) -> bool:
    """Whether its bid has instances now that count in the price of now."""
    return change.cost_before is not None and change.cost_before.entry.basis == "holding"


def _bid_of(resource: object) -> Bid:
    assert isinstance(resource, Bid)  # noqa: S101 - callers have looked
    return resource


def _pool(
    changes: Sequence[Change],
    held: Iterable[Bid],
    plan: Plan,
    streams: Mapping[tuple[str, str], Stream],
    catalogue: Catalogue,
    hours: float,
) -> Pool | Unknown:
    bids = [_bid_of(change.after) for change in changes]
    own = tuple(_own(change, bid) for change, bid in zip(changes, bids, strict=True))
    first = bids[0]
    name, region = first.instance_type_name or first.instance_type, first.region
    sizes = {kind: gpus for kind, gpus, _ in _members(first, catalogue)} | {b.instance_type: b.gpus or 1 for b in bids}
    markets = [one for one in plan.markets.values() if one.region == region and one.instance_type in sizes]
    kind = max((bid.instance_type for bid in bids), key=lambda one: (_events(streams.get((one, region))), one))
    stream, gpus = streams.get((kind, region)), sizes[kind]
    stock = _stock(markets, sizes) or max((units for _, _, units in _members(first, catalogue)), default=0)
    spot = next((one.spot for one in markets if one.instance_type == kind and one.spot is not None), None)
    reason = _unfit(stream, spot, stock, hours)
    if reason is not None or stream is None or spot is None:
        return Unknown(name, region, own, reason or "")
    reserve = float(stream.reserve or 0) / gpus
    at_rest = float(spot) / gpus <= reserve
    lots = Lots(tuple(sorted(set(sizes.values()))), stock)
    depth, depth_from = _depth(markets, sizes, lots)
    return Pool(
        name,
        region,
        own,
        stream,
        gpus,
        level=float(spot) / gpus,
        reserve=reserve,
        stock=stock,
        room=_room(markets, sizes) if at_rest else 0,
        held=min(stock, sum(bid.instance_quantity * (bid.gpus or 1) for bid in held)),
        lots=lots,
        depth=depth,
        depth_from=depth_from,
    )


def _own(change: Change, bid: Bid) -> Own:
    hours = None if change.estimated_hours is None else float(change.estimated_hours)
    placed = change.action in ("no-op", "update", "import")
    return Own(change.address, bid.limit_price, bid.instance_quantity, bid.gpus or 1, placed, hours)


def _unfit(stream: Stream | None, spot: Decimal | None, stock: int, hours: float) -> str | None:
    """Why there is nothing to simulate with."""
    if spot is None:
        return "the price of now is unknown"
    if not stock:
        return "how many GPUs the auction has is unknown"
    if stream is None or not stream.times:
        return "no past prices are known"
    if stream.span < 2 * hours:
        return f"{stream.span / 24:.1f} days of past prices are known, twice the {hours:g} hours are needed"
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
    return _family(bid.instance_type_name, bid.gpus), bid.region, units // largest


def _members(bid: Bid, catalogue: Catalogue) -> Iterator[tuple[str, int, int]]:
    """(type, GPUs of an instance, GPUs of all) of each auction in the bid's region that sells the same kind of GPU, and
    as many of them but for what is no whole instance."""
    family = _family(bid.instance_type_name, bid.gpus)
    found = []
    for auction in catalogue.auctions:
        kind = catalogue.type(auction.instance_type)
        if kind is not None and auction.region == bid.region and _family(kind.name, kind.gpus) == family:
            gpus = kind.gpus or 1
            found.append((kind.id, gpus, auction.capacity * gpus))
    largest = max((gpus for _, gpus, _ in found), default=1)
    mine = next((units for kind_id, _, units in found if kind_id == bid.instance_type), None)
    return (one for one in found if mine is not None and one[2] // largest == mine // largest)


def _family(name: str, gpus: int | None) -> str:
    """The name of a type without how many GPUs it has: a100-80gb.sxm.8x -> a100-80gb.sxm, v6e-4 -> v6e."""
    return re.sub(rf"[.-]{gpus}x?$", "", name)


# ---- what is known of the book ------------------------------------------------------------------------------


def _stock(markets: Iterable[Market], sizes: Mapping[str, int]) -> int:
    return max((one.total * sizes[one.instance_type] for one in markets if one.total is not None), default=0)


def _room(markets: Iterable[Market], sizes: Mapping[str, int]) -> int:
    return max((one.available * sizes[one.instance_type] for one in markets if one.available is not None), default=0)


def _depth(markets: Iterable[Market], sizes: Mapping[str, int], lots: Lots) -> tuple[Depth, str]:
    """From what the most instances asked about would win with; else from the lowest limit that wins."""
    seen = [
        (one.quantity * sizes[one.instance_type], one)
        for one in markets
        if one.spot and one.win_price is not None and one.available is not None and one.quantity > one.available
    ]
    if seen:
        _, one = max(seen, key=lambda pair: pair[0])
        assert one.win_price is not None and one.spot and one.available is not None  # noqa: S101 - just looked
        displaced = (one.quantity - one.available) * sizes[one.instance_type]
        distance = math.log(max(one.win_price - CENT, one.spot) / one.spot)
        return Depth(displaced / lots.mean, distance), f"what {one.quantity} more would win with"
    for one in markets:
        if one.spot and one.lowest_allocated is not None and one.available == 0:
            return Depth(1.0, math.log(max(one.lowest_allocated, one.spot) / one.spot)), "the lowest limit that wins"
    return Depth(), "assumed"
