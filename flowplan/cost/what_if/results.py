"""Many futures -> what a plan may cost, together and bid by bid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from flowplan.classes import frozen
from flowplan.cost.costs import Costs
from flowplan.cost.forecast import storage_planned
from flowplan.cost.what_if.futures import FUTURES, Fate, Tell, simulate
from flowplan.cost.what_if.pools import DepthFrom, Own, Pool, Unknown, idle, pools_of
from flowplan.model.address import Address
from flowplan.model.catalogue import Catalogue
from flowplan.model.resources import Bid
from flowplan.pricing.forecasting import Band, Spread
from flowplan.pricing.history import Basis, Stream
from flowplan.pricing.units import total

_TENTH = Decimal("0.001")  # shares are rounded down to 0.1%
_UNKNOWN = Band()


@frozen
class WorkDone:
    """Some hours of work. `chance`: the share of futures in which they are done before the end; `p50`, `p90`: hours
    from now, None where that is after the end."""

    work_hours: float
    chance: Decimal
    p50: Decimal | None
    p90: Decimal | None


@frozen
class BidOutcome:
    """A bid over all futures. `runs`: the share in which it runs at all; `availability`: the share of the time;
    `preempted`: the share in which it is, at least once. `impact`: by what share of the price the plan's own bids raise
    what it pays. All None where its auction is unknown, for `reason`."""

    address: Address
    cost: Band = _UNKNOWN
    runs: Decimal | None = None
    availability: Band = _UNKNOWN
    preempted: Decimal | None = None
    preemptions_per_day: Band = _UNKNOWN
    impact: Decimal | None = None
    finish: WorkDone | None = None
    reason: str | None = None


@frozen
class AuctionFit:
    """What one pool was simulated with: its GPUs, how many are free while the price rests on the reserve, the middle of
    the elasticity drawn and what that rests on. None where it could not be, for `reason`."""

    name: str
    region: str
    gpus: int | None = None
    room: int | None = None
    elasticity: Decimal | None = None
    depth_from: DepthFrom | None = None
    basis: Basis = "unknown"
    reason: str | None = None


@frozen
class WhatIf:
    """`cost`: dollars over `hours` of all bids together, future by future, and of storage; `costs` in each future, the
    least first, empty where unknown. `worst`: every limit paid all the time. None: the API does not report how large a
    volume is, or what limit or quantity a bid has."""

    hours: float
    futures: int
    bids: tuple[BidOutcome, ...]
    auctions: tuple[AuctionFit, ...]
    storage: Decimal | None
    cost: Band
    costs: tuple[float, ...]
    worst: Decimal | None


def what_if(
    costs: Costs,
    streams: Mapping[tuple[str, str], Stream],
    catalogue: Catalogue,
    hours: float,
    number: int = FUTURES,
    tell: Tell = lambda done, all_: None,
) -> WhatIf:
    """The bids of `costs`, once all is done, over the next `hours` in `number` futures; `tell` hears how far it is."""
    pools = pools_of(costs, streams, catalogue, hours)
    known = [pool for pool in pools if isinstance(pool, Pool)]
    fates, inner, inner_of_a_day = simulate(known, hours, number, tell)
    spread, day = (Spread([1.0] * number, share) for share in (inner, inner_of_a_day))
    bids = {
        bid.address: bid
        for pool, of_pool in zip(known, fates, strict=True)
        for bid in _bids(pool, of_pool, hours, spread, day)
    }
    for pool in pools:
        if isinstance(pool, Unknown):
            bids |= {own.address: BidOutcome(own.address, reason=pool.reason) for own in pool.own}
    changes = [one.change for one in costs.changes]
    for one in costs.changes:
        if isinstance(one.change.after, Bid) and (reason := idle(one)):
            bids[one.change.address] = _nothing(one.change.address, reason)
    storage = storage_planned(changes, hours)
    sums = [
        math.fsum((float(storage or 0), *(fate.cost for of_pool in fates for fate in of_pool[n])))
        for n in range(number)
    ]
    first = [math.fsum(fate.first_day for of_pool in fates for fate in of_pool[n]) for n in range(number)]
    complete = len(known) == len(pools) and storage is not None
    return WhatIf(
        hours,
        number,
        tuple(bids[change.address] for change in changes if change.address in bids),
        tuple(dict.fromkeys(_fit(pool, hours) for pool in pools)),  # of bids that follow each other it is one
        storage,
        spread.money(sums).no_less(day.money(first)) if complete else Band(),
        tuple(sorted(sums)) if complete else (),
        total([storage, *(_worst(own, hours) for pool in pools for own in pool.own)]),
    )


def _bids(pool: Pool, fates: Sequence[Sequence[Fate]], hours: float, spread: Spread, day: Spread) -> list[BidOutcome]:
    return [_bid(own, [future[index] for future in fates], hours, spread, day) for index, own in enumerate(pool.own)]


def _bid(own: Own, fates: Sequence[Fate], hours: float, spread: Spread, day: Spread) -> BidOutcome:
    paid, without = math.fsum(fate.paid for fate in fates), math.fsum(fate.without for fate in fates)
    return BidOutcome(
        own.address,
        cost=spread.money([fate.cost for fate in fates]).no_less(day.money([fate.first_day for fate in fates])),
        runs=_share([fate.running > 0 for fate in fates]),
        availability=spread.share([min(1.0, fate.running / hours) for fate in fates]),
        preempted=_share([fate.preemptions > 0 for fate in fates]),
        preemptions_per_day=spread.money([fate.preemptions * 24 / hours for fate in fates]),
        impact=Decimal(paid / without - 1).quantize(_TENTH) if without > 0 else None,
        finish=None if own.work_hours is None else _finish(own.work_hours, fates, spread),
    )


def _finish(work_hours: float, fates: Sequence[Fate], spread: Spread) -> WorkDone:
    _, middle, late, _ = spread.of([math.inf if fate.done_at is None else fate.done_at for fate in fates])
    p50, p90 = (Decimal(f"{hours:.2f}") if hours < math.inf else None for hours in (middle, late))
    return WorkDone(work_hours, _share([fate.done_at is not None for fate in fates]), p50, p90)


def _share(cases: Sequence[bool]) -> Decimal:
    return Decimal(sum(cases) * 1000 // len(cases)) / 1000


def _nothing(address: Address, reason: str) -> BidOutcome:
    none, zero = Decimal(0), Band.sure(Decimal(0))
    return BidOutcome(address, zero, none, zero, none, zero, reason=reason)


def _worst(own: Own, hours: float) -> Decimal | None:
    if own.unreported:
        return None
    running = Decimal(str(own.left.running_within(hours)))
    worst = own.limit_price * own.quantity * running
    return worst if own.left.paid is None else min(worst, own.left.paid)


def _fit(pool: Pool | Unknown, hours: float) -> AuctionFit:
    if isinstance(pool, Unknown):
        return AuctionFit(pool.name, pool.region, reason=pool.reason)
    elasticity = Decimal(pool.depth.elasticity(pool.lots)).quantize(Decimal("0.01"))
    return AuctionFit(
        pool.name, pool.region, pool.stock, pool.room, elasticity, pool.depth_from, pool.stream.basis(hours)
    )
