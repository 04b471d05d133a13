"""What prices look like over weeks: the market as it runs, and the past that is made up for it. One test for both.

The bands are generous: a stretch of two weeks differs much from the next, in the real streams they follow as well.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest

from flowplan.simulator import Simulator
from flowplan.simulator.api.prices import price_stream
from flowplan.simulator.auctions import catalogue, market
from flowplan.simulator.auctions.past import seeded_past
from flowplan.simulator.auctions.rivals import demand, pools
from flowplan.simulator.clock import DAY, HOUR
from flowplan.simulator.timekeeping import stored_now

SEEDS = (1, 2, 3)
DAYS = 14


class Stream(NamedTuple):
    """Two weeks of one auction: (moment in ms, multiple of the reserve), each held until the next; `wanted`: the usual
    demand at a moment."""

    temper: str
    steps: list[tuple[int, float]]
    end: int
    wanted: Callable[[int], float]

    def spans(self) -> list[tuple[int, float]]:
        ends = [at for at, _ in self.steps[1:]] + [self.end]
        return [(end - at, price) for (at, price), end in zip(self.steps, ends, strict=True)]

    def share(self, is_so: Callable[[float], bool]) -> float:
        spans = self.spans()
        return sum(span for span, price in spans if is_so(price)) / sum(span for span, _ in spans)

    @property
    def at_reserve(self) -> float:
        return self.share(lambda price: price <= 1)

    @property
    def above_twice(self) -> float:
        return self.share(lambda price: price > 2)

    @property
    def changes(self) -> float:
        return (len(self.steps) - 1) / DAYS

    @property
    def mean(self) -> float:
        return sum(span * price for span, price in self.spans()) / sum(span for span, _ in self.spans())

    @property
    def tail(self) -> float:
        """The highest price over the median."""
        passed, half = 0, sum(span for span, _ in self.spans()) / 2
        for span, price in sorted(self.spans(), key=lambda one: one[1]):
            passed += span
            if passed >= half:
                return max(price for _, price in self.steps) / price
        raise AssertionError

    def hourly(self) -> list[tuple[int, float]]:
        """(moment, logarithm of the price in force) each hour."""
        found, place = [], 0
        for at in range(self.steps[0][0], self.end, HOUR):
            while place + 1 < len(self.steps) and self.steps[place + 1][0] <= at:
                place += 1
            found.append((at, math.log(self.steps[place][1])))
        return found

    @property
    def lasting(self) -> float:
        """The autocorrelation of the logarithm after an hour."""
        values = [value for _, value in self.hourly()]
        return statistics.correlation(values[:-1], values[1:]) if len(set(values)) > 1 else 0

    @property
    def by_day(self) -> float:
        """How much further above the reserve the price is, in the mean, when more than usual is wanted."""
        middle = self.wanted(0) / 2 + self.wanted(DAY // 2) / 2
        many = [value for at, value in self.hourly() if self.wanted(at) > middle]
        few = [value for at, value in self.hourly() if self.wanted(at) <= middle]
        return statistics.mean(many) / max(statistics.mean(few), 1e-9)


Sides = dict[str, dict[str, list[Stream]]]  # past and live -> temper -> streams


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    """A few small pools of each kind, over several seeds."""
    small = [pool for pool in catalogue.POOLS if len(pool.types) == 1 and pool.gpus <= 64 * 8]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "POOLS", tuple(small[:1] + small[1:6]))
        found: Sides = {"past": {}, "live": {}}
        for seed in SEEDS:
            for side, stream in two_weeks(seed):
                found[side].setdefault(stream.temper, []).append(stream)
        yield found


def two_weeks(seed: int) -> Iterator[tuple[str, Stream]]:
    with Simulator.open(":memory:", seed=seed) as simulator:
        db, start = simulator._db, stored_now(simulator._db)
        auctions = {auction.pool: auction for auction in market.auctions(db)}
        pasts = {pool: price_stream(db, seed, auction, start) for pool, auction in auctions.items()}
        simulator.advance(timedelta(days=DAYS))
        for pool in pools(db):
            auction = auctions[pool.seq]
            sql = "SELECT at, price_cents FROM price_events WHERE auction = ? ORDER BY at"
            live = db.execute(sql, (auction.seq,)).fetchall()
            for side, steps, end in (
                ("past", list(zip(*pasts[pool.seq], strict=True)), start),
                ("live", live, stored_now(simulator._db)),
            ):
                shown = [(at, cents / auction.reserve_cents) for at, cents in steps]
                yield side, Stream(pool.temper, shown, end, lambda at, pool=pool: demand(pool, at))


def mean(streams: list[Stream], name: str) -> float:
    return statistics.mean(getattr(stream, name) for stream in streams)


BANDS = {
    "busy": {
        "at_reserve": (0.05, 0.45),
        "above_twice": (0.08, 0.4),
        "changes": (40, 250),
        "mean": (1.3, 4),
        "lasting": (0.5, 0.95),
        "by_day": (1.1, 3),
    },
    "idle": {"at_reserve": (0.75, 0.98), "above_twice": (0.005, 0.12), "changes": (3, 40), "mean": (1.02, 1.6)},
    "calm": {"at_reserve": (0.97, 1), "above_twice": (0, 0), "changes": (0, 1), "mean": (1, 1.01)},
}


@pytest.mark.parametrize("side", ["past", "live"])
@pytest.mark.parametrize("temper", ["calm", "idle", "busy"])
def test_prices_look_like_spot_prices(sides: Sides, side: str, temper: str) -> None:
    streams = sides[side][temper]
    shown = {name: mean(streams, name) for name in BANDS[temper]}
    print(f"{temper} {side}: " + ", ".join(f"{name} {value:.2f}" for name, value in shown.items()))
    for name, (least, most) in BANDS[temper].items():
        assert least <= shown[name] <= most, name
    assert min(price for stream in streams for _, price in stream.steps) == 1
    tail = statistics.median(stream.tail for stream in streams)
    assert {"calm": tail < 1.5, "idle": 3 < tail < 30, "busy": 5 < tail < 60}[temper], tail


@pytest.mark.parametrize("temper", ["idle", "busy"])
def test_the_past_is_like_the_market_that_runs(sides: Sides, temper: str) -> None:
    past, live = sides["past"][temper], sides["live"][temper]
    assert abs(mean(past, "at_reserve") - mean(live, "at_reserve")) < 0.12
    assert abs(mean(past, "above_twice") - mean(live, "above_twice")) < 0.12
    assert abs(mean(past, "lasting") - mean(live, "lasting")) < 0.25
    for name in ("changes", "mean", "tail"):
        assert 0.4 < mean(past, name) / mean(live, name) < 2.5, name


def test_idle_pools_rest_for_days(sides: Sides) -> None:
    for side in ("past", "live"):
        assert max(span for one in sides[side]["idle"] for span, price in one.spans() if price == 1) > 2 * DAY


def test_the_past_joins_the_present_without_a_seam(sides: Sides) -> None:
    """Its last price is the first, and it has not stopped moving hours before."""
    last = []
    for past, live in zip(sides["past"]["busy"], sides["live"]["busy"], strict=True):
        assert past.steps[-1][1] == live.steps[0][1]
        last.append(past.end - past.steps[-1][0])
    assert statistics.median(last) < 3 * HOUR
    assert len(set(last)) > len(last) / 2


@pytest.mark.timed
def test_a_past_is_cheap(simulator: Simulator) -> None:
    db, started = simulator._db, stored_now(simulator._db)
    took = []
    for pool in pools(db):
        seeded_past.cache_clear()
        start = time.process_time()
        seeded_past(9, pool, started, pool.reserve)
        took.append(time.process_time() - start)
    print(f"a pool's past: median {statistics.median(took) * 1e3:.1f} ms, most {max(took) * 1e3:.1f} ms")
    assert statistics.median(took) < 0.02
