"""Advice on the limit: the smallest that keeps a bid running, how often that will hold, and what it costs."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal

from flowplan.classes import frozen
from flowplan.pricing.forecasting import Forecast, forecast_of
from flowplan.pricing.history import HAIR, METHOD, Basis, Method, Stream, quantile
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.units import CENT

AVAILABILITY, CONFIDENCE = 0.95, 0.9  # what is promised unless somebody asks for something else


@frozen
class Advice:
    """A bid at `limit_price` ($/instance-hour, rounded up to the cent) runs at least `availability` of the next `hours`
    in `confidence` of all cases: of those asked, or fewer where the past is too short to promise more. None: unknown.

    `forecast`: of one instance at this limit; more than it cost at another limit: `extra_cost_over`.
    """

    limit_price: Decimal | None
    availability: Decimal
    confidence: Decimal | None
    hours: float
    basis: Basis
    evidence: str
    forecast: Forecast | None = None

    def extra_cost_over(self, other: Forecast, left: Left = ENDLESS) -> Decimal | None:
        """Dollars over the horizon that all instances of `other` are expected to cost more at the advised limit, within
        what is `left` of their lifetime."""
        if self.forecast is None or self.forecast.cost.expected is None or other.cost.expected is None:
            return None
        advised = left.most(self.forecast.cost.expected * other.quantity)
        return None if advised is None else advised - other.cost.expected


def advise_of(
    stream: Stream,
    availability: float,
    confidence: float,
    hours: float,
    entry: Decimal | None = None,
    *,
    method: Method = METHOD,
    unit: Decimal = CENT,
) -> Advice:
    """The smallest limit with which a bid runs `availability` (0.95) of the next `hours`, in `confidence` (0.9) of all
    cases.

    Each past path has a need: the limit with which it would have run so much of it. The limit advised is what suffices
    for `confidence` of them, counted as for a forecast, rounded up to `unit`.
    """
    asked = Decimal(str(availability))
    basis = stream.basis(hours)
    if basis in ("unknown", "point-only"):
        return Advice(None, asked, None, hours, basis, "less than a day of past prices")
    level = stream.level_of(entry)
    reach = stream.longest(hours)
    needs = stream.needs(availability, reach, level)
    weights = stream.weights(reach, level, method)
    share = stream.share(confidence, reach, method)
    need = quantile(sorted(zip(needs, weights, strict=True)), share)
    limit = (Decimal(need) / Decimal(HAIR)).quantize(unit, ROUND_CEILING)
    if stream.reserve is not None:
        limit = max(limit, stream.reserve.quantize(unit, ROUND_CEILING))
    holds = min(confidence, promised(stream.span / reach))
    at_limit = forecast_of(stream, limit, 1, hours, entry, method=method)
    return Advice(
        limit, asked, Decimal(math.floor(holds * 100 + 1e-9)) / 100, hours, basis, at_limit.evidence, at_limit
    )


def promised(windows: float) -> float:
    """How often at most a promise can hold that rests on so many independent windows, though it be made for the
    worst of them: 0.96 of 14, 0.8 of 2. Measured, see docs/forecast.md."""
    return windows / (windows + 0.5)
