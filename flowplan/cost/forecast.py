"""Costs and past prices -> the costs with what is ahead, over a horizon. Pure: the prices are given.

A forecast decides nothing: what a plan does never depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from flowplan.cost.costs import Costs, Priced
from flowplan.model.address import Address
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import Change, Forget, NoOp, Read
from flowplan.pricing.advice import AVAILABILITY, CONFIDENCE, Advice, advise_of
from flowplan.pricing.entry import Estimate, at_any_limit, first_price
from flowplan.pricing.forecasting import Forecast, forecast_of, never, nothing, untold
from flowplan.pricing.history import Stream
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.past import Auction
from flowplan.pricing.sums import StackForecast, stack_totals
from flowplan.pricing.units import DAY, HOUR, storage_per_hour, total, usd

FRESH = timedelta(minutes=5)  # prices are evaluated every two
MINUTE, HOURS = timedelta(minutes=1), timedelta(hours=1)


def auctions_of(costs: Costs) -> list[Auction]:
    """The auctions whose past a forecast needs, each once."""
    found = {
        (bid.instance_type, bid.region)
        for one in costs.changes
        for bid, estimate in ((one.change.before, one.cost_before), (one.change.after, one.cost))
        if isinstance(bid, Bid) and estimate is not None and _needs_a_past(estimate)
    }
    return sorted(found)


def auctions_ahead(changes: Iterable[Change]) -> list[Auction]:
    """The auctions whose past a forecast of `changes` may need, before it is known what they cost: at least those of
    `auctions_of`, but for bids whose region nobody knows."""
    bids = [bid for one in changes for bid in (one.before, one.after) if isinstance(bid, Bid)]
    found = {(one.instance_type, one.region) for one in bids if not one.paused and "region" not in one.unreported}
    return sorted(found)


def _needs_a_past(estimate: Estimate) -> bool:
    """What never runs costs nothing, for sure; but below the reserve there is a better limit to be advised. What nobody
    knows the limit or the quantity of cannot be forecast."""
    return not estimate.unreported and estimate.outlook != "paused" and estimate.entry.basis != "too_large"


def forecasted(
    costs: Costs,
    streams: Mapping[Auction, Stream],
    horizon: float | None = None,
    spans: Iterable[float] = (),
    now: datetime | None = None,
) -> Costs:
    """`costs` with a forecast for every bid that has an estimate, as it is and as planned, and for the whole.

    Over `horizon` hours; None: a task that says how long it takes over that, everything else and the whole over a day.
    Each bid counts until its lifetime ends; storage goes on. `spans`: further hours that figures are wanted for, in
    which an HOUR is one in which bids run. `streams` has every auction of `auctions_of`. `now`: the server's clock, by
    which prices may be out of date.
    """
    asked = _Asked(streams, now)
    hours, further = horizon or DAY, sorted(set(spans))
    changes = tuple(asked.change(one, horizon, further) for one in costs.changes)
    counted = [one for one in changes if _counts(one.change)]
    totals = _all_totals(counted, asked, {hours, *further} - {HOUR})
    forecast = totals.get(hours) or _totals(counted, asked, hours)
    endless = forecast
    if HOUR in further:
        without = list(map(_endless, counted))
        totals[HOUR] = _totals(without, asked, HOUR)
        if without != counted:
            endless = _all_totals(without, asked, {hours})[hours]
    return attrs.evolve(
        costs,
        changes=changes,
        forecast=forecast,
        endless=endless,
        hours=hours,
        spans=totals,
        movers=tuple(_movers(counted, asked, hours)),
    )


def _all_totals(changes: Sequence[Priced], asked: _Asked, spans: Collection[float]) -> dict[float, StackForecast]:
    """By hours. What is paid in a day stays paid in a longer span."""
    if max(spans, default=DAY) <= DAY:
        return {span: _totals(changes, asked, span) for span in spans}
    day = _totals(changes, asked, DAY)
    return {span: day if span == DAY else _totals(changes, asked, span, day if span > DAY else None) for span in spans}


def _endless(one: Priced) -> Priced:
    """`one` as if no lifetime ended its bid; what was forecast of it is another bid's then."""
    bounded = one.left != ENDLESS or one.left_before != ENDLESS
    return attrs.evolve(one, left_before=ENDLESS, left=ENDLESS, forecast_before=None, forecast=None) if bounded else one


def _counts(change: Change) -> bool:
    """Whether what it costs is that of the stack."""
    return not isinstance(change, Read) and change.reason != "gone_outside"


def _totals(
    changes: Iterable[Priced], asked: _Asked, hours: float, sooner: StackForecast | None = None
) -> StackForecast:
    changes = list(changes)
    pairs = [asked.beside(one, hours) for one in changes]
    return stack_totals(
        [before for before, _ in pairs if before],
        [after for _, after in pairs if after],
        storage_now=_storage((one.change.before for one in changes), hours),
        storage_planned=storage_planned((one.change for one in changes), hours),
        sooner=sooner,
    )


def storage_planned(changes: Iterable[Change], hours: float) -> Decimal | None:
    """What the volumes cost over `hours` once all is done, None where a size is unknown; what is only managed no longer
    goes on costing."""
    counted = [one for one in changes if _counts(one)]
    return _storage((one.before if isinstance(one, Forget) else one.after for one in counted), hours)


def _storage(resources: Iterable[Resource | None], hours: float) -> Decimal | None:
    hour = total(storage_per_hour(one.held_gb) for one in resources if isinstance(one, Volume))
    return None if hour is None else hour * Decimal(str(hours))


def _movers(changes: Iterable[Priced], asked: _Asked, hours: float) -> list[tuple[Address, Decimal]]:
    """What each change adds to the expected cost, of a bid or of storage, the largest first; what is unknown is left
    out."""
    found = []
    for one in changes:
        before, after = asked.beside(one, hours)
        was = _storage((one.change.before,), hours) if before is None else before.cost.expected
        will = storage_planned((one.change,), hours) if after is None else after.cost.expected
        if not isinstance(one.change, NoOp) and was is not None and will is not None and will != was:
            found.append((one.change.address, will - was))
    return sorted(found, key=lambda one: -abs(one[1]))


class _Asked:
    """The forecasts asked for so far: equal questions, one answer."""

    def __init__(self, streams: Mapping[Auction, Stream], now: datetime | None) -> None:
        self._streams, self._now = streams, now
        self._forecasts: dict[tuple[object, ...], Forecast] = {}
        self._advice: dict[tuple[object, ...], Advice] = {}

    def change(self, one: Priced, horizon: float | None, spans: Iterable[float]) -> Priced:
        """`one` with what it costs over its own horizon, and over `spans`."""
        work = one.work_hours
        own = horizon or (DAY if work is None else float(work))
        if horizon is None and one.left != ENDLESS:
            own = max(own, DAY)  # as the whole: it counts until its lifetime ends
        before, after = self.before(one, own), self.after(one, own, work)
        if before is None and after is None:
            return one
        shown = self.after if one.cost is not None else self.before
        over = {span: found for span in spans if (found := shown(_endless(one) if span == HOUR else one, span))}
        advice = self._advise(one, one.left.running_within(own) or own)
        stale = self._stale(one)
        return attrs.evolve(one, forecast_before=before, forecast=after, spans=over, advice=advice, stale=stale)

    def beside(self, one: Priced, hours: float) -> tuple[Forecast | None, Forecast | None]:
        """What `one`, as `change` returns it, costs as it is and as planned; mostly it has that already."""
        both = one.forecast_before, one.forecast
        known = [found.hours for found in both if found is not None]
        if known and one.work_hours is None and set(known) == {hours}:
            return both
        return self.before(one, hours), self.after(one, hours)

    def before(self, one: Priced, hours: float) -> Forecast | None:
        return self._forecast(one.change.before, one.cost_before, hours, one.left_before)

    def after(self, one: Priced, hours: float, work: Decimal | None = None) -> Forecast | None:
        if isinstance(one.change, Forget):  # it goes on costing
            return self.before(one, hours)
        return self._forecast(one.change.after, one.cost, hours, one.left, work)

    def _forecast(
        self, bid: Resource | None, estimate: Estimate | None, hours: float, left: Left, work: Decimal | None = None
    ) -> Forecast | None:
        if not isinstance(bid, Bid) or estimate is None:
            return None
        limit, quantity = bid.limit_price, bid.instance_quantity
        if estimate.outlook == "paused":
            return nothing(hours, quantity, limit, evidence="it is paused")
        if estimate.unreported:
            return untold(hours, quantity, f"the API does not report its {' and '.join(estimate.unreported)}")
        if estimate.outlook == "cannot_win":
            return never(hours, quantity, limit, NEVER[estimate.entry.basis], left=left)
        auction = (bid.instance_type, bid.region)
        stream = self._streams[auction]
        entry = first_price(estimate.entry, stream.last)
        question = (auction, limit, quantity, entry, hours, left, work)
        if question not in self._forecasts:
            self._forecasts[question] = forecast_of(
                stream, limit, quantity, hours, entry, work_hours=None if work is None else float(work), left=left
            )
        return self._forecasts[question]

    def _advise(self, one: Priced, hours: float) -> Advice | None:
        """Only for what is placed or re-priced: nobody asks about a limit that stays."""
        bid, estimate = one.change.after, one.cost
        if not isinstance(bid, Bid) or estimate is None or isinstance(one.change, NoOp):
            return None
        auction = (bid.instance_type, bid.region)
        if auction not in self._streams or not _needs_a_past(estimate):
            return None
        stream = self._streams[auction]
        # With the limit advised it would win: what it would pay first is not that of the limit it has.
        wins = estimate.outlook not in ("waits", "cannot_win")
        entry = first_price(estimate.entry if wins else at_any_limit(estimate.market), stream.last)
        price = stream.last if entry is None else entry
        hours = _paid_for(hours, price, bid.instance_quantity, one.left)
        question = (auction, entry, hours)
        if question not in self._advice:
            self._advice[question] = advise_of(stream, AVAILABILITY, CONFIDENCE, hours, entry)
        return self._advice[question]

    def _stale(self, one: Priced) -> str | None:
        """In what the prices of its auction are out of date."""
        market = one.cost.market if one.cost else None
        stream = self._streams.get((market.instance_type, market.region)) if market else None
        if market is None or stream is None:
            return None
        age = self._now - datetime.fromisoformat(market.as_of) if self._now and market.as_of else timedelta(0)
        if age > FRESH:
            return f"the prices are from {market.as_of}, {age // MINUTE} minutes older than the rest of the answers"
        if stream.last is None or market.spot in (None, stream.last) or stream.since * HOURS <= FRESH:
            return None
        since = f"{stream.since:.1f} hours" if stream.since >= 2 else f"{stream.since * 60:.0f} minutes"
        return f"past prices end {since} ago at {usd(stream.last)}, but the price now is {usd(market.spot)}"


def _paid_for(hours: float, price: Decimal | None, quantity: int, left: Left) -> float:
    """Of the next `hours`, those that the dollars which are `left` of a lifetime pay for, at `price` per instance-hour.
    At least one."""
    if left.paid is None or not price:
        return hours
    return min(hours, max(float(left.paid / (price * quantity)), HOUR))


NEVER = {  # why a bid never runs, by the basis of its entry price
    "below_reserve": "the limit is below the reserve: it never runs",
    "too_large": "more instances than the auction has: it never runs",
}
