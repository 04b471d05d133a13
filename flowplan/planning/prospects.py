"""What a task would come to at a place: when its work would be done, and what it would have cost. Pure: past prices are
given. The figures are those of the forecast of a plan's costs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from attrs import define, field

from flowplan.config import Task
from flowplan.model.catalogue import Place
from flowplan.planning.candidates import Candidate, Prospect
from flowplan.pricing.forecasting import forecast_of
from flowplan.pricing.history import Stream
from flowplan.pricing.units import DAY

Question: TypeAlias = tuple[Place, Decimal, int, Decimal | None, float]


@define
class Prospects:
    """Of tasks at places whose past prices are known; equal questions are asked once."""

    streams: Mapping[Place, Stream] = field(factory=dict)
    _known: dict[Question, Prospect | None] = field(factory=dict, init=False)

    def of(self, task: Task, candidate: Candidate) -> Prospect | None:
        """Of `task` at `candidate`; None: too little is known."""
        stream = self.streams.get(candidate.place)
        if stream is None:
            return None
        price = candidate.auction.last_price
        question = (candidate.place, candidate.limit_price, task.instance_quantity, price, _hours(task))
        if question not in self._known:
            self._known[question] = _prospect(stream, *question[1:])
        return self._known[question]


def _hours(task: Task) -> float:
    """How long the work takes: as the task says, or its lifetime, or else a day."""
    most = task.lifetime.max_hours if task.lifetime is not None else None
    return float(task.estimated_hours or most or DAY)


def _prospect(stream: Stream, limit: Decimal, quantity: int, price: Decimal | None, hours: float) -> Prospect | None:
    found = forecast_of(stream, limit, quantity, hours, price, work_hours=hours).finish
    if found is None or found.cost.expected is None or found.hours.expected is None:
        return None
    return Prospect(found.hours.expected, found.cost.expected)
