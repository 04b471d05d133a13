"""What several bids and volumes cost together. The quantile of a sum is not the sum of quantiles: on past paths, the
same for all, what each costs is added; then the quantiles of that are taken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate
from operator import mul

import attrs

from flowplan.classes import frozen
from flowplan.pricing.forecasting import Band, Forecast, Replayed, Spread
from flowplan.pricing.history import Basis
from flowplan.pricing.units import total

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
    storage_now: Decimal | None = Decimal(0),
    storage_planned: Decimal | None = Decimal(0),
    sooner: StackForecast | None = None,
) -> StackForecast:
    """Forecasts of one moment and one horizon; ValueError if not. Storage: dollars over the horizon, which are certain;
    None: a size is unknown. A bid that stays belongs to both lists. A forecast without paths adds the ends of its band,
    as if it were dear whenever the others are. `sooner`: the same over less time, which costs no more.
    """
    before, after = tuple(current), tuple(planned)
    if len({each.hours for each in (*before, *after)}) > 1:
        raise ValueError("a total needs one horizon")
    first, second = _sum(before, storage_now), _sum(after, storage_planned)
    worst = None
    if first.worst_case is not None and second.worst_case is not None:
        worst = second.worst_case - first.worst_case
    gone, new = _without(before, after), _without(after, before)  # what stays makes no difference
    moved = _Common.of([*gone, *new]).band(gone, new)
    stored = None if storage_planned is None or storage_now is None else storage_planned - storage_now
    change = _minus(_plus(moved, new, stored), gone)
    if sooner is not None:
        first, second = _no_less(first, sooner.current), _no_less(second, sooner.planned)
        if not gone:
            change = change.no_less(sooner.delta.cost)
        elif not new:
            change = -(-change).no_less(-sooner.delta.cost)
    return StackForecast(first, second, Sum(change, worst, _basis((*gone, *new))))


def _no_less(found: Sum, sooner: Sum) -> Sum:
    return attrs.evolve(found, cost=found.cost.no_less(sooner.cost))


def _sum(forecasts: Sequence[Forecast], storage: Decimal | None) -> Sum:
    cost = _plus(_Common.of(forecasts).band((), forecasts), forecasts, storage)
    worst = total([storage, *(each.worst_case for each in forecasts)])
    return Sum(cost, worst, _basis(forecasts), _saved(forecasts))


def _saved(forecasts: Sequence[Forecast]) -> Decimal | None:
    paid, at_limits = total(each.cost.expected for each in forecasts), total(each.at_limit for each in forecasts)
    return None if paid is None or not at_limits else 1 - paid / at_limits


def _without(these: Sequence[Forecast], those: Sequence[Forecast]) -> Sequence[Forecast]:
    """One of `those` takes away one of `these`. What stays has the same forecast, which need not be compared."""
    return _left(_left(these, those, id), _left(those, these, id), _itself)


def _left(
    these: Sequence[Forecast], those: Sequence[Forecast], key: Callable[[Forecast], Hashable]
) -> Sequence[Forecast]:
    if not these or not those:
        return these
    left, kept = Counter(map(key, those)), []
    for each in these:
        same = key(each)
        if left[same]:
            left[same] -= 1
        else:
            kept.append(each)
    return kept


def _itself(forecast: Forecast) -> Forecast:
    return forecast


_GOLDEN = 0.6180339887498949  # its multiples, less their whole parts, lie evenly and in no order


@frozen
class _Common:
    """The paths that several forecasts have in common: those that end at the same moments of the past. Only the latest
    are where one past is shorter; every other one where one takes a path each half hour and another each hour.

    Each auction counts paths by how like its own present they are, so two auctions count the same path differently.
    Bids that count alike are added path by path. Of several such sums each keeps the amounts that it has by its own
    counts, whatever the others are like; that they are dear at one time is taken from the paths, which count then the
    geometric mean of what they count in each.
    """

    step: float
    paths: int
    inner: float

    @classmethod
    def of(cls, forecasts: Iterable[Forecast]) -> _Common:
        replayed = [each.replayed for each in forecasts if each.replayed]
        step = max((each.step for each in replayed), default=1.0)
        paths = min((len(each.weights[:: round(step / each.step)]) for each in replayed), default=0)
        return cls(step, paths, max((each.inner for each in replayed), default=1.0))

    def band(self, gone: Iterable[Forecast], new: Iterable[Forecast]) -> Band:
        """The band of what `new` cost more than `gone`, as far as they are on paths."""
        moving, still = [], 0.0
        for one in self._sums(gone, new):
            if min(one.costs) < max(one.costs):
                moving.append(one)
            else:
                still += one.sign * one.costs[0]
        if not moving:
            return Spread([1.0], self.inner).money([still])
        weights = _geometric([one.weights for one in moving])
        drawn = [one.drawn_by(weights) if len(moving) > 1 else one.signed(one.costs) for one in moving]
        return Spread(weights, self.inner).money([math.fsum([still, *row]) for row in zip(*drawn, strict=True)])

    def _sums(self, gone: Iterable[Forecast], new: Iterable[Forecast]) -> Iterator[_Added]:
        """One for all forecasts that count paths alike. Bids that are alike have the same: it is multiplied, to the
        last digit what adding one after the other comes to."""
        found: dict[int, dict[int, Replayed]] = {}
        times, paid = Counter[int](), set[int]()
        for sign, forecasts in ((-1, gone), (1, new)):
            for one in (each.replayed for each in forecasts if each.replayed is not None):
                found.setdefault(id(one.weights), {})[id(one)] = one
                times[id(one)] += sign
                if sign > 0:
                    paid.add(id(one.weights))
        for weights, several in found.items():
            sign = 1 if weights in paid else -1  # what only goes is ordered by what it costs, too
            parts: list[tuple[int, Sequence[float]]] = []
            for id_, one in several.items():
                count, costs = sign * times[id_], self._of(one.costs, one)
                parts += [(count, part) for part in ([costs] if abs(count) < 2 else _halves(costs))]
            counts = [count for count, _ in parts]
            rows = zip(*(part for _, part in parts), strict=True)
            yield _Added(sign, self._of(one.weights, one), [math.fsum(map(mul, counts, row)) for row in rows])

    def _of(self, values: Sequence[float], one: Replayed) -> Sequence[float]:
        """Those of `values`, which `one` has a path, that are of paths in common."""
        return values[:: round(self.step / one.step)][: self.paths]


def _halves(amounts: Sequence[float]) -> tuple[list[float], list[float]]:
    """What adds up to `amounts`, in half as many digits each (Veltkamp): any count of either is exact."""
    shifted = [amount * (2.0**27 + 1) for amount in amounts]
    upper = [whole - (whole - amount) for whole, amount in zip(shifted, amounts, strict=True)]
    return upper, [amount - half for amount, half in zip(amounts, upper, strict=True)]


@frozen(eq=False)
class _Added:
    """What some bids cost together on each path, and what each path counts for them. `sign`: -1 where that is no longer
    paid."""

    sign: int
    weights: Sequence[float]
    costs: Sequence[float]

    def signed(self, costs: Sequence[float]) -> list[float]:
        """What they add to a total."""
        return [self.sign * cost for cost in costs]

    def drawn_by(self, counts: Sequence[float]) -> list[float]:
        """What is added to a total on each path: by `counts` it spreads as `costs` do by `weights`, in the same order.
        Equal amounts have no order: theirs is one that has nothing to do with time, the same in all sums."""
        order = sorted(range(len(counts)), key=lambda path: (self.costs[path], path * _GOLDEN % 1))
        reached = list(accumulate(self.weights[path] for path in order))
        scale, passed, place = reached[-1] / math.fsum(counts), 0.0, 0
        drawn = [0.0] * len(order)
        for path in order:
            middle = (passed + counts[path] / 2) * scale
            passed += counts[path]
            while reached[place] < middle and place < len(order) - 1:
                place += 1
            drawn[path] = self.costs[order[place]]
        return self.signed(drawn)


def _geometric(several: Sequence[Sequence[float]]) -> list[float]:
    """What each path counts in all."""
    if len(several) == 1:
        return list(several[0])  # to the last digit
    return [math.exp(math.fsum(map(math.log, row)) / len(row)) for row in zip(*several, strict=True)]


def _plus(band: Band, forecasts: Sequence[Forecast], storage: Decimal | None) -> Band:
    """`band` and what is not on paths. What is expected can be added as it is."""
    own = [_beside_paths(each) for each in forecasts]
    expected = [each.cost.expected for each in forecasts]
    return Band(
        total([band.p10, storage, *(each.p10 for each in own)]),
        total([band.p50, storage, *(each.p50 for each in own)]),
        total([band.p90, storage, *(each.p90 for each in own)]),
        total([storage, *expected]),
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


def _less(amount: Decimal | None, parts: Iterable[Decimal | None]) -> Decimal | None:
    taken = total(parts)
    return None if amount is None or taken is None else amount - taken
