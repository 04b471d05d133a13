"""The others' bids around the price of an auction. Their limits are secret: how deep a book is, is drawn.

Units are GPUs, limits are multiples of the price that the auction would have without new bids of yours.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

ELASTICITY = 1.0  # where nothing is known: whoever takes 1% of the stock raises the price by 1%
_WORTH = 4.0  # orders that have to be seen before what is seen counts as much as what is assumed
_QUANTITIES = (1, 1, 1, 2, 4)  # instances that others ask for
_LARGEST = 4  # nobody else asks for more than the stock divided by this


class Order(NamedTuple):
    """A rival: `multiple` of the price is his limit per unit."""

    multiple: float
    units: int


class Lots(NamedTuple):
    """What others ask for: `sizes`, GPUs per instance of what the pool sells; `stock` in units."""

    sizes: tuple[int, ...]
    stock: int

    def draw(self, random: Random) -> int:
        """Units of an order; sizes take equal parts of the stock."""
        size = random.choices(self.sizes, cum_weights=_reached(self.sizes))[0]
        return self._units(size, random.choice(_QUANTITIES))

    @property
    def mean(self) -> float:
        """Units of an order on average, as `draw` draws them."""
        per_size = [math.fsum(self._units(size, n) for n in _QUANTITIES) / len(_QUANTITIES) for size in self.sizes]
        shares = [1 / size for size in self.sizes]
        return math.fsum(map(math.prod, zip(per_size, shares, strict=True))) / math.fsum(shares)

    @property
    def largest(self) -> int:
        """The most units that an order can ask for."""
        return max(self._units(size, max(_QUANTITIES)) for size in self.sizes)

    def _units(self, size: int, quantity: int) -> int:
        return size * max(1, min(quantity, self.stock // _LARGEST // size))


@lru_cache(maxsize=256)
def _reached(sizes: tuple[int, ...]) -> list[float]:
    """The parts of an instance of each size, added up."""
    return list(accumulate(1 / size for size in sizes))


class Depth(NamedTuple):
    """How far prices are apart in a book. `seen`: (units, distance), the fewer first: who takes so many units displaces
    a limit that is this far above the price, in logarithms. What is further up, or between, is drawn: of the stock a
    share of (price / limit) ** elasticity bids at least a limit.
    """

    seen: tuple[tuple[int, float], ...] = ()

    def elasticity(self, lots: Lots) -> float:
        """What is drawn moves prices as this does, in the mean."""
        shape, rate = self._gamma(lots)
        return (shape - 1) / rate

    def drawn(self, random: Random, lots: Lots) -> float:
        """An elasticity for one future: of the gamma distribution that what was `seen` leaves open."""
        shape, rate = self._gamma(lots)
        return random.gammavariate(shape, 1 / rate)

    def _gamma(self, lots: Lots) -> tuple[float, float]:
        """Orders come at random in the logarithm of the price, so their density is Gamma distributed after some were
        seen, as it was before: shape and rate."""
        units, distance = self.seen[-1] if self.seen else (0, 0.0)
        return 1 + _WORTH + units / lots.mean, _WORTH / ELASTICITY + distance * lots.stock / lots.mean

    def placed(self, distances: Sequence[float], units: Sequence[int]) -> list[float]:
        """`distances` of orders of so many `units`, moved so that what was seen is so."""
        reached = list(accumulate(units))
        moved: list[float] = []
        before = known = 0.0
        for wanted, distance in self.seen:
            place = bisect_left(reached, wanted)
            if len(moved) <= place < len(reached):
                scale = (distance - known) / (distances[place] - before) if distances[place] > before else 0.0
                moved += [known + (one - before) * scale for one in distances[len(moved) : place + 1]]
                before, known = distances[place], distance
        return moved + [known + one - before for one in distances[len(moved) :]]


class Rivals(NamedTuple):
    """Winners that may be displaced, the lowest first, and losers, the highest first, whose limit is the price."""

    above: tuple[Order, ...]
    below: tuple[Order, ...]


def drawn(
    random: Random, elasticity: float, depth: Depth, lots: Lots, *, winning: int, displaced: int, freed: int
) -> Rivals:
    """Rivals in one book. `winning`: units that others have; of these as many are drawn as `displaced` may push out,
    and of those who wait as many as could take what comes free."""
    below = _waiting(Random(random.random()), elasticity, lots, freed)  # noqa: S311 - the same however many are above
    distances: list[float] = []
    units: list[int] = []
    left, at, mean = winning, 0.0, lots.mean
    while left > 0 and winning - left < displaced:
        at += random.expovariate(elasticity * left / mean)
        distances.append(at)
        units.append(min(lots.draw(random), left))
        left -= units[-1]
    above = [
        Order(math.exp(min(distance, _HIGHEST)), many)
        for distance, many in zip(depth.placed(distances, units), units, strict=True)
    ]
    return Rivals(tuple(above), tuple(below))


def _waiting(random: Random, elasticity: float, lots: Lots, freed: int) -> Sequence[Order]:
    """Those that could take what comes free, and one behind them that is too large for it: somebody always waits."""
    below, at, mean = [], 0.0, lots.mean
    while freed > 0:
        below.append(Order(math.exp(-at), lots.draw(random)))
        freed -= below[-1].units
        at = min(at + random.expovariate(elasticity * lots.stock / mean), _HIGHEST)
    return [*below, Order(math.exp(-at), lots.stock)]


_HIGHEST = math.log(1000)  # no limit is more than so many times the price
