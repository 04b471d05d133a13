"""A plan and past prices -> the plan with what it will cost over a horizon. Pure: the prices are given.

A forecast decides nothing: what a plan does never depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias

import attrs

from flowplan.plan import Change, Plan
from flowplan.pricing import (
    AVAILABILITY,
    CONFIDENCE,
    Advice,
    Estimate,
    Forecast,
    Stream,
    advise_of,
    forecast_of,
    nothing,
    stack_totals,
    storage_per_hour,
)
from flowplan.resources import Bid, Resource, Volume

Auction: TypeAlias = tuple[str, str]  # instance type, region
HORIZON = 24.0  # hours


def auctions_of(plan: Plan) -> list[Auction]:
    """The auctions whose past a forecast of the plan needs, each once."""
    found = {
        (bid.instance_type, bid.region)
        for change in plan.changes
        for bid, estimate in ((change.before, change.cost_before), (change.after, change.cost))
        if isinstance(bid, Bid) and estimate is not None and estimate.outlook not in ("paused", "cannot_win")
    }
    return sorted(found)


def forecasted(plan: Plan, streams: Mapping[Auction, Stream], hours: float = HORIZON) -> Plan:
    """`plan` with a forecast for every bid that has an estimate, as it is and as planned, and for the whole."""
    asked = _Asked(streams, hours)
    changes = tuple(asked.change(change) for change in plan.changes)
    counted = [one for one in changes if one.action != "read" and one.reason != "gone_outside"]
    totals = stack_totals(
        [one.forecast_before for one in counted if one.forecast_before is not None],
        [one.forecast for one in counted if one.forecast is not None],
        storage_now=_storage((one.before for one in counted), hours),
        storage_planned=_storage((one.before if one.action == "forget" else one.after for one in counted), hours),
    )
    return attrs.evolve(plan, changes=changes, forecast=totals, hours=hours)


def _storage(resources: Iterable[Resource | None], hours: float) -> Decimal:
    volumes = [one for one in resources if isinstance(one, Volume)]
    return sum((storage_per_hour(volume.size_gb) for volume in volumes), Decimal(0)) * Decimal(str(hours))


class _Asked:
    """The forecasts asked for so far: equal questions, one answer."""

    def __init__(self, streams: Mapping[Auction, Stream], hours: float) -> None:
        self._streams, self._hours = streams, hours
        self._forecasts: dict[tuple[Auction, Decimal, int, Decimal | None], Forecast] = {}
        self._advice: dict[tuple[Auction, Decimal | None], Advice] = {}

    def change(self, change: Change) -> Change:
        before = self._forecast(change.before, change.cost_before)
        after = before if change.cost is change.cost_before else self._forecast(change.after, change.cost)
        if before is None and after is None:
            return change
        return attrs.evolve(change, forecast_before=before, forecast=after, advice=self._advise(change))

    def _forecast(self, bid: Resource | None, estimate: Estimate | None) -> Forecast | None:
        if not isinstance(bid, Bid) or estimate is None:
            return None
        if estimate.outlook == "paused":
            return nothing(self._hours, bid.instance_quantity, bid.limit_price, evidence="it is paused")
        auction = (bid.instance_type, bid.region)
        if auction not in self._streams:
            return None
        question = (auction, bid.limit_price, bid.instance_quantity, _entry(estimate))
        if question not in self._forecasts:
            self._forecasts[question] = forecast_of(
                self._streams[auction], bid.limit_price, bid.instance_quantity, self._hours, _entry(estimate)
            )
        return self._forecasts[question]

    def _advise(self, change: Change) -> Advice | None:
        """Only for what is placed or re-priced: nobody asks about a limit that stays."""
        bid, estimate = change.after, change.cost
        if not isinstance(bid, Bid) or estimate is None or change.action in ("no-op", "delete", "forget"):
            return None
        auction = (bid.instance_type, bid.region)
        if auction not in self._streams or estimate.outlook == "paused":
            return None
        question = (auction, _entry(estimate))
        if question not in self._advice:
            stream = self._streams[auction]
            self._advice[question] = advise_of(stream, AVAILABILITY, CONFIDENCE, self._hours, _entry(estimate))
        return self._advice[question]


def _entry(estimate: Estimate) -> Decimal | None:
    """What it would pay first, where that is not the last price."""
    return estimate.entry.point if estimate.entry.basis == "displacing" else None


def movers(plan: Plan) -> Iterator[tuple[Change, Decimal]]:
    """The changes by what they add to the expected cost over the horizon, the largest first; unknown ones left out."""
    found = []
    for change in plan.changes:
        before, after = change.forecast_before, change.forecast
        parts = [one.cost.expected for one in (before, after) if one is not None]
        if parts and None not in parts and change.action != "no-op":
            was = before.cost.expected if before is not None else Decimal(0)
            will = after.cost.expected if after is not None else Decimal(0)
            assert was is not None and will is not None  # noqa: S101 - looked at just now
            if will != was:
                found.append((change, will - was))
    yield from sorted(found, key=lambda one: -abs(one[1]))
