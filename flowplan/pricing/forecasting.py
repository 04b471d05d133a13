"""What a bid will pay, run and be preempted over a horizon: all from the same replayed paths, so the figures agree.

    stream = Stream.of(events, now)                      once per auction
    forecast_of(stream, limit, quantity, hours)          as often as you like

What is not known is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import attrs
from attrs import Factory, field

from flowplan.classes import frozen
from flowplan.exact import exact
from flowplan.pricing.history import METHOD, Basis, Done, Met, Method, Stream, quantiles, step_of
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.lives import lives
from flowplan.pricing.units import DAY

DIGITS = Decimal("0.000001")
HIGH = 0.9  # where the upper end of a band is taken, before it is widened


@frozen
class Band:
    """A quantity that is not certain: below `p10` in one case of ten, below `p90` in nine. `expected`: its mean."""

    p10: Decimal | None = None
    p50: Decimal | None = None
    p90: Decimal | None = None
    expected: Decimal | None = None

    @classmethod
    def sure(cls, value: Decimal) -> Band:
        """A quantity that is certain."""
        return cls(value, value, value, value)

    def __neg__(self) -> Band:
        """The same amounts saved instead of paid, or the reverse."""
        low, middle, high, mean = (
            None if part is None else -part for part in (self.p90, self.p50, self.p10, self.expected)
        )
        return Band(low, middle, high, mean)

    def no_less(self, sooner: Band) -> Band:
        """Of a cost, `sooner` being the same over less time: what is paid by then stays paid, so the lower end is no
        lower. Ends are moved further out the longer the horizon is, and would say so."""
        if self.p10 is None or self.p50 is None or sooner.p10 is None or sooner.p10 <= self.p10:
            return self
        return Band(min(sooner.p10, self.p50), self.p50, self.p90, self.expected)


@frozen
class Known:
    """The figures of a band when all of them are known."""

    p10: Decimal
    p50: Decimal
    p90: Decimal
    expected: Decimal

    @property
    def band(self) -> Band:
        """The same as a band, in which figures may be unknown."""
        return Band(self.p10, self.p50, self.p90, self.expected)

    def at_most(self, most: Decimal | None) -> Known:
        """Rounding must not lift a figure above its ceiling."""
        if most is None:
            return self
        return Known(min(self.p10, most), min(self.p50, most), min(self.p90, most), min(self.expected, most))

    def reaching(self, ends: Sequence[Decimal]) -> Known:
        """With its ends moved out so far that all of `ends` are within."""
        return Known(min([self.p10, *ends]), self.p50, max([self.p90, *ends]), self.expected)


@frozen
class Finish:
    """When some hours of work are done, and what they cost all instances together. `hours` from now, waiting
    included. `seen`: the share of paths on which the work was done before the path ended; on the others it goes on as
    paths do on average. All None where no path gets anywhere."""

    work_hours: float
    restart_hours: float
    hours: Band
    cost: Band
    seen: Decimal | None


@frozen
class Replayed:
    """`costs`: dollars on each path, the latest first; `weights`: what each counts; `inner`: how much of all weight the
    upper end of a band leaves below it; `step`: hours from one path to the next. `below`, `above`: by how much the
    ends of the cost were moved since."""

    costs: tuple[float, ...]
    weights: tuple[float, ...]
    inner: float
    step: float
    below: Decimal = Decimal(0)
    above: Decimal = Decimal(0)


@frozen
class Forecast:
    """Over `hours` from now. `cost`: dollars of all `quantity` instances. `price_paid`: dollars per instance-hour while
    running. `availability`: the share of the time it runs, rounded down. `worst_case`: every instance at the limit all
    the time; None without a limit. `evidence` says in words what `basis` rests on.

    `replayed` is what sums over several bids are made from (sums.py).
    """

    hours: float
    quantity: int
    limit: Decimal | None
    cost: Band
    price_paid: Band
    availability: Band
    preemptions_per_day: Band
    worst_case: Decimal | None
    basis: Basis
    evidence: str
    finish: Finish | None = None
    replayed: Replayed | None = field(default=None, repr=False)

    @property
    def is_rough(self) -> bool:
        """Whether few past prices are known for so many hours, or only the last."""
        return self.basis in ("low", "point-only")

    @property
    @exact
    def at_limit(self) -> Decimal | None:
        """Dollars that the hours it is expected to run would cost at the limit; None where that is not known."""
        if self.cost.expected == 0:
            return Decimal(0)
        if self.limit is None or self.cost.expected is None or not self.price_paid.expected:
            return None
        return self.cost.expected * self.limit / self.price_paid.expected


def forecast_of(
    stream: Stream,
    limit: Decimal | None,
    quantity: int,
    hours: float,
    entry: Decimal | None = None,
    *,
    work_hours: float | None = None,
    restart_hours: float = 0.0,
    method: Method = METHOD,
    left: Left = ENDLESS,
) -> Forecast:
    """For a bid of `quantity` instances at `limit` (None: whatever it costs) over the next `hours`. `entry`: what it
    would pay first, where that is not the last price (`entry_price`). With `work_hours` also when so much work is done;
    a preemption undoes `restart_hours` of it. It costs until `left` of its lifetime is used up, and has no finish that
    is expected after that. Raises ValueError for a horizon of no hours."""
    question = ("forecast", limit, quantity, hours, entry, method, left)
    found = stream.once(question, lambda: _forecast_of(stream, limit, quantity, hours, entry, method, left))
    if work_hours is None or found.replayed is None:
        return found
    reach = stream.longest(hours)
    ends = stream.work(limit, reach, stream.level_of(entry), work_hours, restart_hours)
    spread = Spread(found.replayed.weights, found.replayed.inner)
    finish = _finish(ends, spread, quantity, work_hours, restart_hours)
    too_late = left.ends_before(work_hours, finish.hours.p50, finish.cost.p50)
    return found if too_late else attrs.evolve(found, finish=finish)


def _forecast_of(
    stream: Stream,
    limit: Decimal | None,
    quantity: int,
    hours: float,
    entry: Decimal | None,
    method: Method,
    left: Left,
) -> Forecast:
    if hours <= 0:
        raise ValueError("a horizon must be longer than 0")
    if left.running_within(hours) <= 0:
        return nothing(hours, quantity, limit, evidence="its lifetime is over")
    basis = stream.basis(hours)
    if limit is not None and stream.reserve is not None and limit < stream.reserve:
        return never(hours, quantity, limit, "the limit is below the reserve: it never runs", basis, left=left)
    if basis in ("unknown", "point-only"):
        return _at_a_point(stream, limit, quantity, hours, entry, left)
    level = stream.level_of(entry)
    reach = stream.longest(hours)
    weights = stream.weights(reach, level, method)
    lived = lives(stream, limit, quantity, hours, reach, level, left)
    met = [life.met for life in lived]
    longest = max(life.hours for life in lived)
    inner = stream.share(HIGH, longest, method)
    spread = Spread(weights, inner)
    costs = tuple(life.cost for life in lived)
    worst = _worst(limit, quantity, hours, left)
    found = widened = spread.known(costs).at_most(worst)
    if basis == "low" and hours <= stream.span / 2:
        widened = found.reaching(_at_present(stream, limit, quantity, hours, entry, left)).at_most(worst)
    cost = widened.band
    if hours > DAY:
        day = forecast_of(stream, limit, quantity, DAY, entry, method=method, left=left)
        cost = cost.no_less(day.cost)
    return Forecast(
        hours=hours,
        quantity=quantity,
        limit=limit,
        cost=cost,
        price_paid=_at_most(_price_paid(met, weights, inner), limit),
        availability=spread.share([life.share for life in lived]),
        preemptions_per_day=spread.money([path.preemptions * 24 / reach for path in met]),
        worst_case=worst,
        basis=basis,
        evidence=_evidence(stream, hours, reach, len(met)),
        replayed=Replayed(costs, weights, inner, step_of(reach), widened.p10 - found.p10, widened.p90 - found.p90),
    )


def nothing(hours: float, quantity: int, limit: Decimal | None, basis: Basis = "exact", evidence: str = "") -> Forecast:
    """Of a bid that does not run: it is paused. It costs nothing, for sure."""
    zero = Band.sure(Decimal(0))
    return Forecast(hours, quantity, limit, zero, Band(), zero, zero, Decimal(0), basis, evidence or "it does not run")


def never(
    hours: float,
    quantity: int,
    limit: Decimal | None,
    evidence: str,
    basis: Basis = "exact",
    *,
    left: Left = ENDLESS,
) -> Forecast:
    """Of a bid that cannot win as its auction is: below the reserve, or too large. It costs nothing; but should the
    reserve fall, or the auction grow, every limit may be paid."""
    found = nothing(hours, quantity, limit, basis, evidence)
    return attrs.evolve(found, worst_case=_worst(limit, quantity, hours, left))


def untold(hours: float, quantity: int, evidence: str) -> Forecast:
    """Of a bid of which nobody knows how much it may cost."""
    return Forecast(hours, quantity, None, Band(), Band(), Band(), Band(), None, "unknown", evidence)


@frozen
class Spread:
    """Bands of what differs from path to path. `inner`: how much of all weight is at or below the upper end."""

    weights: Sequence[float]
    inner: float
    total: float = Factory(lambda self: math.fsum(self.weights), takes_self=True)

    def money(self, values: Sequence[float]) -> Band:
        """The band of `values`, one a path, to a millionth of a dollar."""
        return self.known(values).band

    def known(self, values: Sequence[float]) -> Known:
        """The same; every figure of what is on paths is known."""
        return Known(*map(_decimal, self.of(values)))

    def share(self, values: Sequence[float]) -> Band:
        """The band of `values`, one a path, from 0 to 1; each figure rounded down to 0.1 %."""
        low, middle, high, mean = self.of(values)
        return Band(_down(low), _down(middle), _down(high), _down(mean))

    def of(self, values: Sequence[float]) -> tuple[float, float, float, float]:
        """p10, p50, p90 and mean."""
        mean = math.fsum(value * weight for value, weight in zip(values, self.weights, strict=True)) / self.total
        least, most = min(values), max(values)
        if least == most:
            return least, least, least, least
        ranked = sorted(zip(values, self.weights, strict=True))
        low, middle, high = quantiles(ranked, 1 - self.inner, 0.5, self.inner)
        return low, middle, high, mean


def _price_paid(met: Sequence[Met], weights: Sequence[float], inner: float) -> Band:
    """Of the paths on which it runs at all, each counting by how long."""
    ran = [
        (path.cost / path.running, weight * path.running)
        for path, weight in zip(met, weights, strict=True)
        if path.running
    ]
    if not ran:
        return Band()
    return Spread([weight for _, weight in ran], inner).money([price for price, _ in ran])


def _finish(ends: Sequence[Done], spread: Spread, quantity: int, wanted: float, loss: float) -> Finish:
    """On the same paths. What is left at the end of one goes on as they all do on average."""
    total, weights = spread.total, spread.weights
    done = math.fsum((wanted - end.left) * weight for end, weight in zip(ends, weights, strict=True))
    if done <= 0:
        return Finish(wanted, loss, Band(), Band(), Decimal(0))
    slowness = math.fsum(end.hours * weight for end, weight in zip(ends, weights, strict=True)) / done
    price = math.fsum(end.cost * weight for end, weight in zip(ends, weights, strict=True)) / done
    seen = math.fsum(weight for end, weight in zip(ends, weights, strict=True) if not end.left) / total
    hours = spread.money([end.hours + end.left * slowness for end in ends])
    cost = spread.money([(end.cost + end.left * price) * quantity for end in ends])
    return Finish(wanted, loss, hours, cost, _down(seen))


def _at_a_point(
    stream: Stream, limit: Decimal | None, quantity: int, hours: float, entry: Decimal | None, left: Left
) -> Forecast:
    """From present prices alone: the price may go anywhere between the reserve and the limit."""
    price = entry if entry is not None else stream.last
    worst = _worst(limit, quantity, hours, left)
    if price is None:
        return attrs.evolve(untold(hours, quantity, "no price is known"), limit=limit, worst_case=worst)
    runs = limit is None or price <= limit
    each = quantity * _running(hours, left)
    low = None if stream.reserve is None else min(price, stream.reserve)
    cost = Band(
        Decimal(0) if not runs else None if low is None else left.most(_round(low * each)),
        left.most(_round(price * each)) if runs else Decimal(0),
        worst,
    )
    paid = Band(low, price, limit) if runs else Band(None, None, limit)
    up = Band(Decimal(0), Decimal(int(runs)), Decimal(1))
    evidence = "less than a day of past prices" if stream.times else "only the present price"
    return Forecast(hours, quantity, limit, cost, paid, up, Band(), worst, "point-only", evidence)


def _at_present(
    stream: Stream, limit: Decimal | None, quantity: int, hours: float, entry: Decimal | None, left: Left
) -> list[Decimal]:
    """What it would cost at the prices of now, which a thin past may not contain."""
    prices = [price for price in (stream.last, entry) if price is not None]
    each = quantity * _running(hours, left)
    return [_round(price * each) if limit is None or price <= limit else Decimal(0) for price in prices]


def _evidence(stream: Stream, hours: float, reach: float, paths: int) -> str:
    days = f"{stream.span / 24:.1f} days"
    said = f"{len(stream.times)} price{'s' if len(stream.times) != 1 else ''} of {days}, {paths} paths of {reach:g} h"
    if not stream.complete:
        said += ", thinned"
    return said + (f", taken for {hours:g} h" if reach < hours else "")


def _worst(limit: Decimal | None, quantity: int, hours: float, left: Left) -> Decimal | None:
    return None if limit is None else left.most(limit * quantity * _running(hours, left))


def _running(hours: float, left: Left) -> Decimal:
    return Decimal(str(left.running_within(hours)))


def _at_most(band: Band, most: Decimal | None) -> Band:
    """Rounding must not lift a figure above its ceiling."""
    if most is None:
        return band
    return Band(*(None if part is None else min(part, most) for part in (band.p10, band.p50, band.p90, band.expected)))


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(DIGITS, ROUND_HALF_UP)


def _decimal(value: float) -> Decimal:
    return _round(Decimal(value))


def _down(share: float) -> Decimal:
    """A share rounded down to 0.1%."""
    return Decimal(math.floor(share * 1000 + 1e-6)) / 1000
