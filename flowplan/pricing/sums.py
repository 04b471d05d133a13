"""What several bids and volumes cost together. The quantile of a sum is not the sum of quantiles: on each past path,
the same for all, the costs are added; then the quantiles of that are taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs
from attrs import frozen

from flowplan.pricing.forecasting import Band, Forecast, Spread
from flowplan.pricing.history import Basis

SURENESS: tuple[Basis, ...] = ("exact", "high", "medium", "low", "point-only", "stale", "unknown")


@frozen
class Sum:
    """Dollars over one horizon. `basis`: the least sure of what is in it. Unknown as soon as one part is. `saved`: the
    share by which bids are expected to pay less than their limits for the hours they run; None also where none does."""

    cost: Band
    worst_case: Decimal | None
    basis: Basis
    saved: Decimal | None = None


@frozen
class StackForecast:
    """A stack as it is, as planned, and the difference."""

    current: Sum
    planned: Sum
    delta: Sum


def stack_totals(
    current: Iterable[Forecast],
    planned: Iterable[Forecast],
    *,
    storage_now: Decimal = Decimal(0),
    storage_planned: Decimal = Decimal(0),
    sooner: StackForecast | None = None,
) -> StackForecast:
    """Forecasts of one moment and one horizon; ValueError if not. Storage: dollars over the horizon, which are certain.
    A bid that stays belongs to both lists. A forecast without paths adds the ends of its band, as if it were dear
    whenever the others are. `sooner`: the same over less time, which costs no more.
    """
    before, after = tuple(current), tuple(planned)
    if len({each.hours for each in (*before, *after)}) > 1:
        raise ValueError("a total needs one horizon")
    first, second = _sum(before, storage_now), _sum(after, storage_planned)
    worst = None
    if first.worst_case is not None and second.worst_case is not None:
        worst = second.worst_case - first.worst_case
    gone, new = _without(before, after), _without(after, before)  # what stays makes no difference
    common = _Common.of([*gone, *new])
    moved = [b - a for a, b in zip(common.costs(gone), common.costs(new), strict=True)]
    change = _minus(_plus(common.band(moved), new, storage_planned - storage_now), gone)
    if sooner is not None:
        first, second = _no_less(first, sooner.current), _no_less(second, sooner.planned)
        if not gone:
            change = change.no_less(sooner.delta.cost)
        elif not new:
            change = -(-change).no_less(-sooner.delta.cost)
    return StackForecast(first, second, Sum(change, worst, _basis((*gone, *new))))


def _no_less(found: Sum, sooner: Sum) -> Sum:
    return attrs.evolve(found, cost=found.cost.no_less(sooner.cost))


def _sum(forecasts: Sequence[Forecast], storage: Decimal) -> Sum:
    common = _Common.of(forecasts)
    cost = _plus(common.band(common.costs(forecasts)), forecasts, storage)
    worst = _total([storage, *(each.worst_case for each in forecasts)])
    return Sum(cost, worst, _basis(forecasts), _saved(forecasts))


def _saved(forecasts: Sequence[Forecast]) -> Decimal | None:
    paid, at_limits = _total(each.cost.expected for each in forecasts), _total(each.at_limit for each in forecasts)
    return None if paid is None or not at_limits else 1 - paid / at_limits


def _without(these: Sequence[Forecast], those: Sequence[Forecast]) -> list[Forecast]:
    """One of `those` takes away one of `these`."""
    left = list(these)
    for each in those:
        if each in left:
            left.remove(each)
    return left


@frozen
class _Common:
    """The paths that several forecasts have in common: those that end at the same moments of the past. Only the latest
    are where one past is shorter; every other one where one takes a path each half hour and another each hour.

    What each counts is the geometric mean of what it counts in each auction; in one auction, what it does there.
    """

    spread: Spread | None
    step: float
    paths: int

    @classmethod
    def of(cls, forecasts: Iterable[Forecast]) -> _Common:
        replayed = [each.replayed for each in forecasts if each.replayed]
        if not replayed:
            return cls(None, 1.0, 0)
        step = max(each.step for each in replayed)
        inner = max(each.inner for each in replayed)
        known = {id(each.weights): each.weights[:: round(step / each.step)] for each in replayed}
        different = list(known.values())
        paths = min(map(len, different))
        if len(different) == 1:
            return cls(Spread(different[0], inner), step, paths)
        rows = zip(*(weights[:paths] for weights in different), strict=True)
        weights = [math.exp(math.fsum(map(math.log, row)) / len(row)) for row in rows]
        return cls(Spread(weights, inner), step, paths)

    def costs(self, forecasts: Iterable[Forecast]) -> list[float]:
        """What all of them cost on each path."""
        replayed = [each.replayed for each in forecasts if each.replayed]
        costs = [each.costs[:: round(self.step / each.step)][: self.paths] for each in replayed]
        return [math.fsum(row) for row in zip(*costs, strict=True)] if costs else [0.0] * self.paths

    def band(self, costs: Sequence[float]) -> Band:
        return self.spread.money(costs) if self.spread else Band.sure(Decimal(0))


def _plus(band: Band, forecasts: Sequence[Forecast], storage: Decimal) -> Band:
    """`band` and what is not on paths. What is expected can be added as it is."""
    own = [_beside_paths(each) for each in forecasts]
    expected = [each.cost.expected for each in forecasts]
    return Band(
        _total([band.p10, storage, *(each.p10 for each in own)]),
        _total([band.p50, storage, *(each.p50 for each in own)]),
        _total([band.p90, storage, *(each.p90 for each in own)]),
        _total([storage, *expected]),
    )


def _minus(band: Band, forecasts: Sequence[Forecast]) -> Band:
    own = [_beside_paths(each) for each in forecasts]
    expected = [each.cost.expected for each in forecasts]
    return Band(
        _less(band.p10, [each.p90 for each in own]),
        _less(band.p50, [each.p50 for each in own]),
        _less(band.p90, [each.p10 for each in own]),
        _less(band.expected, expected),
    )


def _beside_paths(forecast: Forecast) -> Band:
    """What a forecast adds to the sum over paths: nothing but what its ends were widened by, or all it has."""
    if forecast.replayed is None:
        return forecast.cost
    return Band(forecast.replayed.below, Decimal(0), forecast.replayed.above, Decimal(0))


def _basis(forecasts: Sequence[Forecast]) -> Basis:
    return max((each.basis for each in forecasts), key=SURENESS.index, default="exact")


def _total(parts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _less(amount: Decimal | None, parts: Iterable[Decimal | None]) -> Decimal | None:
    total = _total(parts)
    return None if amount is None or total is None else amount - total
