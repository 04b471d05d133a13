"""The prices of the 14 days before a simulator began. Nothing is replayed: one price process stands for the market.

The price is where as much is wanted above it as there is. How much is wanted is known in the mean: the usual demand
with its cycle of the day, and the surges (surges.py), the last of which go on in the simulator. The rest is chance,
the more of it the larger one order is in the stock, and forgotten as rivals come and go. It is drawn backwards from
the price the simulator began with, so that nothing jumps there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from statistics import NormalDist

from flowplan.simulator.auctions import rivals
from flowplan.simulator.auctions.surges import FORGOTTEN, NARROW, gone_at, surges, volume_at
from flowplan.simulator.clock import DAY, HOUR, ROUND

PAST = 14 * DAY
Stream = tuple[list[int], list[int]]  # (moments in ms, prices): each price holds until the next moment
_OFTEN = 7.0  # changes of the marginal order an hour, at most: more would only be smaller
_PASSED_OVER = 1.5  # orders' worth of demand at the margin that smaller ones, further down, win instead
_HALVINGS = 10  # of the range of prices, in looking for one
_LEAST = 0.05  # share of the stock that is left for the highest bid, whatever chance says


@lru_cache(maxsize=64)
def seeded_past(seed: int, pool: rivals.Pool, started: int, now: int) -> Stream:
    """14 days of a pool's prices before `started` (ms), never below the reserve, in eighths of a cent per unit as
    `now`, the price it started with: the last one is that."""
    moments: list[int] = []
    prices: list[int] = []
    for at, price in _backwards(seed, pool, started, now):
        if prices and price == prices[-1]:
            moments[-1] = at
        else:
            moments.append(at)
            prices.append(price)
    moments[-1] = started - PAST
    return moments[::-1], prices[::-1]


def _backwards(seed: int, pool: rivals.Pool, started: int, now: int) -> Iterator[tuple[int, int]]:
    """(moment, price from then on), the last first."""
    random = Random(f"{seed}:{pool.seq}:past")  # noqa: S311
    margin = _Margin(seed, pool, started)
    chance = margin.chance_of(started, now)
    last, price = started, now
    for at in margin.moments(random, started):
        yield at, price
        kept = math.exp((at - last) / HOUR * margin.forgotten)
        chance = chance * kept + math.sqrt(1 - kept * kept) * random.gauss(0, 1)
        last, price = at, margin.price(at, chance)
    yield started - PAST, price


class _Margin:
    """Where as much is wanted as there is."""

    def __init__(self, seed: int, pool: rivals.Pool, started: int) -> None:
        self._pool = pool
        self._temper = rivals.TEMPERS[pool.temper]
        begun = surges(seed, pool, started - PAST - FORGOTTEN, started)
        self._surges = [(surge, math.log(surge.height), gone_at(surge)) for surge in begun]
        self._highest = math.log(self._temper.highest)
        grain = rivals.mean_square_units(pool) / rivals.mean_units(pool) / pool.units
        self._stock, self._chance = 1 + _PASSED_OVER * grain, math.sqrt(grain)
        self.forgotten = 1 / self._temper.stay + rivals.CHANGES_OF_MIND / 24  # by the hour
        self._often = min(_OFTEN, 2 * self.forgotten * pool.units / rivals.mean_units(pool))

    def moments(self, random: Random, started: int) -> Iterator[int]:
        """The rounds in which the price may change, the last first."""
        begins = [-(-surge.at // ROUND) * ROUND for surge, _, _ in self._surges]
        at = started // ROUND * ROUND
        while True:
            before = at - max(1, round(random.expovariate(self._often) * HOUR / ROUND)) * ROUND
            while begins and begins[-1] >= at:
                begins.pop()
            at = max(before, begins[-1]) if begins else before
            if at <= started - PAST:
                return
            yield at

    def price(self, at: int, chance: float) -> int:
        """In eighths of a cent per unit, whole cents, as limits are. `chance` is standard normal."""
        stock = max(_LEAST, self._stock - self._chance * chance)
        usual, surging = rivals.demand(self._pool, at), self._surging(at)
        if self._wanted(usual, surging, 0) <= stock:
            return self._pool.reserve
        if surging:
            logarithm = self._between(usual, surging, stock)
        else:
            logarithm = self._temper.middle + self._temper.spread * _NORMAL.inv_cdf(1 - stock / usual)
        return -rivals.rank_at(self._pool, math.exp(logarithm))

    def chance_of(self, at: int, price: int) -> float:
        """The chance with which `price` comes about; at the reserve there is no telling, but for its bounds."""
        logarithm = math.log(price / self._pool.reserve)
        missing = self._stock - self._wanted(rivals.demand(self._pool, at), self._surging(at), logarithm)
        chance = missing / self._chance
        return max(-3.0, min(3.0, chance if logarithm else min(0.0, chance)))

    def _surging(self, at: int) -> list[tuple[float, float]]:
        return [(volume_at(surge, at), top) for surge, top, gone in self._surges if surge.at <= at < gone]

    def _wanted(self, usual: float, surging: Sequence[tuple[float, float]], logarithm: float) -> float:
        """How much is wanted above a multiple of the reserve, as a share of the stock."""
        wanted = usual * 0.5 * math.erfc((logarithm - self._temper.middle) / self._temper.spread / _ROOT_2)
        for volume, top in surging:
            if logarithm < top:
                wanted += volume * min(1.0, (1 - logarithm / top) / (1 - NARROW))
        return wanted

    def _between(self, usual: float, surging: Sequence[tuple[float, float]], stock: float) -> float:
        low, high = 0.0, self._highest
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self._wanted(usual, surging, middle) > stock:
                low = middle
            else:
                high = middle
        return low


_ROOT_2 = math.sqrt(2)
_NORMAL = NormalDist()
