"""A plan and the prices of this moment -> what its bids cost an hour. Pure: the prices are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from flowplan.cost.competing import MOST, asked, competing
from flowplan.cost.costs import Costs, Priced, PricedApart
from flowplan.cost.places import is_older, keeps, phases, place_of, stays
from flowplan.model.live import ALLOCATED, Live, billed_as
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import RESTARTED, Change, Create, Forget, LeftOut, Read, Replace
from flowplan.planning.desired import Desired
from flowplan.planning.plan import LeftAlone, Plan, key_of
from flowplan.pricing.entry import Estimate, Key, Market, Total, Totals, estimate, unknown, untold
from flowplan.pricing.lifetime import ENDLESS
from flowplan.pricing.units import CENT, storage_per_hour
from flowplan.state.known import as_known
from flowplan.state.state import State


def auctions_needed(desired: Desired, state: State, live: Live, changes: Iterable[Change]) -> dict[Key, bool]:
    """The distinct (type, region, quantity) a plan of `changes` has to price, in their order: one call each. Of several
    bids that take part in one auction again, side by side, also those that have to win together (`stairs`). True: a bid
    is priced by it; False: it only tells what bids cost beside others."""
    changes = tuple(changes)
    bids = [bid for bid in desired.resources.values() if isinstance(bid, Bid)]
    bids += [bid for bid in _as_they_are(state, live) if "region" not in bid.unreported]
    alone = set(map(key_of, bids))
    return {key: key in alone for key in sorted({*alone, *_side_by_side(changes)})}


def one_more(changes: Iterable[Change], markets: Mapping[Key, Market]) -> dict[Key, Key]:
    """For each of `markets` that a bid of `changes` would enter by pushing others out: the one for an instance more,
    whose win price tells how the price moves (`displaced`)."""
    placed = {
        (change.after.instance_type, change.after.region)
        for change in changes
        if isinstance(change.after, Bid) and not change.after.paused and not stays(change, change.after)
    }
    return {
        (kind, region, quantity): (kind, region, quantity + 1)
        for (kind, region, quantity), market in markets.items()
        if (kind, region) in placed and quantity < MOST and market.is_entered_by_displacing
    }


def _side_by_side(changes: Sequence[Change]) -> Iterator[Key]:
    """What has to be known of bids that take a place where they are to be placed together, or something comes free."""
    bids, placed = [], set()
    for index, change in enumerate(changes):
        bid = change.after
        if isinstance(bid, Bid) and not bid.paused and "region" not in bid.unreported and bid.worst is not None:
            bids.append(index)
            if not (stays(change, bid) and keeps(change)):
                placed.add(index)
    places = [index for index, change in enumerate(changes) if place_of(change) is not None]
    for phase in phases(changes, bids, places):
        now = {True: list[Bid](), False: list[Bid]()}
        for index in phase.group:
            if isinstance(bid := changes[index].after, Bid):
                now[index in placed].append(bid)
        yield from asked(now[True], now[False], [*phase.given_up.values(), *phase.ended])


def _as_they_are(state: State, live: Live) -> Iterator[Bid]:
    for address, binding in state.bindings.items():
        found = live.bids.get(binding.id) if address.kind == "bid" else None
        if found is not None and not found.ended:
            yield as_known(found, binding.applied)


def priced(plan: Plan, markets: Mapping[Key, Market], desired: Desired | None = None) -> Costs:
    """What every bid of `plan` costs, as it is and as planned, and the whole. Bids that are planned for one auction are
    priced together: they compete. `desired` says how long tasks work and live."""
    wanted = desired or Desired()
    hours = wanted.hours
    changes = [
        _ending(price(one, markets, (wanted.durations if one.guard else hours).get(one.address)), wanted)
        for one in plan.changes
    ]
    changes = competing(changes, markets)
    apart = tuple(_apart(one, markets) for one in plan.left_alone)
    return Costs(tuple(changes), _totals(changes), markets, left_alone=apart)


def _apart(one: LeftAlone, markets: Mapping[Key, Market]) -> PricedApart:
    """What goes on costing as it does now."""
    bid = one.resource
    if not isinstance(bid, Bid):
        return PricedApart(one)
    return PricedApart(one, _estimate(bid, markets, holding=one.status == ALLOCATED, charged=_billed(one.status)))


def _ending(one: Priced, desired: Desired) -> Priced:
    """`one` with what is left of its lifetime. A bid that has outlived it runs until it is cancelled, and so does one
    that something keeps it from ending."""
    change = one.change
    lives = desired.left.get(change.address)
    if lives is None:
        return one
    live = ENDLESS if change.address in desired.over else lives.live
    before = live if lives.applied is None else lives.applied
    placed = isinstance(change, (Create, Replace))
    goes_on = isinstance(change, (LeftOut, Forget))  # as it is, whatever the files say
    if goes_on:
        return attrs.evolve(one, left_before=before, left=before)
    ends = lives.new if placed else live
    return attrs.evolve(one, left_before=before, left=ENDLESS if change.guard else ends)


def price(change: Change, markets: Mapping[Key, Market], work_hours: Decimal | None = None) -> Priced:
    """`change` with what its bid costs as it is and as planned."""
    before, after = change.before, change.after
    billed = _billed(change.status)
    old = new = None
    if isinstance(before, Bid) and not (isinstance(change, Forget) and not change.released):
        old = _estimate(before, markets, holding=change.status == ALLOCATED, charged=billed)
    if isinstance(after, Bid):
        runs_on = not isinstance(change, (Create, Replace)) and change.reason != RESTARTED
        new = _estimate(after, markets, holding=stays(change, after), charged=billed if runs_on else False)
        if _is_torn(change, new):
            new = attrs.evolve(unknown(new), warnings=("tie",))
    return Priced(change, old, new, work_hours=work_hours)


def _is_torn(change: Change, found: Estimate) -> bool:
    """Whether the plan raises a bid that waits to the limit of the last that wins: the older one wins, and nobody knows
    which that is (docs/ASSUMPTIONS.md, A11)."""
    win = found.market.win_price if found.market is not None else None
    is_raised = isinstance(change.before, Bid) and change.before.limit_price < found.limit_price
    tie = is_raised and is_older(change) and win == found.limit_price + CENT
    return tie and found.entry.basis == "losing" and found.outlook == "waits"


def _billed(status: str | None) -> bool | None:
    """Whether what is live is paid for now; None: nobody knows."""
    return False if status is None else billed_as(status)  # None: nothing is live


def _estimate(bid: Bid, markets: Mapping[Key, Market], *, holding: bool, charged: bool | None) -> Estimate:
    market, limit, quantity = markets.get(key_of(bid)), bid.limit_price, bid.instance_quantity
    found = estimate(market, limit, quantity, gpus=bid.gpus, paused=bid.paused, holding=holding, charged=charged)
    missing = tuple(name for name in bid.unreported if name in ("instance_quantity", "limit_price"))
    return untold(found, missing) if missing else found


def _totals(changes: Iterable[Priced]) -> Totals:
    current = planned = Total()
    for one in changes:
        change = one.change
        if isinstance(change, Read) or change.reason == "gone_outside":
            continue
        before = _cost(change.before, one.cost_before)
        after = before if isinstance(change, Forget) else _cost(change.after, one.cost)  # it goes on costing
        current = current + before if before is not None else current
        planned = planned + after if after is not None else planned
    return Totals(current, planned)


def _cost(resource: Resource | None, cost: Estimate | None) -> Total | None:
    """Of an hour; None: it is free."""
    if isinstance(resource, Volume):
        storage = storage_per_hour(resource.held_gb)
        return Total(storage, storage)
    return Total(cost.now, cost.worst) if cost is not None else None
