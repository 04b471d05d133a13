"""What a task would come to at a place: when its work would be done, and what it would have cost. Pure: past prices are
given. The figures are those of the forecast of a plan's costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import attrs
from attrs import field

from flowplan.classes import define
from flowplan.config import Task
from flowplan.model.catalogue import Place
from flowplan.planning.candidates import Candidate, Prospect
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.forecasting import forecast_of
from flowplan.pricing.history import Stream
from flowplan.pricing.units import DAY, lasting, usd

Question: TypeAlias = tuple[Place, Decimal, int, Decimal | None, float]


@define
class Prospects:
    """Of tasks at places whose past prices are known; equal questions are asked once. `now`: the server's clock, by
    which lifetimes end; `markets`: the prices of now for as many instances as tasks ask for."""

    streams: Mapping[Place, Stream] = field(factory=dict)
    now: datetime | None = None
    markets: Mapping[Key, Market] = field(factory=dict)
    _known: dict[Question, Prospect | None] = field(factory=dict, init=False)

    def of(self, task: Task, candidate: Candidate) -> Prospect | None:
        """Of `task` at `candidate`; None: too little is known."""
        stream = self.streams.get(candidate.place)
        if stream is None:
            return None
        price = candidate.auction.last_price
        question = (candidate.place, candidate.limit_price, task.instance_quantity, price, hours_of(task))
        if question not in self._known:
            self._known[question] = _prospect(stream, *question[1:])
        return self._known[question]

    def at(self, task: Task, candidate: Candidate) -> Candidate:
        """`candidate` with what `task` would come to there."""
        market = self.markets.get((*candidate.place, task.instance_quantity))
        candidate = attrs.evolve(candidate, market=market)
        if candidate.never is not None:
            return candidate
        found = self.of(task, candidate)
        return attrs.evolve(candidate, prospect=found, unfinished=self._unfinished(task, found))

    def _unfinished(self, task: Task, found: Prospect | None) -> str | None:
        """Why the work of `task` is not done within its lifetime, for people; None: it is, or nothing tells."""
        hours, lifetime = task.estimated_hours, task.lifetime
        if found is None or hours is None or lifetime is None:
            return None
        from flowplan.pricing.billing import hours_between

        most, end = lifetime.max_hours, lifetime.end_at
        if most is not None and hours > most:
            return f"its work takes {lasting(float(hours))}, more than max_hours {most.normalize():f}"
        if end is not None and self.now is not None and found.hours > hours_between(self.now, end):
            return f"it would be done in {lasting(float(found.hours))}, after its end_at"
        if lifetime.max_cost is not None and found.cost > lifetime.max_cost:
            return f"it would cost {usd(found.cost)} until it is done, more than max_cost {usd(lifetime.max_cost)}"
        return None


def hours_of(task: Task) -> float:
    """How long it runs: as long as the task says that its work takes, but no longer than its lifetime; else a day."""
    most = task.lifetime.max_hours if task.lifetime is not None else None
    known = [one for one in (task.estimated_hours, most) if one]
    return float(min(known, default=DAY))


def _prospect(stream: Stream, limit: Decimal, quantity: int, price: Decimal | None, hours: float) -> Prospect | None:
    ahead = forecast_of(stream, limit, quantity, hours, price, work_hours=hours)
    found = ahead.finish
    if found is None or found.cost.expected is None or found.hours.expected is None:
        return None
    return Prospect(found.hours.expected, found.cost.expected, ahead.availability.expected)
