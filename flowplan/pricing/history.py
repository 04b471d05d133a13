"""The past prices of one auction, prepared once, and what a bid would have met on every past path.

A path is a piece of the past as long as the horizon. It is replayed as if it began now. Those that begin in every
other hour are set to the present: their prices are multiplied by (price now / price at the start), and kept near what
the stream has seen; they count by how near their first price is to the present one. The others are taken as they were,
for levels return. Recent paths count more. docs/forecast.md says why, and how well that works.

Time is counted in hours, now being 0, the past negative. Inside, prices are floats; no figure leaves the package
before `Decimal` and rounding (forecasting.py).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate, cycle, pairwise
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from flowplan.classes import frozen
from flowplan.pricing.units import DAY

Basis: TypeAlias = Literal["exact", "high", "medium", "low", "point-only", "stale", "unknown"]

WINDOW = 14 * DAY  # hours of the past that count
GRACE = 5 / 60  # hours: a bid outbid no longer than this is never stopped
HAIR = 1 + 1e-9  # what multiplying may add to a price that is the limit exactly
EXACT = 1e-12  # a variance of logarithms, which floats make of none
MOST_RETURNING = 10.0  # so that paths that do not begin at the present price stay beyond the ends of a band
T = TypeVar("T")
# The least and the most that a price of a path comes to, and the highest at which the bid runs.
Bounds: TypeAlias = tuple[float, float, float]


class Method(NamedTuple):
    """What the estimator's figures are; `make backtest` measures others.

    half_life   hours after which a path counts half
    width       how alike the first price of a path must be to the present one, in logarithms: at this distance it
                counts 1/e. None: all alike
    floor       what a path counts however unlike, beside 1 for one that begins at the present price; as it was that
                much, too, times how much levels return
    widening    how much further out a band reaches the more of the window a horizon takes: the exponent of what is left
                of the window
    """

    half_life: float = 96
    width: float | None = 0.2
    floor: float = 0.01
    widening: float = 3.5


METHOD = Method()


class Path(NamedTuple):
    """A piece of the past: from event `first` to event `last` (indices), beginning at `start`. `area`: dollar-hours
    of an instance that ran throughout."""

    start: float
    first: int
    last: int
    price: float
    least: float
    most: float
    area: float


class Met(NamedTuple):
    """What one instance meets on a path. `cost` in dollars, `running` in hours."""

    cost: float
    running: float
    preemptions: int


class Done(NamedTuple):
    """How much of some work is done at the end of a path, and what it took. `hours` and `cost` until it was done
    (`left` is 0 then), or of the whole path."""

    hours: float
    cost: float
    left: float


def _changes(events: Iterable[tuple[datetime, Decimal]], now: datetime) -> tuple[list[float], list[Decimal]]:
    """When the price changed in the window that ends `now` (hours, 0 is now), and to what."""
    known: dict[datetime, Decimal] = {at: price for at, price in events if at <= now}
    began = now - timedelta(hours=WINDOW)
    times: list[float] = []
    kept: list[Decimal] = []
    for at in sorted(known):
        hours = (max(at, began) - now) / timedelta(hours=1)
        if times and times[-1] == hours:
            times.pop()
            kept.pop()
        if not kept or kept[-1] != known[at]:
            times.append(hours)
            kept.append(known[at])
    return times, kept


@frozen(eq=False)
class Stream:
    """Price changes of the last 14 days, the oldest first: `times` in hours (0 is now), `prices` in dollars per
    instance-hour, held for `lengths` hours; `areas`: dollar-hours up to each. The last price holds until now.
    Answers are kept, so that equal questions are worked out once; `walked` counts the events looked at one by one.
    """

    times: tuple[float, ...]
    prices: tuple[float, ...]
    lengths: tuple[float, ...]
    last: Decimal | None
    reserve: Decimal | None
    complete: bool
    areas: tuple[float, ...]
    answers: dict[Any, Any]
    walked: list[int]

    @classmethod
    def of(
        cls,
        events: Iterable[tuple[datetime, Decimal]],
        now: datetime,
        *,
        reserve: Decimal | None = None,
        complete: bool = True,
    ) -> Stream:
        """Events in any order; of several at one moment the last given holds. What is after `now` is left out.
        `complete`: no event is missing; a thinned stream distorts durations, so nothing is sure with one.
        """
        times, kept = _changes(events, now)
        prices = tuple(float(price) for price in kept)
        lengths = tuple(later - earlier for earlier, later in pairwise((*times, 0.0)))
        areas = accumulate((price * length for price, length in zip(prices, lengths, strict=True)), initial=0.0)
        last = kept[-1] if kept else None
        return cls(tuple(times), prices, lengths, last, reserve, complete, tuple(areas), {}, [0])

    @property
    def span(self) -> float:
        """Hours of the past that are known, at most 14 days."""
        return -self.times[0] if self.times else 0.0

    @property
    def since(self) -> float:
        """Hours since the last change of price."""
        return -self.times[-1] if self.times else 0.0

    def longest(self, hours: float) -> float:
        """`hours`, or what half of the known past is: longer paths would say nothing."""
        return min(hours, self.span / 2)

    def basis(self, hours: float) -> Basis:
        """How sure a forecast over `hours` can be."""
        if not self.times:
            return "unknown"
        if self.span < 24:
            return "point-only"
        at_rest = self.reserve is not None and set(self.prices) == {float(self.reserve)}
        thin = self.span < 7 * 24 or (len(self.times) < 20 and not at_rest) or not self.complete
        if thin or hours > self.span / 2:
            return "low"
        return "high" if self.span / hours >= 10 else "medium"

    def level_of(self, entry: Decimal | None) -> float:
        """The price that paths are set to begin at: what the bid would pay first, or the last price."""
        if entry is not None:
            return float(entry)
        return self.prices[-1]

    def share(self, level: float, hours: float, method: Method = METHOD) -> float:
        """How far out the ends of a band at `level` (0.8 of all, 0.9 below) are taken: further, the fewer
        independent paths there are."""
        beyond: float = (1 - level) * max(0.0, 1 - hours / self.span) ** method.widening
        return 1 - beyond

    def paths(self, hours: float) -> tuple[Path, ...]:
        """Every past path of `hours`, the latest first, one each half hour (each hour where they are longer than a
        day). Their starts are the same in all streams of one moment."""
        return self.once(("paths", hours), lambda: tuple(self._paths(hours)))

    def _paths(self, hours: float) -> Iterable[Path]:
        step = step_of(hours)
        times, prices = self.times, self.prices
        for number in range(int((self.span - hours) / step + 1e-9) + 1):
            start = -hours - number * step
            first = max(0, bisect_right(times, start) - 1)
            last = max(first, bisect_right(times, start + hours, first) - 1)
            if last > first and times[last] >= start + hours:
                last -= 1
            piece = prices[first : last + 1]
            area = self._area(last, start + hours) - self._area(first, start)
            yield Path(start, first, last, prices[first], min(piece), max(piece), area)

    def _area(self, index: int, at: float) -> float:
        """Dollar-hours up to `at`, when event `index` holds or just ends."""
        return self.areas[index] + self.prices[index] * (at - self.times[index])

    def ratios(self, hours: float, level: float) -> tuple[float, ...]:
        """What each path's prices are multiplied by; those that are taken as they were by 1."""
        return self.once(("ratios", hours, level), lambda: tuple(self._ratios(hours, level)))

    def _ratios(self, hours: float, level: float) -> Iterable[float]:
        least = self._least()
        top = max(level, least)
        for path, is_set in zip(self.paths(hours), _set_to_now(hours), strict=False):
            yield top / max(path.price, least) if is_set else 1.0

    def _least(self) -> float:
        """What a price of 0, which has no ratio, is taken for."""
        return min((price for price in self.prices if price > 0), default=1.0) / 2

    def weights(self, hours: float, level: float, method: Method = METHOD) -> tuple[float, ...]:
        """What each path counts, the latest first."""
        return self.once(("weights", hours, level, method), lambda: tuple(self._weights(hours, level, method)))

    def _weights(self, hours: float, level: float, method: Method) -> Iterable[float]:
        paths = self.paths(hours)
        if not paths:
            return
        newest = paths[0].start
        as_it_was = method.floor * self.returning(hours)
        each = zip(paths, self.ratios(hours, level), _set_to_now(hours), strict=False)
        for path, ratio, is_set in each:
            recent = 0.5 ** ((newest - path.start) / method.half_life)
            if not is_set:
                yield recent * as_it_was
            elif method.width is None:
                yield recent
            else:
                yield recent * (math.exp(-abs(math.log(ratio)) / method.width) + method.floor)

    def returning(self, hours: float) -> float:
        """How much levels return over `hours`, from 0 to 10: how far paths spread when they are set to begin at one
        price, over how far as they were (variances of the logarithms of their means). Near 0 where the price stays
        wherever it went, above 1 where the first price of a path says nothing of the rest."""
        return self.once(("returning", hours), lambda: self._returning(hours))

    def _returning(self, hours: float) -> float:
        least = self._least()
        means = [math.log(max(path.area / hours, least)) for path in self.paths(hours)]
        moves = [mean - math.log(max(path.price, least)) for mean, path in zip(means, self.paths(hours), strict=True)]
        spread = _variance(means)
        return min(_variance(moves) / spread, MOST_RETURNING) if spread > EXACT else 1.0

    def bounds(self, hours: float, level: float) -> tuple[float, float]:
        """Between what prices a path of `hours` is kept: those seen, and as far from the present one as half of all
        that counts went from its first, for a price that is the lowest yet, or the highest, need not be the last such.
        Never below the reserve."""
        return self.once(("bounds", hours, level), lambda: self._bounds(hours, level))

    def _bounds(self, hours: float, level: float) -> tuple[float, float]:
        falls, rises = [], []
        each = zip(self.paths(hours), self.weights(hours, level), _set_to_now(hours), strict=False)
        for path, weight, is_set in each:
            moves = is_set and path.price > 0  # as it was a path stays within what was seen
            falls.append((path.least / path.price if moves else 1.0, weight))
            rises.append((path.most / path.price if moves else 1.0, weight))
        least = min(*self.prices, level * quantile(sorted(falls), 0.5))
        most = max(*self.prices, level * quantile(sorted(rises), 0.5))
        floor = least if self.reserve is None else max(least, float(self.reserve))
        return floor, max(most, floor)

    def replay(self, limit: Decimal | None, hours: float, level: float) -> tuple[Met, ...]:
        """What one instance bidding `limit` meets on each path of `hours`, the latest first. A price equal to the
        limit is one at which it runs."""
        return self.once(("replay", limit, hours, level), lambda: tuple(self._replay(limit, hours, level)))

    def _replay(self, limit: Decimal | None, hours: float, level: float) -> Iterable[Met]:
        least, most = self.bounds(hours, level)
        highest = math.inf if limit is None else float(limit) * HAIR
        if highest < least:
            return [Met(0.0, 0.0, 0)] * len(self.paths(hours))
        return [
            self._meet(path, hours, ratio, least, most, highest)
            for path, ratio in zip(self.paths(hours), self.ratios(hours, level), strict=True)
        ]

    def _meet(self, path: Path, hours: float, ratio: float, least: float, most: float, highest: float) -> Met:
        low, high = path.least * ratio, path.most * ratio
        if low > highest:
            return Met(0.0, 0.0, 0)
        if high <= highest and least <= low * HAIR and high <= most * HAIR:
            return Met(path.area * ratio, hours, 0)
        cost = running = out = 0.0
        preemptions = 0
        ran = False
        for price, length in self._pieces(path, hours):
            scaled = price * ratio
            scaled = least if scaled < least else most if scaled > most else scaled
            if scaled <= highest:
                if ran and 0 < out < GRACE:
                    preemptions -= 1
                cost += scaled * length
                running += length
                ran, out = True, 0.0
            else:
                if ran and not out:
                    preemptions += 1
                out += length
        return Met(cost, min(running, hours), preemptions)

    def path_at(self, place: int, hours: float, level: float) -> tuple[tuple[float, float], ...]:
        """(dollars per instance-hour, hours) of the `place`-th path, the latest being the 0-th, as if it began now."""
        return self.once(("path", place, hours, level), lambda: tuple(self._path_at(place, hours, level)))

    def _path_at(self, place: int, hours: float, level: float) -> Iterable[tuple[float, float]]:
        least, most = self.bounds(hours, level)
        ratio = self.ratios(hours, level)[place]
        pieces = self._pieces(self.paths(hours)[place], hours)
        return ((min(max(price * ratio, least), most), length) for price, length in pieces)

    def _pieces(self, path: Path, hours: float) -> Iterable[tuple[float, float]]:
        """(price, hours) of a path."""
        first, last = path.first, path.last
        self.walked[0] += last - first + 1
        lengths = list(self.lengths[first : last + 1])
        lengths[-1] = path.start + hours - self.times[last]
        lengths[0] -= path.start - self.times[first]
        return zip(self.prices[first : last + 1], lengths, strict=True)

    def needs(self, availability: float, hours: float, level: float) -> tuple[float, ...]:
        """For each path the smallest limit with which an instance runs `availability` of it."""
        return self.once(("needs", availability, hours, level), lambda: tuple(self._needs(availability, hours, level)))

    def _needs(self, availability: float, hours: float, level: float) -> Iterable[float]:
        least, most = self.bounds(hours, level)
        for path, ratio in zip(self.paths(hours), self.ratios(hours, level), strict=True):
            flat = path.least == path.most
            need = path.least if flat else quantile(sorted(self._pieces(path, hours)), availability)
            yield min(max(need * ratio, least), most)

    def work(self, limit: Decimal | None, hours: float, level: float, wanted: float, loss: float) -> tuple[Done, ...]:
        """How far `wanted` hours of work get on each path of `hours`, each preemption undoing `loss` hours. A path goes
        on beyond its end, until the work is done, now is reached, or twice the work has passed."""
        question = ("work", limit, hours, level, wanted, loss)
        return self.once(question, lambda: tuple(self._work(limit, hours, level, wanted, loss)))

    def _work(self, limit: Decimal | None, hours: float, level: float, wanted: float, loss: float) -> Iterable[Done]:
        least, most = self.bounds(hours, level)
        highest = math.inf if limit is None else float(limit) * HAIR
        for path, ratio in zip(self.paths(hours), self.ratios(hours, level), strict=True):
            within = least <= path.least * ratio * HAIR and path.most * ratio <= min(most, highest) * HAIR
            if within and wanted <= hours:
                end = path.start + wanted
                last = max(path.first, bisect_right(self.times, end, path.first) - 1)
                paid = (self._area(last, end) - self._area(path.first, path.start)) * ratio
                yield Done(wanted, paid, 0.0)
            else:
                latest = min(0.0, path.start + max(hours, 2 * wanted))
                yield self._go_on(path, latest, ratio, (least, most, highest), wanted, loss)

    def until(self, limit: Decimal | None, hours: float, level: float, wanted: float, end: float) -> tuple[Done, ...]:
        """What one instance bidding `limit` meets on each path of `hours` until it has run `wanted` hours, or `end`
        hours have passed, which are no more than `hours`."""
        question = ("until", limit, hours, level, wanted, end)
        return self.once(question, lambda: tuple(self._until(limit, hours, level, wanted, end)))

    def _until(self, limit: Decimal | None, hours: float, level: float, wanted: float, end: float) -> Iterable[Done]:
        bounds = (*self.bounds(hours, level), math.inf if limit is None else float(limit) * HAIR)
        for path, ratio in zip(self.paths(hours), self.ratios(hours, level), strict=True):
            yield self._go_on(path, path.start + end, ratio, bounds, wanted, 0.0)

    def _go_on(self, path: Path, latest: float, ratio: float, bounds: Bounds, left: float, loss: float) -> Done:
        """How far `left` hours of work get on `path` until `latest`."""
        least, most, highest = bounds
        cost, at, out = 0.0, path.start, 0.0
        ran = False
        index = path.first
        for until in (*self.times[index + 1 : bisect_right(self.times, latest)], latest):
            length = until - at
            price = self.prices[index] * ratio
            price = least if price < least else most if price > most else price
            index += 1
            if price > highest:
                out += length
                at = until
                continue
            if out:
                if ran and out >= GRACE:
                    left += loss
                out = 0.0
            ran = True
            if left - length < 1e-9:
                at += left
                cost += price * left
                left = 0.0
                break
            left -= length
            at = until
            cost += price * length
        self.walked[0] += index - path.first
        return Done(at - path.start, cost, left)

    def once(self, question: tuple[Hashable, ...], answer: Callable[[], T]) -> T:
        """The answer, worked out the first time it is asked for."""
        if question not in self.answers:
            self.answers[question] = answer()
        known: T = self.answers[question]
        return known


def why_rough(hours: float) -> str:
    """Why a forecast over `hours` is a rough one, if it is (Stream.basis): so long a one always is."""
    if hours > WINDOW / 2:
        return f"no more than {WINDOW / 24:g} days of past prices are known"
    return "few past prices are known"


def step_of(hours: float) -> float:
    """Hours from one path of `hours` to the next."""
    return 0.5 if hours <= DAY else 1.0


def _set_to_now(hours: float) -> Iterator[bool]:
    """Of the paths of `hours`, the latest first, which are set to the present price: those that begin in every other
    hour, in one day the even ones, in the next the odd. So it is the same hours whatever lies between two paths."""
    two_days = [hour % 2 == hour // 24 for hour in range(48)]
    return cycle(one for one in two_days for _ in range(round(1 / step_of(hours))))


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values)


def quantile(ranked: Sequence[tuple[float, float]], share: float) -> float:
    """The smallest value that `share` of all weight is not above. `ranked`: (value, weight), the least value first."""
    return quantiles(ranked, share)[0]


def quantiles(ranked: Sequence[tuple[float, float]], *shares: float) -> list[float]:
    """The same for each of `shares`."""
    weights = [weight for _, weight in ranked]
    reached, whole = list(accumulate(weights)), math.fsum(weights)
    places = (bisect_left(reached, share * whole * (1 - 1e-12)) for share in shares)
    return [ranked[min(place, len(ranked) - 1)][0] for place in places]
