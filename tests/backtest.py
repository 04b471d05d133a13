"""`make backtest DATA=dir`: how well forecasts and advice would have held, on price streams nobody looked at before.

A stream is a file `NAME.csv` or `NAME.csv.gz` of `timestamp,dollars` (a heading is skipped); the price holds until the
next row. Its limit is the on-demand price of 2015 of the type named in the file's name, or, of an unknown type, three
times the median of its first 14 days. Without DATA: streams of the embedded simulator's kinds of market, and of many
other kinds (kept_back.py); `--half choose` are those that figures may be chosen on, `--half beyond` markets that go on
to prices which no past has, the others are for the report.

At many moments of each stream, 14 days of it are taken for all that is known; what then happened is the truth.
Exits with 1 where the reference method is not reached. `--select` shows how the method's figures are chosen
(docs/forecast.md).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import math
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from flowplan.pricing.advice import advise_of
from flowplan.pricing.forecasting import HIGH, Spread, forecast_of
from flowplan.pricing.history import METHOD, WINDOW, Method, Stream
from flowplan.simulator.auctions.past import seeded_past
from flowplan.simulator.auctions.rivals import Pool
from tests import limit_rules
from tests.kept_back import Half, Kept, kept_back

HORIZONS = (1, 6, 24, 72, 168)
MOMENTS = 1200  # of all streams together
REFERENCE, FURTHER = Method(width=None, floor=0), 0.5  # "a1clip", and how much further out its ends are taken
REACHED, GOAL, COVERED, EACH = 0.38, 0.48, (0.77, 0.83), (0.72, 0.88)
EXACT = 1e-9  # dollars an hour: what floats make of no loss
HOUR = timedelta(hours=1)

# Dollars per hour on demand, Linux, us-east-1, 2015.
ON_DEMAND = {
    "t1.micro": 0.02,
    "m1.small": 0.044,
    "m1.medium": 0.087,
    "m1.large": 0.175,
    "m1.xlarge": 0.35,
    "m2.xlarge": 0.245,
    "m2.2xlarge": 0.49,
    "m2.4xlarge": 0.98,
    "m3.medium": 0.067,
    "m3.large": 0.133,
    "m3.xlarge": 0.266,
    "m3.2xlarge": 0.532,
    "m4.large": 0.126,
    "m4.xlarge": 0.252,
    "m4.2xlarge": 0.504,
    "m4.4xlarge": 1.008,
    "m4.10xlarge": 2.52,
    "c1.medium": 0.13,
    "c1.xlarge": 0.52,
    "c3.large": 0.105,
    "c3.xlarge": 0.21,
    "c3.2xlarge": 0.42,
    "c3.4xlarge": 0.84,
    "c3.8xlarge": 1.68,
    "c4.large": 0.11,
    "c4.xlarge": 0.22,
    "c4.2xlarge": 0.441,
    "c4.4xlarge": 0.882,
    "c4.8xlarge": 1.763,
    "cc2.8xlarge": 2.0,
    "cg1.4xlarge": 2.1,
    "cr1.8xlarge": 3.5,
    "g2.2xlarge": 0.65,
    "g2.8xlarge": 2.6,
    "r3.large": 0.175,
    "r3.xlarge": 0.35,
    "r3.2xlarge": 0.7,
    "r3.4xlarge": 1.4,
    "r3.8xlarge": 2.8,
    "i2.xlarge": 0.853,
    "i2.2xlarge": 1.705,
    "i2.4xlarge": 3.41,
    "i2.8xlarge": 6.82,
    "hi1.4xlarge": 3.1,
    "hs1.8xlarge": 4.6,
    "d2.xlarge": 0.69,
    "d2.2xlarge": 1.38,
    "d2.4xlarge": 2.76,
    "d2.8xlarge": 5.52,
}


class Prices(NamedTuple):
    """A whole stream: `at` in hours since its first event, `dollars` per instance-hour, `began`."""

    name: str
    at: list[float]
    dollars: list[Decimal]
    began: datetime
    limit: Decimal

    def until(self, now: float) -> Stream:
        """What is known at `now`: 14 days."""
        first = max(0, bisect_right(self.at, now - WINDOW) - 1)
        last = bisect_right(self.at, now)
        events = [(self.began + hours * HOUR, price) for hours, price in self._part(first, last)]
        return Stream.of(events, self.began + now * HOUR)

    def after(self, now: float, hours: float) -> list[tuple[float, float]]:
        """(price, hours) of what happened."""
        first = max(0, bisect_right(self.at, now) - 1)
        last = bisect_left(self.at, now + hours)
        begins = [now, *self.at[first + 1 : last]]
        ends = [*self.at[first + 1 : last], now + hours]
        return [(float(p), e - b) for p, b, e in zip(self.dollars[first:last], begins, ends, strict=True)]

    def _part(self, first: int, last: int) -> Iterable[tuple[float, Decimal]]:
        return zip(self.at[first:last], self.dollars[first:last], strict=True)

    def moments(self, number: int, longest: float) -> list[float]:
        """`number` of them, evenly from when 14 days are known until `longest` hours before the end."""
        room = self.at[-1] - WINDOW - longest
        return [WINDOW + room * index / (number - 1) for index in range(number)] if room > 0 else []


def read(path: Path) -> Prices:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    known: dict[datetime, Decimal] = {}
    with opened(path, "rt", newline="") as text:
        for row in csv.reader(text):
            if row and row[0][:1].isdigit():
                at = datetime.fromisoformat(row[0].replace("Z", "+00:00"))
                known[at if at.tzinfo else at.replace(tzinfo=UTC)] = Decimal(row[1])
    return prices(path.name.split(".csv")[0], sorted(known.items()))


def prices(name: str, events: Sequence[tuple[datetime, Decimal]]) -> Prices:
    began = events[0][0]
    at = [(moment - began) / HOUR for moment, _ in events]
    dollars = [price for _, price in events]
    kind = re.search(r"[a-z]+\d\.\w+", name)
    of_list = ON_DEMAND.get(kind.group()) if kind else None
    limit = Decimal(str(of_list)) if of_list else 3 * median(dollars[: bisect_right(at, WINDOW)])
    return Prices(name, at, dollars, began, limit)


def simulated() -> list[Prices]:
    """Two auctions of each kind that the simulator has, 10 weeks each: pieces of 14 days in a row."""
    found = []
    for temper, number in itertools.product(("calm", "idle", "busy"), (1, 2)):
        moments: list[int] = []
        eighths: list[int] = []
        for piece in range(5):
            started = (piece + 1) * round(WINDOW * 3_600_000)
            present = 6400 if temper != "busy" else 9000
            pool = Pool(number, units=8 * 64, reserve=6400, temper=temper, sizes=((number, 8),))
            part = seeded_past(100 * number + piece, pool, started, present)
            moments += part[0]
            eighths += part[1]
        events = [
            (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at), Decimal(price) / 800)
            for at, price in zip(moments, eighths, strict=True)
        ]
        found.append(prices(f"{temper}-{number}", events))
    return found


def of_many_kinds(half: Half) -> Iterator[Prices]:
    """Those of kept_back.py."""
    return map(of_kept, kept_back(half))


def of_kept(kept: Kept) -> Prices:
    began = datetime(2025, 1, 1, tzinfo=UTC)
    return prices(kept.name, [(began + hours * HOUR, Decimal(str(price))) for hours, price in kept.changes])


def pinball(truth: float, band: Sequence[float]) -> float:
    """Mean of the losses at 10, 50 and 90%."""
    return fmean(
        max(share * (truth - said), (share - 1) * (truth - said))
        for share, said in zip((0.1, 0.5, 0.9), band, strict=True)
    )


class Score:
    """Losses and hits of one way to say it, moment by moment."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.hits: list[bool] = []

    def add(self, truth: float, band: Sequence[float]) -> None:
        self.losses.append(pinball(truth, band))
        hair = 1e-5 + abs(truth) * 1e-9
        self.hits.append(band[0] - hair <= truth <= band[2] + hair)

    def loss(self, part: slice = slice(None)) -> float:
        return fmean(self.losses[part])

    def cover(self, part: slice = slice(None)) -> float:
        return fmean(self.hits[part])


def cost(pieces: Iterable[tuple[float, float]], limit: Decimal | None) -> float:
    most = float("inf") if limit is None else float(limit)
    return sum(price * hours for price, hours in pieces if price <= most)


def share(pieces: Sequence[tuple[float, float]], limit: Decimal) -> float:
    return sum(hours for price, hours in pieces if price <= float(limit)) / sum(hours for _, hours in pieces)


def week_mean(stream: Stream, limit: Decimal | None, hours: float) -> float:
    """What the last 7 days cost, taken for `hours`."""
    first = max(0, bisect_right(stream.times, -168.0) - 1)
    pieces = list(zip(stream.prices[first:], stream.lengths[first:], strict=True))
    return cost(pieces, limit) / sum(hours for _, hours in pieces) * hours


def replayed(stream: Stream, limit: Decimal | None, hours: float, method: Method) -> tuple[float, float, float]:
    """(p10, p50, p90) of the cost of one instance."""
    level = stream.level_of(None)
    published = min(1.0, HIGH * (1 + FURTHER * hours / stream.span))
    inner = published if method == REFERENCE else stream.share(HIGH, hours, method)
    spread = Spread(stream.weights(hours, level, method), inner)
    return spread.of([path.cost for path in stream.replay(limit, hours, level)])[:3]


def said(stream: Stream, limit: Decimal | None, hours: float) -> tuple[float, float, float]:
    """As a user is told."""
    band = forecast_of(stream, limit, 1, hours).cost
    assert band.p10 is not None and band.p50 is not None and band.p90 is not None
    return float(band.p10), float(band.p50), float(band.p90)


WAYS: dict[str, Callable[[Stream, Decimal | None, float], Sequence[float]]] = {
    "flowplan": said,
    "a1clip": lambda stream, limit, hours: replayed(stream, limit, hours, REFERENCE),
    "last price": lambda stream, limit, hours: [cost([(float(stream.last or 0), hours)], limit)] * 3,
    "7-day mean": lambda stream, limit, hours: [week_mean(stream, limit, hours)] * 3,
    "limit": lambda stream, limit, hours: [float(limit or 0) * hours] * 3,
}
LIMITS: dict[str, Callable[[Prices, Stream], Decimal | None]] = {
    "on-demand": lambda prices, stream: prices.limit,
    "2 x last": lambda prices, stream: 2 * (stream.last or Decimal(0)),
    "none": lambda prices, stream: None,
}
Row = tuple[bool, float, float, float]  # held, availability; dollars at the limit advised, on demand
Table = dict[tuple[str, int, str, str], Score]  # limit, horizon, way, stream


class Measured(NamedTuple):
    """All scores; what came of the advice; what each rule for the limit cost, stream by stream."""

    scores: Table
    advice: dict[tuple[int, float, str], list[Row]]
    rules: dict[str, dict[str, limit_rules.Rule]]


def measure(streams: Sequence[Prices], number: int) -> Measured:
    """Everything, at `number` moments of each stream."""
    scores: Table = {}
    advice: dict[tuple[int, float, str], list[Row]] = {}
    rules: dict[str, dict[str, limit_rules.Rule]] = {}
    for prices in streams:
        days = []
        for now in prices.moments(number, max(HORIZONS)):
            stream = prices.until(now)
            days.append(limit_rules.day(stream, prices.after(now, 24), float(prices.limit)))
            for hours in HORIZONS:
                pieces = prices.after(now, hours)
                for name, limit_of in LIMITS.items():
                    if hours != 24 and name != "on-demand":
                        continue
                    limit = limit_of(prices, stream)
                    truth = cost(pieces, limit)
                    for way, say in WAYS.items():
                        if limit is None and way == "limit":
                            continue
                        score = scores.setdefault((name, hours, way, prices.name), Score())
                        score.add(truth / hours, [part / hours for part in say(stream, limit, hours)])
                if hours in (24, 72):
                    for confidence in (0.8, 0.9):
                        row = advised(stream, pieces, confidence, hours, prices.limit)
                        advice.setdefault((hours, confidence, prices.name), []).append(row)
        rules[prices.name] = limit_rules.judged(days, float(prices.limit))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return Measured(scores, advice, rules)


def advised(
    stream: Stream, pieces: Sequence[tuple[float, float]], confidence: float, hours: float, limit: Decimal
) -> Row:
    """Limits are whole cents; where prices are of cents, a cent would be a gift. So the need is taken unrounded."""
    advice = advise_of(stream, 0.95, confidence, hours, unit=Decimal("0.0001"))
    assert advice.limit_price is not None
    reached = share(pieces, advice.limit_price)
    return reached >= 0.95 - 1e-9, reached, cost(pieces, advice.limit_price), cost(pieces, limit)


def show(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    table = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for row in table:
        print(
            "  ".join(
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def skill(scores: Table, limit: str, hours: int, way: str, stream: str, part: slice = slice(None)) -> float:
    """By how much less the loss is than that of the last price."""
    last = scores[limit, hours, "last price", stream].loss(part)
    own = scores[limit, hours, way, stream].loss(part)
    return 1 - own / last if last > 0 else float(own <= 0)


def report(names: Sequence[str], scores: Table, advice: dict[Any, Any]) -> None:
    """Of the streams of `names`, all of which move."""
    for limit in LIMITS:
        for hours in HORIZONS if limit == "on-demand" else (24,):
            ways = [way for way in WAYS if (limit, hours, way, names[0]) in scores]
            rows = []
            for way in ways:
                each = [scores[limit, hours, way, name] for name in names]
                skills = [skill(scores, limit, hours, way, name) for name in names]
                rows.append(
                    [
                        way,
                        percent(fmean(skills)),
                        percent(fmean(score.cover() for score in each)),
                        *(f"{100 * s:.0f}/{100 * score.cover():.0f}" for s, score in zip(skills, each, strict=True)),
                    ]
                )
            title = f"cost over {hours} h, limit {limit}: % less pinball loss than last price, % inside the 80% band"
            show(title, ["", "skill", "cover", *names], rows)
    rows = []
    for hours, confidence in itertools.product((24, 72), (0.8, 0.9)):
        each = [advice[hours, confidence, name] for name in names]
        kept = [fmean(row[0] for row in found) for found in each]
        up = fmean(fmean(row[1] for row in found) for found in each)
        factor = fmean(sum(row[2] for row in found) / max(sum(row[3] for row in found), 1e-9) for found in each)
        rows.append(
            [f"{hours} h, {confidence:.0%}", percent(fmean(kept)), percent(up), f"{factor:.2f}", *map(percent, kept)]
        )
    heads = ["", "kept", "up", "cost", *names]
    show(
        "advice for 95%: % of windows in which it held, mean availability, cost (1: at the on-demand limit)",
        heads,
        rows,
    )


def by_chance(number: int, share: float, within: tuple[float, float]) -> float:
    """How probable it is that of `number` separate cases, each of which holds with `share`, fewer hold than the least
    share of `within`, or more than the most. Cases that lie near each other in time are fewer than they look."""
    held = [
        math.comb(number, count) * share**count * (1 - share) ** (number - count)
        for count in range(number + 1)
        if within[0] - 1e-9 <= count / number <= within[1] + 1e-9
    ]
    return 1 - math.fsum(held)


def report_rules(rules: dict[str, dict[str, limit_rules.Rule]], moving: Sequence[str], number: int) -> None:
    show(
        "limits for a day ahead, by the week: paid and regret (limit_rules.py) in % of what it costs on demand, hours\n"
        "lost, % of days with 95% of the time; on how many streams worse than the advice in both, and better",
        ["", "paid", "lost", "regret", "held", "worse", "better"],
        limit_rules.rows(list(rules.values())),
    )
    better = limit_rules.better_on_both(list(rules.values()))
    out = limit_rules.outside((name, rules[name]) for name in moving)
    print(f"\nbetter than the advice on both: {', '.join(better) or 'no simple rule'}")
    print(
        f"streams on which its 90% held in fewer than 85% of days, or more than 95%: {', '.join(out) or 'none'}\n"
        f"({len(out)} of {len(moving)} whose price moves; by chance "
        f"{by_chance(number, 0.9, limit_rules.ABOUT) * len(moving):.0f}, were it right on each, of {number} days)"
    )


def of_moving(streams: Sequence[Prices], scores: Table) -> list[str]:
    """The names of those on which the last price is not exact. At rest nothing can be better than it, and every band
    holds."""
    return [p.name for p in streams if scores["on-demand", 24, "last price", p.name].loss() > EXACT]


def verdict(names: Sequence[str], scores: Table, number: int, real: bool) -> int:
    def mean(way: str) -> float:
        return fmean(skill(scores, "on-demand", 24, way, name) for name in names)

    covers = {h: fmean(scores["on-demand", h, "flowplan", n].cover() for n in names) for h in (1, 6, 24, 72)}
    ours, theirs = mean("flowplan"), mean("a1clip")
    reached = ours >= theirs and covers[24] >= COVERED[0] and (not real or ours >= REACHED)
    goal = ours >= GOAL and all(COVERED[0] <= cover <= COVERED[1] for cover in covers.values())
    shown = ", ".join(f"{percent(cover)}% at {hours} h" for hours, cover in covers.items())
    each = {name: skill(scores, "on-demand", 24, "flowplan", name) for name in names}
    out = [n for n in names if not EACH[0] <= scores["on-demand", 24, "flowplan", n].cover() <= EACH[1]]
    worst = min(names, key=lambda name: each[name])
    print(
        f"\nthe {len(names)} streams whose price moves:\n"
        f"the worst stream at 24 h: {worst}, {percent(each[worst])}%; outside of {EACH}: {', '.join(out) or 'none'}\n"
        f"({len(out)} of {len(names)}; by chance {by_chance(number, 0.8, EACH) * len(names):.0f}, "
        f"were bands right on each, of {number} moments)"
    )
    print(f"skill at 24 h {percent(ours)}% (a1clip {percent(theirs)}%); coverage {shown}")
    print(f"reference {'reached' if reached else 'NOT reached'}; goal {'reached' if goal else 'not reached'}")
    return 0 if reached else 1


# ---- how the figures are chosen -------------------------------------------------------------------------

GRID = [
    Method(half_life, width, METHOD.floor, widening)
    for width in (None, 1.0, 0.5, 0.3, 0.2, 0.15)
    for half_life in (96, 168)
    for widening in (2.5, 3.5, 5)
]


def select(streams: Sequence[Prices], number: int) -> None:
    """Leave one stream out; choose on the first 60% of the others; tell what comes of it on the last 40% of the one
    left out. The same with all streams for the choice, which is what a release uses."""
    scores: dict[tuple[Method | None, int, str], Score] = {}
    for prices in streams:
        for now in prices.moments(number, 24):
            stream = prices.until(now)
            for hours in (1, 6, 24):
                truth = cost(prices.after(now, hours), prices.limit)
                last = WAYS["last price"](stream, prices.limit, hours)
                scores.setdefault((None, hours, prices.name), Score()).add(truth, last)
                for method in dict.fromkeys((*GRID, METHOD, REFERENCE)):
                    score = scores.setdefault((method, hours, prices.name), Score())
                    score.add(truth, replayed(stream, prices.limit, hours, method))
        print(".", end="", file=sys.stderr, flush=True)
    cut = number * 6 // 10
    early, late = slice(0, cut), slice(cut, None)

    def of(method: Method, hours: int, name: str, part: slice) -> float:
        return 1 - scores[method, hours, name].loss(part) / scores[None, hours, name].loss(part)

    def value(method: Method, names: Sequence[str]) -> float:
        """Mean skill, less how far coverage is from 80%, over 1, 6 and 24 h."""
        found = [
            fmean(of(method, hours, name, early) for name in names)
            - abs(fmean(scores[method, hours, name].cover(early) for name in names) - 0.8)
            for hours in (1, 6, 24)
        ]
        return fmean(found)

    rows = []
    names = [
        p.name
        for p in streams
        if all(scores[None, hours, p.name].loss(part) > EXACT for part in (early, late) for hours in (1, 6, 24))
    ]
    for left in [*names, None]:
        train = [name for name in names if name != left]
        chosen = max(GRID, key=lambda method, train=train: value(method, train))  # type: ignore[misc]
        tested = [left] if left else names
        row = [left or "all", f"width {chosen.width}, half-life {chosen.half_life:g} h, widening {chosen.widening}"]
        for method in (chosen, METHOD, REFERENCE):
            for hours in (1, 6, 24):
                found = fmean(of(method, hours, name, late) for name in tested)
                cover = fmean(scores[method, hours, name].cover(late) for name in tested)
                row.append(f"{100 * found:.0f}/{100 * cover:.0f}")
        rows.append(row)
    heads = [
        "left out",
        "chosen on the others' first 60%",
        *(f"{who} {h} h" for who in ("chosen", "ours", "a1clip") for h in (1, 6, 24)),
    ]
    show("skill/coverage on the last 40% of what was left out", heads, rows)
    best = sorted(GRID, key=lambda method: value(method, names), reverse=True)
    rows = [
        [f"width {m.width}, half-life {m.half_life:g} h, widening {m.widening}", percent(value(m, names))] for m in best
    ]
    show("on the first 60% of all: mean skill less the distance of coverage from 80%", ["", "value"], rows)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", nargs="?", type=Path)
    options.add_argument("--select", action="store_true")
    options.add_argument("--half", choices=("choose", "report", "beyond"), default="report")
    options.add_argument("--moments", type=int, default=MOMENTS, help="of all streams together (%(default)s)")
    given = options.parse_args()
    paths = sorted(p for p in given.data.iterdir() if p.name.endswith((".csv", ".csv.gz"))) if given.data else []
    drawn = [*(simulated() if given.half != "beyond" else ()), *of_many_kinds(given.half)]
    streams = [read(path) for path in paths] if given.data else drawn
    streams = [prices for prices in streams if prices.moments(2, max(HORIZONS))]
    if not streams:
        sys.exit("no stream is long enough: 14 days and a week are needed")
    number = max(20, given.moments // len(streams))
    if given.select:
        select(streams, number)
        return 0
    found = measure(streams, number)
    moving = of_moving(streams, found.scores)
    report(moving, found.scores, found.advice)
    report_rules(found.rules, moving, number)
    return verdict(moving, found.scores, number, real=bool(given.data))


if __name__ == "__main__":
    sys.exit(main())
