"""The rivals: others who bid in the same auctions. Each pool has a seeded process of its own.

What comes is drawn event by event: the `number`-th of a pool always from the same random numbers, so that the market
is the same however time is cut into pieces. An event is an arrival or a change of mind about the limit. Surges, many
at once with limits far above the reserve, come on top (surges.py). Rivals know when they will leave when they come.
Between two events nothing happens, and nothing is computed.

So prices look as spot prices do: flat at the reserve while there is room, wandering where more is wanted than there
is, bursts that fall back in steps. The past, before the simulator began, is made from the same numbers (past.py).
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Container
from functools import lru_cache
from random import Random
from typing import Literal, NamedTuple

from flowplan.simulator.clock import DAY, HOUR, ROUND


class Temper(NamedTuple):
    """How a pool's rivals behave. `demand`: units wanted, as a share of the stock, a day's mean; `cycle`: by how much
    it swings with the time of day. `stay`: hours, their mean. Limits are log-normal multiples of the reserve (`middle`
    and `spread` of the logarithm). `surges` a day, their mean; `lasts`: hours that half of a usual surge stays;
    `highest`: multiple of the reserve that no limit is above.
    """

    demand: float
    cycle: float
    stay: float
    middle: float
    spread: float
    highest: float
    surges: float
    lasts: float


TEMPERS = {
    "calm": Temper(0.5, 0.05, 30, 0.12, 0.1, 1.5, 0, 0),
    "idle": Temper(0.72, 0.08, 14, 0.5, 0.5, 25, 0.5, 1.0),
    "busy": Temper(1.4, 0.3, 6, 0.6, 0.5, 80, 0.8, 3.0),
}
_QUANTITIES = (1, 1, 1, 1, 1, 2, 2, 3, 4)
CHANGES_OF_MIND = 1.0  # a day and rival


class Pool(NamedTuple):
    """A pool as its rivals see it. `sizes`: (auction, weight) of each; `reserve` in eighths of a cent per unit."""

    seq: int
    units: int
    reserve: int
    temper: str
    sizes: tuple[tuple[int, int], ...]


def pools(db: sqlite3.Connection, seqs: Container[int] | None = None) -> list[Pool]:
    """The pools (None: all), as their rivals see them."""
    found = []
    rows = db.execute("SELECT seq, units, reserve, temper FROM pools ORDER BY seq").fetchall()
    for seq, units, reserve, temper in rows:
        if seqs is None or seq in seqs:
            sizes = db.execute("SELECT seq, weight FROM auctions WHERE pool = ? ORDER BY seq", (seq,)).fetchall()
            found.append(Pool(seq, units, reserve, temper, tuple(sizes)))
    return found


class Rival(NamedTuple):
    """One rival's order. `rank` as in the book (store.py); `leaves_at` in ms."""

    auction: int
    units: int
    rank: int
    leaves_at: int


class Event(NamedTuple):
    """What happens, and after how many ms the next event does. `changes`: the one at this place (0 to 1) in the order
    of the rivals' age takes the limit of rank `rank`."""

    next_in: int
    comes: list[Rival]
    changes: tuple[float, int] | None = None


def population(seed: int, pool: Pool, now: int) -> list[Rival]:
    """The rivals who are there at the start, but for those of surges."""
    random = _random(seed, pool, "start")
    wanted = round(pool.units * demand(pool, now))
    present: list[Rival] = []
    while wanted > 0:
        rival = _arrival(random, pool, now)
        present.append(rival)
        wanted -= rival.units
    return present


def event(seed: int, pool: Pool, number: int, now: int) -> Event:
    """The `number`-th event of a pool; it happens at `now`. The 0-th is only the wait for the first."""
    random = _random(seed, pool, number)
    highest, arrivals, changes = _rates(pool)
    next_in = max(1, round(random.expovariate(arrivals + changes) * HOUR))
    kind = random.random() * (arrivals + changes)
    if number == 0:
        return Event(next_in, [])
    if kind < changes:
        return Event(next_in, [], (random.random(), _rank(random, pool)))
    if random.random() * highest < pool.units * _inflow(pool, now):
        return Event(next_in, [_arrival(random, pool, now)])
    return Event(next_in, [])


@lru_cache(maxsize=256)
def _rates(pool: Pool) -> tuple[float, float, float]:
    """The most units that are ever wanted at once; how many rivals may arrive an hour, and change their minds."""
    temper = TEMPERS[pool.temper]
    highest = pool.units * temper.demand * (1 + temper.cycle * math.hypot(1, _turns(temper)))
    arrivals = highest / mean_units(pool) / temper.stay
    changes = pool.units * temper.demand / mean_units(pool) * CHANGES_OF_MIND / 24
    return highest, arrivals, changes


def _random(seed: int, pool: Pool, what: int | Literal["start"]) -> Random:
    return Random(f"{seed}:{pool.seq}:{what}")  # noqa: S311


def demand(pool: Pool, now: int) -> float:
    """As a share of the stock, by the time of day: most at about nine o'clock, in some pools earlier, in some later."""
    temper = TEMPERS[pool.temper]
    return temper.demand * (1 + temper.cycle * math.cos(_time_of_day(pool, now)))


def _inflow(pool: Pool, now: int) -> float:
    """What has to arrive within one stay, as a share of the stock, for the demand to be what it is: who comes stays,
    so arrivals swing earlier and further than the demand."""
    temper = TEMPERS[pool.temper]
    angle = _time_of_day(pool, now)
    return temper.demand * (1 + temper.cycle * (math.cos(angle) - _turns(temper) * math.sin(angle)))


def _turns(temper: Temper) -> float:
    return 2 * math.pi * temper.stay / 24


def _time_of_day(pool: Pool, now: int) -> float:
    noon = 9 * HOUR + (pool.seq % 5 - 2) * HOUR
    return 2 * math.pi * (now - noon) / DAY


def mean_units(pool: Pool) -> float:
    """Of an arrival: sizes come in inverse proportion to their weight."""
    shares = sum(1 / weight for _, weight in pool.sizes)
    return len(pool.sizes) / shares * sum(_QUANTITIES) / len(_QUANTITIES)


def mean_square_units(pool: Pool) -> float:
    """Of the units of an arrival, squared."""
    shares = sum(1 / weight for _, weight in pool.sizes)
    squares = sum(quantity**2 for quantity in _QUANTITIES) / len(_QUANTITIES)
    return sum(weight for _, weight in pool.sizes) / shares * squares


def _arrival(random: Random, pool: Pool, now: int) -> Rival:
    auction, units = size(random, pool)
    stay = random.expovariate(1 / TEMPERS[pool.temper].stay) * HOUR
    return Rival(auction, units, _rank(random, pool), now + max(ROUND, round(stay)))


def size(random: Random, pool: Pool) -> tuple[int, int]:
    """(auction, units) of an order. Nobody wants more than a quarter of the stock."""
    auction, weight = random.choices(pool.sizes, [1 / weight for _, weight in pool.sizes])[0]
    return auction, weight * max(1, min(random.choice(_QUANTITIES), pool.units // 4 // weight))


def _rank(random: Random, pool: Pool) -> int:
    temper = TEMPERS[pool.temper]
    return rank_at(pool, min(random.lognormvariate(temper.middle, temper.spread), temper.highest))


def rank_at(pool: Pool, multiple: float) -> int:
    """The rank of a limit so many times the reserve: whole cents per unit, never below the reserve."""
    return min(-pool.reserve, -(round(pool.reserve * multiple / 8) * 8))
