"""What several bids and volumes cost together. The quantile of a sum is not the sum of quantiles: on each past path,
the same for all, the costs are added; then the quantiles of that are taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from attrs import frozen

from flowplan.pricing.forecast import Band, Forecast, Replayed, Spread
from flowplan.pricing.stream import Basis

SURENESS: tuple[Basis, ...] = ("exact", "high", "medium", "low", "point-only", "stale", "unknown")


@frozen
class Sum:
    """Dollars over one horizon. `basis`: the least sure of what is in it. Unknown as soon as one part is."""

    cost: Band
    worst_case: Decimal | None
    basis: Basis


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
) -> StackForecast:
    """Forecasts of one moment and one horizon; ValueError if not. Storage: dollars over the horizon, which are certain.
    A bid that stays belongs to both lists. A forecast without paths adds the ends of its band, as if it were dear
    whenever the others are.
    """
    before, after = tuple(current), tuple(planned)
    if len({each.hours for each in (*before, *after)}) > 1:
        raise ValueError("a total needs one horizon")
    spread = _common([each.replayed for each in (*before, *after) if each.replayed])
    paths = len(spread.weights) if spread else 0
    was, will = _on_paths(before, paths), _on_paths(after, paths)
    moved = [new - old for old, new in zip(was, will, strict=True)]
    first = Sum(_plus(_spread_of(spread, was), before, storage_now), _worst(before, storage_now), _basis(before))
    second = Sum(_plus(_spread_of(spread, will), after, storage_planned), _worst(after, storage_planned), _basis(after))
    worst = None
    if first.worst_case is not None and second.worst_case is not None:
        worst = second.worst_case - first.worst_case
    change = _plus(_spread_of(spread, moved), after, storage_planned - storage_now)
    change = _minus(change, before)
    return StackForecast(first, second, Sum(change, worst, _basis((*before, *after))))


def _common(replayed: Sequence[Replayed]) -> Spread | None:
    """What each path counts: the geometric mean of what it counts in each auction; in one auction, what it does there.
    Only the latest paths are common where one past is shorter."""
    different = list({id(each.weights): each.weights for each in replayed}.values())
    if not different:
        return None
    inner = max(each.inner for each in replayed)
    if len(different) == 1:
        return Spread(different[0], inner)
    length = min(map(len, different))
    rows = zip(*(weights[:length] for weights in different), strict=True)
    return Spread([math.exp(math.fsum(map(math.log, row)) / len(row)) for row in rows], inner)


def _on_paths(forecasts: Sequence[Forecast], paths: int) -> list[float]:
    """What all of them cost on each common path."""
    costs = [each.replayed.costs[:paths] for each in forecasts if each.replayed]
    return [math.fsum(row) for row in zip(*costs, strict=True)] if costs else [0.0] * paths


def _spread_of(spread: Spread | None, values: Sequence[float]) -> Band:
    return spread.money(values) if spread else Band.sure(Decimal(0))


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


def _worst(forecasts: Sequence[Forecast], storage: Decimal) -> Decimal | None:
    return _total([storage, *(each.worst_case for each in forecasts)])


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
