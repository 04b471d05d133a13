"""`python -m tests.possible`: how near forecasts and advice are to the best there can be, on streams of kept_back.py.

Who knows how a stream is drawn, each of its figures and the state it is in, knows what may come: courses drawn from
there are as probable as what did come. Half of them give the band, and the least limit, that are right; the other half
are what all are judged by, so a moment says more than the one thing that happened. Flowplan sees 14 days of prices, and
has to tell the figures and the state from these: nobody who sees no more can do better than who knows.

A band from p10 to p90 holds 80% only of what moves: where a price stays for days what costs the same to the cent is
within the band as a whole, and the best band holds more.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from statistics import fmean
from typing import NamedTuple

from flowplan.pricing.advice import AVAILABILITY, CONFIDENCE, advise_of
from flowplan.pricing.history import HAIR, quantile, quantiles
from flowplan.pricing.units import DAY
from tests import limit_rules
from tests.backtest import EACH, HORIZONS, WAYS, Score, cost, of_kept, percent, show
from tests.kept_back import Half, Kept, kept_back

COURSES = 200
UNTIL = 72  # hours, the longest horizon
BEST, OURS, LAST = "best possible", "flowplan", "last price"


class Found(NamedTuple):
    """Of one stream: scores by (hours, way); by way, how often the limit for a day suffices, at each moment."""

    scores: dict[tuple[int, str], Score]
    held: dict[str, list[float]]

    def skill(self, hours: int, way: str) -> float:
        last = self.scores[hours, LAST].loss()
        return 1 - self.scores[hours, way].loss() / last if last else 1.0

    def cover(self, hours: int, way: str) -> float:
        return self.scores[hours, way].cover()


def measure(kept: Kept, moments: int, courses: int = COURSES, horizons: Sequence[int] = HORIZONS) -> Found:
    """Everything, at so many moments of one stream."""
    prices, random = of_kept(kept), Random(f"possible:{kept.name}")
    wanted = [hours for hours in horizons if hours <= UNTIL]
    found = Found({(hours, way): Score() for hours in wanted for way in (BEST, OURS, LAST)}, {BEST: [], OURS: []})
    for now in prices.moments(moments, max(HORIZONS)):
        stream = prices.until(now)
        drawn = [kept.on(random, now, max(wanted)) for _ in range(courses)]
        for hours in wanted:
            costs = [cost(_first(course, hours), prices.limit) for course in drawn]
            bands = {
                BEST: quantiles(_alike(costs[::2]), 0.1, 0.5, 0.9),
                OURS: WAYS[OURS](stream, prices.limit, hours),
                LAST: WAYS[LAST](stream, prices.limit, hours),
            }
            for way, band in bands.items():
                for truth in costs[1::2]:
                    found.scores[hours, way].add(truth / hours, [part / hours for part in band])
        needs = [quantile(sorted(_first(course, DAY)), AVAILABILITY) for course in drawn]
        advised = advise_of(stream, AVAILABILITY, CONFIDENCE, DAY, unit=limit_rules.UNIT).limit_price
        assert advised is not None
        for way, limit in ((BEST, quantile(_alike(needs[::2]), CONFIDENCE)), (OURS, float(advised))):
            found.held[way].append(fmean(need <= limit * HAIR for need in needs[1::2]))
    return found


def _first(course: Iterable[tuple[float, float]], hours: float) -> Iterator[tuple[float, float]]:
    for price, length in course:
        if hours <= 0:
            return
        yield price, min(length, hours)
        hours -= length


def _alike(values: Iterable[float]) -> list[tuple[float, float]]:
    return [(value, 1.0) for value in sorted(values)]


def report(found: dict[str, Found], horizons: Sequence[int]) -> None:
    def row(name: str, those: Sequence[Found]) -> list[str]:
        cells = []
        for hours in horizons:
            for way in (OURS, BEST):
                skill = fmean(one.skill(hours, way) for one in those)
                cells.append(f"{percent(skill)}/{percent(fmean(one.cover(hours, way) for one in those))}")
        return [name, *cells, *(percent(fmean(fmean(one.held[way]) for one in those)) for way in (OURS, BEST))]

    show(
        "% less pinball loss than last price / % inside the 80% band; % of days in which advice at 90% suffices",
        ["", *(f"{way}, {hours} h" for hours in horizons for way in ("ours", "best")), "advice, ours", "best"],
        [*(row(name, [one]) for name, one in found.items()), row("mean", list(found.values()))],
    )
    number = len(found)
    for way in (OURS, BEST):
        covers = [one.cover(24, way) for one in found.values()]
        held = [fmean(one.held[way]) for one in found.values()]
        skills = [one.skill(24, way) for one in found.values()]
        apart = math.sqrt(fmean((cover - fmean(covers)) ** 2 for cover in covers))
        print(
            f"{way} at 24 h: skill {percent(fmean(skills))}%, coverage {percent(fmean(covers))}% +- {percent(apart)}; "
            f"outside of {EACH} on {sum(not EACH[0] <= one <= EACH[1] for one in covers)} of {number}; "
            f"advice outside of {limit_rules.ABOUT} on "
            f"{sum(not limit_rules.ABOUT[0] <= one <= limit_rules.ABOUT[1] for one in held)}"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--half", choices=("choose", "report", "beyond"), default="choose")
    options.add_argument("--moments", type=int, default=50, help="of each stream (%(default)s)")
    options.add_argument("--horizons", type=int, nargs="+", default=[6, 24])
    given = options.parse_args()
    half: Half = given.half
    found = {}
    for kept in kept_back(half):
        found[kept.name] = measure(kept, given.moments, horizons=given.horizons)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    report(found, given.horizons)


if __name__ == "__main__":
    main()
