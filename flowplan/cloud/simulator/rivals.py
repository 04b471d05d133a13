"""The rivals: others who bid in the same auctions. Each pool has a seeded process of its own.

What comes is drawn event by event: the `number`-th of a pool always from the same random numbers, so that the market
is the same however time is cut into pieces. An event is an arrival, a change of mind about the limit, or a surge: many
at once with limits far above the reserve (their tail is heavy), gone within hours. Rivals know when they will leave
when they come. Between two events nothing happens, and nothing is computed.

So prices look as spot prices do: flat at the reserve while there is room, wandering where more is wanted than there
is, bursts that fall back in steps.
"""

from __future__ import annotations

import math
from random import Random
from typing import Literal, NamedTuple

from flowplan.cloud.simulator.clock import DAY, HOUR, ROUND


class Temper(NamedTuple):
    """How a pool's rivals behave. `demand`: units wanted, as a share of the stock, a day's mean; `cycle`: by how much
    it swings with the time of day. `stay`: hours, their mean. Limits are log-normal multiples of the reserve (`middle`
    and `spread` of the logarithm), at most `highest`. `surges` a day, their mean.
    """

    demand: float
    cycle: float
    stay: float
    middle: float
    spread: float
    highest: float
    surges: float


TEMPERS = {
    "calm": Temper(0.5, 0.05, 30, 0.12, 0.1, 1.5, 0),
    "idle": Temper(0.72, 0.15, 14, 0.5, 0.5, 12, 1.2),
    "busy": Temper(1.2, 0.3, 6, 0.6, 0.5, 12, 1.5),
}
_QUANTITIES = (1, 1, 1, 1, 1, 2, 2, 3, 4)
_CHANGES_OF_MIND = 1.0  # a day and rival


class Pool(NamedTuple):
    """A pool as its rivals see it. `sizes`: (auction, weight) of each; `reserve` in eighths of a cent per unit."""

    seq: int
    units: int
    reserve: int
    temper: str
    sizes: tuple[tuple[int, int], ...]


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
    """The rivals who are there at the start."""
    random = _random(seed, pool, "start")
    wanted = round(pool.units * _demand(pool, now))
    present: list[Rival] = []
    while wanted > 0:
        rival = _arrival(random, pool, now)
        present.append(rival)
        wanted -= rival.units
    return present


def event(seed: int, pool: Pool, number: int, now: int) -> Event:
    """The `number`-th event of a pool; it happens at `now`. The 0-th is only the wait for the first."""
    random = _random(seed, pool, number)
    temper = TEMPERS[pool.temper]
    highest = pool.units * temper.demand * (1 + temper.cycle)
    arrivals = highest / _mean_units(pool) / temper.stay  # an hour, as everything here
    changes = highest / _mean_units(pool) * _CHANGES_OF_MIND / 24
    surges = temper.surges / 24
    next_in = max(1, round(random.expovariate(arrivals + changes + surges) * HOUR))
    kind = random.random() * (arrivals + changes + surges)
    if number == 0:
        return Event(next_in, [])
    if kind < surges:
        return Event(next_in, _surge(random, pool, now))
    if kind < surges + changes:
        return Event(next_in, [], (random.random(), _rank(random, pool)))
    if random.random() * highest < pool.units * _demand(pool, now):
        return Event(next_in, [_arrival(random, pool, now)])
    return Event(next_in, [])


def _random(seed: int, pool: Pool, what: int | Literal["start"]) -> Random:
    return Random(f"{seed}:{pool.seq}:{what}")  # noqa: S311


def _demand(pool: Pool, now: int) -> float:
    """As a share of the stock, by the time of day: most at about nine o'clock, in some pools earlier, in some later."""
    temper = TEMPERS[pool.temper]
    noon = 9 * HOUR + (pool.seq % 5 - 2) * HOUR
    return temper.demand * (1 + temper.cycle * math.cos(2 * math.pi * (now - noon) / DAY))


def _mean_units(pool: Pool) -> float:
    """Of an arrival: sizes come in inverse proportion to their weight."""
    shares = sum(1 / weight for _, weight in pool.sizes)
    return len(pool.sizes) / shares * sum(_QUANTITIES) / len(_QUANTITIES)


def _arrival(random: Random, pool: Pool, now: int) -> Rival:
    auction, units = _size(random, pool)
    stay = random.expovariate(1 / TEMPERS[pool.temper].stay) * HOUR
    return Rival(auction, units, _rank(random, pool), now + max(ROUND, round(stay)))


def _size(random: Random, pool: Pool) -> tuple[int, int]:
    """(auction, units). Nobody wants more than a quarter of the stock."""
    auction, weight = random.choices(pool.sizes, [1 / weight for _, weight in pool.sizes])[0]
    return auction, weight * max(1, min(random.choice(_QUANTITIES), pool.units // 4 // weight))


def _rank(random: Random, pool: Pool) -> int:
    temper = TEMPERS[pool.temper]
    return _at_multiple(pool, min(random.lognormvariate(temper.middle, temper.spread), temper.highest))


def _at_multiple(pool: Pool, multiple: float) -> int:
    """The rank of a limit so many times the reserve: whole cents per unit, never below the reserve."""
    return min(-pool.reserve, -(round(pool.reserve * multiple / 8) * 8))


def _surge(random: Random, pool: Pool, now: int) -> list[Rival]:
    """Between a third and all of the stock and more, at limits that no one else pays."""
    wanted = round(pool.units * random.uniform(0.3, 1.5))
    height = min(1 + 0.4 * random.paretovariate(1.3), TEMPERS[pool.temper].highest)
    stay = random.uniform(0.3, 2.5)
    comes = []
    while wanted > 0:
        auction, units = _size(random, pool)
        leaves_at = now + max(ROUND, round(random.expovariate(1 / stay) * HOUR))
        comes.append(Rival(auction, units, _at_multiple(pool, height * random.uniform(0.75, 1)), leaves_at))
        wanted -= units
    return comes
