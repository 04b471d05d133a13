"""Forecasts that were made, and what was paid -> how well they held. Pure.

    judge(kept, accounts, now)   one forecast: still running, over, or cut short because somebody changed the bid
    coverage(judged)             all of them: how many bands held, and whether that is as many as they should

A band is the middle 80% of what may happen, so one forecast outside proves nothing; many do (docs/forecast.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.pricing.billing import Billed, Steered, Steering, hours_between, paid
from flowplan.pricing.forecasting import Band
from flowplan.pricing.history import Basis
from flowplan.pricing.units import CENT

NOMINAL = 0.8  # the share of outcomes that a band from p10 to p90 holds
BANDED: tuple[Basis, ...] = ("high", "medium", "low")  # the others promise nothing, or are certain
STARTING = timedelta(minutes=20)  # within it a machine is up; the minutes are not billed [FCP]
WITHIN = timedelta(
    seconds=2
)  # what was done so shortly after a forecast began may have been before: clocks have seconds
ENOUGH = 10  # forecasts apart from each other, with fewer of which nothing is said of the bands
ODDS = 0.05  # what happens by chance more seldom is not put down to chance
SETTLES = timedelta(hours=1)  # bills are taken to be complete so long after

Course: TypeAlias = Literal["running", "elapsed", "cut_short", "unknown"]
Place: TypeAlias = Literal["inside", "below", "above"]
Finding: TypeAlias = Literal["nothing", "too_few", "as_stated", "too_narrow", "too_wide"]


@frozen
class Verdict:
    """What came of a forecast. `until`: to where it is compared; `paid`: dollars from its start until then; `starting`:
    dollars that the minutes would have cost in which machines were starting; `reason`: what cut it short."""

    course: Course
    until: datetime
    paid: Decimal
    starting: Decimal = Decimal(0)
    reason: Steering | None = None


@frozen
class KeptForecast:
    """A forecast as it was shown: dollars over `hours`, from `starts_at`, when what was planned was done.

    `bids`: one, whose `address` it is; or those of a whole stack, with an empty address and the `storage` (dollars)
    that the band includes. `auction`: (instance type, region) of a single bid. `verdict`, once it is final.
    """

    lineage: str
    address: str
    bids: tuple[str, ...]
    made_at: datetime
    starts_at: datetime
    hours: float
    basis: Basis
    cost: Band
    worst: Decimal | None
    auction: tuple[str, str] | None = None
    quantity: int | None = None
    limit: Decimal | None = None
    price_now: Decimal | None = None
    storage: Decimal = Decimal(0)
    market_snapshot_id: str | None = None
    flowplan_version: str = ""
    verdict: Verdict | None = None
    seq: int | None = field(default=None, eq=False)

    @property
    def ends_at(self) -> datetime:
        """When the time is over that it is about."""
        return self.starts_at + timedelta(hours=self.hours)

    @property
    def whole(self) -> bool:
        """Whether it is of a stack."""
        return not self.address


@frozen
class Account:
    """What a bid was billed, and what was done to it; None: the cloud does not know it any more, or nobody can read
    it."""

    billed: Sequence[Billed] = ()
    steered: Sequence[Steered] | None = ()


@frozen
class Judged:
    """A forecast beside what was paid."""

    kept: KeptForecast
    verdict: Verdict

    @property
    def passed(self) -> Decimal:
        """Hours that are compared."""
        return hours_between(self.kept.starts_at, self.verdict.until)

    @property
    def due(self) -> Decimal | None:
        """The share of the expected cost that belongs to the hours compared."""
        expected = self.kept.cost.expected if self.kept.cost.expected is not None else self.kept.cost.p50
        return None if expected is None else expected * self.passed / Decimal(str(self.kept.hours))

    @property
    def place(self) -> Place | None:
        """Where what was paid lies: only of a forecast that is over, and has a band."""
        low, high = self.kept.cost.p10, self.kept.cost.p90
        if self.verdict.course != "elapsed" or low is None or high is None:
            return None
        if self.verdict.paid + self.verdict.starting < low - CENT:  # a cent: the band was shown rounded
            return "below"
        return "above" if self.verdict.paid > high + CENT else "inside"

    @property
    def counts(self) -> bool:
        """Whether it says something of the bands."""
        return self.place is not None and self.kept.basis in BANDED


def judge(kept: KeptForecast, accounts: Mapping[str, Account], now: datetime) -> Judged:
    """What came of `kept` by `now`. What was found final earlier stays."""
    if kept.verdict is not None:
        return Judged(kept, kept.verdict)
    known = [accounts.get(bid, Account()) for bid in kept.bids]
    touched = min((one for account in known for one in _disturbances(kept, account)), default=None, key=_moment)
    end = kept.ends_at if touched is None else touched.at
    course: Course = "running" if now < end else "elapsed"
    if touched is not None and touched.at <= now:
        course = "cut_short"
    elif any(account.steered is None for account in known):
        course = "unknown"
    until = max(min(now, end), kept.starts_at)
    verdict = Verdict(
        course,
        until,
        sum((paid(account.billed, until, kept.starts_at) for account in known), _storage(kept, until)),
        sum((_starting(account.billed, kept.starts_at) for account in known), Decimal(0)),
        touched.how if touched is not None and course == "cut_short" else None,
    )
    return Judged(kept, verdict)


def is_final(judged: Judged, now: datetime) -> bool:
    """Whether nothing can change it any more: it was cut short, or over so long ago that bills are complete."""
    verdict = judged.verdict
    return verdict.course == "cut_short" or (verdict.course == "elapsed" and now >= verdict.until + SETTLES)


def _disturbances(kept: KeptForecast, account: Account) -> Iterable[Steered]:
    """What somebody did to the bid while the forecast ran, which it could not know; also that it was over or otherwise
    as it began. Preemption is not among it: that is the market's doing."""
    begun = kept.starts_at + WITHIN
    for one in account.steered or ():
        if begun <= one.at < kept.ends_at and one.how not in ("placed", "resumed") and not _as_kept(one, kept):
            yield one
    before = [one for one in account.steered or () if one.at < begun]
    halts = [one for one in before if one.how != "limit_changed"]
    limits = [one for one in before if one.how == "limit_changed"]
    if halts and halts[-1].how in ("paused", "cancelled"):
        yield halts[-1]
    if limits and kept.limit is not None and limits[-1].limit is not None and not _as_kept(limits[-1], kept):
        yield limits[-1]


def _as_kept(one: Steered, kept: KeptForecast) -> bool:
    """Whether it set the limit to what was forecast with."""
    return one.how == "limit_changed" and one.limit is not None and one.limit == kept.limit


def _moment(one: Steered) -> datetime:
    return one.at


def _storage(kept: KeptForecast, until: datetime) -> Decimal:
    """At its list price: the bills of volumes are not to be had."""
    return kept.storage * hours_between(kept.starts_at, until) / Decimal(str(kept.hours))


def _starting(periods: Iterable[Billed], since: datetime) -> Decimal:
    """What the minutes would have cost in which machines were starting."""
    first: dict[str, Billed] = {}
    for one in periods:
        known = first.get(one.instance)
        if (one.end is None or one.end > since) and (known is None or one.start < known.start):
            first[one.instance] = one
    late = [one for one in first.values() if since < one.start <= since + STARTING]
    return sum((one.price * hours_between(since, one.start) for one in late), Decimal(0))


# ---- all together -----------------------------------------------------------------------------------------


@frozen
class Coverage:
    """How many of the bands held. `apart` of the forecasts overlap no other of their auction, and can be taken for
    separate trials; `chance`: how probable it is that of those so few (or, of more than should, so many) hold when
    the bands are right. `expected` and `paid`: dollars of all that count. `excluded`: why others do not, and how many.
    """

    elapsed: int
    held: int
    below: int
    above: int
    apart: int
    apart_held: int
    chance: float | None
    expected: Decimal
    paid: Decimal
    excluded: Mapping[str, int]
    finding: Finding

    @property
    def share(self) -> Decimal | None:
        """How many of the bands held, from 0 to 1; None: no forecast that counts is over yet."""
        return None if not self.elapsed else Decimal(self.held) / self.elapsed

    @property
    def bias(self) -> Decimal | None:
        """What was paid for each dollar expected."""
        return self.paid / self.expected if self.expected else None


def coverage(judged: Iterable[Judged]) -> Coverage:
    """Over forecasts of single bids, or of whole stacks; not mixed."""
    everything = tuple(judged)
    over = [one for one in everything if one.counts]
    places = [one.place for one in over]
    single = apart(over)
    held = sum(1 for one in single if one.place == "inside")
    chance = _chance(held, len(single))
    return Coverage(
        elapsed=len(over),
        held=places.count("inside"),
        below=places.count("below"),
        above=places.count("above"),
        apart=len(single),
        apart_held=held,
        chance=chance,
        expected=sum((one.due for one in over if one.due is not None), Decimal(0)),
        paid=sum((one.verdict.paid for one in over if one.due is not None), Decimal(0)),
        excluded=_excluded(everything),
        finding=_finding(held, len(single), chance),
    )


def apart(judged: Iterable[Judged]) -> list[Judged]:
    """As many as there are that overlap no other of their auction: two forecasts of one price at one time are right or
    wrong together. Of several the one with the highest limit, which cuts off least of what the price may do; not one
    chosen by how it came out."""
    free: dict[tuple[str, str] | None, datetime] = {}
    found = []
    for one in sorted(judged, key=lambda one: (one.kept.ends_at, -(one.kept.limit or 0), one.kept.address)):
        if one.kept.auction not in free or one.kept.starts_at >= free[one.kept.auction]:
            found.append(one)
            free[one.kept.auction] = one.kept.ends_at
    return found


def _excluded(judged: Iterable[Judged]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for one in judged:
        if one.counts or one.verdict.course == "running":
            continue
        reason = one.verdict.reason or ("no_band" if one.verdict.course == "elapsed" else "history_unknown")
        reasons[reason] = reasons.get(reason, 0) + 1
    return dict(sorted(reasons.items()))


def _chance(held: int, count: int) -> float | None:
    """Of `count` bands that hold with NOMINAL each, how probable it is that so few hold; or so many, where more do."""
    if not count:
        return None
    numbers = range(held + 1) if held <= NOMINAL * count else range(held, count + 1)
    return min(1.0, math.fsum(_probability(number, count) for number in numbers))


def _probability(held: int, count: int) -> float:
    """Binomial; by logarithms, which large counts do not overflow."""
    ways = math.lgamma(count + 1) - math.lgamma(held + 1) - math.lgamma(count - held + 1)
    return math.exp(ways + held * math.log(NOMINAL) + (count - held) * math.log(1 - NOMINAL))


def _finding(held: int, count: int, chance: float | None) -> Finding:
    if chance is None:
        return "nothing"
    if chance < ODDS:
        return "too_narrow" if held < NOMINAL * count else "too_wide"
    return "too_few" if count < ENOUGH else "as_stated"
