"""What a way to choose the limit costs, on past prices: dollars paid and hours lost a week, beside who knew the future.

A limit is chosen each time for a day ahead, knowing 14 days. An hour in which the bid does not run is lost. The oracle
takes the least limit that runs 95% of that day. To compare two that differ in both, an hour of that day is taken to be
worth the oracle's limit, which is then the best there is: `regret` is what is paid above that for hours that run, and
what is missed below it in hours that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from statistics import fmean
from typing import NamedTuple, TypeAlias

from flowplan.pricing.advice import AVAILABILITY, CONFIDENCE, advise_of
from flowplan.pricing.history import HAIR, Stream, quantile
from flowplan.pricing.units import DAY

Pieces: TypeAlias = Sequence[tuple[float, float]]  # (dollars per instance-hour, hours)
ADVICE, ORACLE = "advice at 90%", "oracle"
ABOUT = (0.85, 0.95)  # the share of days in which the advice's 90% is to hold
UNIT = Decimal("0.0001")  # where prices are of cents, limits of whole cents would be a gift
_WEEK = 7 * DAY


def _advised(stream: Stream, on_demand: float) -> float:
    found = advise_of(stream, AVAILABILITY, CONFIDENCE, DAY, unit=UNIT).limit_price
    assert found is not None
    return float(found)


RULES: dict[str, Callable[[Stream, float], float]] = {
    ADVICE: _advised,
    "on-demand price": lambda stream, on_demand: on_demand,
    "reserve + 25%": lambda stream, on_demand: 1.25 * float(stream.reserve or min(stream.prices)),
    "last price + 20%": lambda stream, on_demand: 1.2 * stream.prices[-1],
}


class Day(NamedTuple):
    """Of one day: `paid` and `regret` in dollars, `lost` in hours; `held`: whether it ran as much as advice is for."""

    paid: float
    lost: float
    held: bool
    regret: float


class Rule(NamedTuple):
    """A rule on one stream. `paid`: a week's cost as a share of what it would be on demand; `lost`: hours a week;
    `regret`: as a share of the week on demand; `held`: the share of days that ran as much as advice is for."""

    paid: float
    lost: float
    regret: float
    held: float


def day(stream: Stream, pieces: Pieces, on_demand: float) -> dict[str, Day]:
    """What each rule, and the oracle, comes to on a day of `pieces` after `stream`."""
    limits = {name: rule(stream, on_demand) for name, rule in RULES.items()}
    limits[ORACLE] = worth = quantile(sorted(pieces), AVAILABILITY)
    return {name: _at(pieces, limit, worth) for name, limit in limits.items()}


def _at(pieces: Pieces, limit: float, worth: float) -> Day:
    runs = [(price, hours) for price, hours in pieces if price <= limit * HAIR]
    lost = DAY - sum(hours for _, hours in runs)
    wrong = [abs(price - worth) * hours for price, hours in pieces if (price <= limit * HAIR) != (price <= worth)]
    paid = sum(price * hours for price, hours in runs)
    return Day(paid, lost, lost <= DAY * (1 - AVAILABILITY) + 1e-9, sum(wrong))


def judged(days: Sequence[dict[str, Day]], on_demand: float) -> dict[str, Rule]:
    """Each rule on one stream."""
    weekly = on_demand * _WEEK
    return {
        name: Rule(
            fmean(found[name].paid for found in days) * 7 / weekly,
            fmean(found[name].lost for found in days) * 7,
            fmean(found[name].regret for found in days) * 7 / weekly,
            fmean(found[name].held for found in days),
        )
        for name in (*RULES, ORACLE)
    }


def rows(streams: Sequence[dict[str, Rule]]) -> Iterator[list[str]]:
    """A line a rule: means over streams, and on how many it was worse than the advice, and better, in both."""
    for name in (*RULES, ORACLE):
        each = [found[name] for found in streams]
        worse = sum(_beats(found[ADVICE], found[name]) for found in streams)
        better = sum(_beats(found[name], found[ADVICE]) for found in streams)
        figures = (fmean(one.paid for one in each), fmean(one.lost for one in each), fmean(one.regret for one in each))
        paid, lost, regret = figures
        beside = [str(worse), str(better)] if name not in (ADVICE, ORACLE) else ["", ""]
        held = f"{100 * fmean(one.held for one in each):.1f}"
        yield [name, f"{100 * paid:.1f}", f"{lost:.1f}", f"{100 * regret:.1f}", held, *beside]


def better_on_both(streams: Sequence[dict[str, Rule]]) -> list[str]:
    """The simple rules that pay less and lose fewer hours than the advice, in the mean over streams."""

    def mean(name: str) -> Rule:
        return Rule(*map(fmean, zip(*(found[name] for found in streams), strict=True)))

    return [name for name in RULES if name != ADVICE and _beats(mean(name), mean(ADVICE))]


def outside(streams: Iterable[tuple[str, dict[str, Rule]]]) -> list[str]:
    """The streams on which the advice's 90% did not hold in 85 to 95% of days."""
    return [f"{name} {100 * found[ADVICE].held:.0f}%" for name, found in streams if not _about(found[ADVICE].held)]


def _about(held: float) -> bool:
    return ABOUT[0] <= held <= ABOUT[1]


def _beats(one: Rule, other: Rule) -> bool:
    return one.paid < other.paid and one.lost < other.lost
