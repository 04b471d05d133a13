"""Surges: now and then many rivals at once want far more than usual, and pay far more; they leave one by one.

When, how many, how high and for how long is drawn day by day of virtual time, whatever the simulator does: so the past
(past.py) has surges as the present has, and one that began before the simulator goes on in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import NamedTuple

from flowplan.simulator.auctions.rivals import CHANGES_OF_MIND, TEMPERS, Pool, Rival, rank_at, size
from flowplan.simulator.clock import DAY, HOUR, ROUND

LONGEST = 48.0  # hours that a rival of a surge stays, in the mean
FORGOTTEN = 4 * DAY  # after which even the longest surge is as good as over (`gone_at`)
_TAIL = 0.8  # of the heights; the smaller, the heavier
NARROW = 0.7  # the lowest limit of a surge is the highest to this power, as a multiple of the reserve


class Surge(NamedTuple):
    """One surge. `at`: when it begins (ms); `volume`: units wanted, as a share of the stock; `height`: its highest
    limit as a multiple of the reserve; `stay`: hours, the mean of its rivals."""

    at: int
    volume: float
    height: float
    stay: float


def surges(seed: int, pool: Pool, start: int, end: int) -> list[Surge]:
    """Those that begin after `start` and not after `end` (ms), the first first."""
    days = range(start // DAY, end // DAY + 1)
    return [surge for day in days for surge in _of_day(seed, pool, day) if start < surge.at <= end]


def next_surge(seed: int, pool: Pool, after: int) -> Surge | None:
    """The first that begins after `after` (ms); None: this pool has none."""
    if not TEMPERS[pool.temper].surges:
        return None
    day = after // DAY
    while True:
        for surge in _of_day(seed, pool, day):
            if surge.at > after:
                return surge
        day += 1


@lru_cache(maxsize=1024)
def _of_day(seed: int, pool: Pool, day: int) -> tuple[Surge, ...]:
    return tuple(_draw(seed, pool, day))


def _draw(seed: int, pool: Pool, day: int) -> Iterator[Surge]:
    temper = TEMPERS[pool.temper]
    if not temper.surges:
        return
    random = Random(f"{seed}:{pool.seq}:surges:{day}")  # noqa: S311
    at = day * DAY
    while (at := at + max(1, round(random.expovariate(temper.surges) * DAY))) < (day + 1) * DAY:
        volume = random.uniform(0.8, 3)
        height = min(1.5 + 1.2 * random.paretovariate(_TAIL), temper.highest)
        stay = min(temper.lasts * random.lognormvariate(0.3, 0.9), LONGEST)
        yield Surge(at, volume, height, stay)


def rivals_of(seed: int, pool: Pool, surge: Surge) -> list[Rival]:
    """Who comes in a surge."""
    random = Random(f"{seed}:{pool.seq}:surge:{surge.at}")  # noqa: S311
    wanted = round(pool.units * surge.volume)
    comes = []
    while wanted > 0:
        auction, units = size(random, pool)
        leaves_at = surge.at + max(ROUND, round(random.expovariate(1 / surge.stay) * HOUR))
        limit = surge.height ** random.uniform(NARROW, 1)
        comes.append(Rival(auction, units, rank_at(pool, limit), leaves_at))
        wanted -= units
    return comes


def still_there(seed: int, pool: Pool, now: int) -> list[Rival]:
    """The rivals of past surges who are there at `now` (ms); not the last few of one that is as good as over."""
    begun = [surge for surge in surges(seed, pool, now - FORGOTTEN, now) if gone_at(surge) > now]
    return [rival for surge in begun for rival in rivals_of(seed, pool, surge) if rival.leaves_at > now]


def volume_at(surge: Surge, at: int) -> float:
    """Units that a surge is expected to want still at `at` (ms), as a share of the stock."""
    return surge.volume * math.exp((surge.at - at) / HOUR * _thins_by(surge))


def gone_at(surge: Surge) -> int:
    """When (ms) not a hundredth of the stock is wanted any more."""
    return surge.at + round(math.log(surge.volume * 100) / _thins_by(surge) * HOUR)


def _thins_by(surge: Surge) -> float:
    """Its share that is gone in an hour: some have left, some have changed their minds."""
    return 1 / surge.stay + CHANGES_OF_MIND / 24
