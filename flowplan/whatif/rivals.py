"""The others' bids around the price of an auction. Their limits are secret: how deep a book is, is drawn.

Units are GPUs, limits are multiples of the price that the auction would have without new bids of one's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

ELASTICITY = 1.0  # where nothing is known: whoever takes 1 % of the stock raises the price by 1 %
_WORTH = 4.0  # orders that have to be seen before what is seen counts as much as what is assumed
_QUANTITIES = (1, 1, 1, 2, 4)  # instances that others ask for
_LARGEST = 4  # nobody else asks for more than the stock divided by this


class Order(NamedTuple):
    """A rival: `multiple` of the price is his limit per unit."""

    multiple: float
    units: int


class Depth(NamedTuple):
    """How many orders a change of price passes over: `elasticity` e means that (price / limit) ** e of the stock bids
    at least a limit. `orders` were seen within `distance` (logarithm of the price), 0 where nothing was.
    """

    orders: float = 0.0
    distance: float = 0.0

    def elasticity(self, stock_in_orders: float) -> float:
        """The middle of what is drawn."""
        shape, rate = self._gamma(stock_in_orders)
        return shape / rate

    def drawn(self, random: Random, stock_in_orders: float) -> float:
        shape, rate = self._gamma(stock_in_orders)
        return random.gammavariate(shape, 1 / rate)

    def _gamma(self, stock_in_orders: float) -> tuple[float, float]:
        """Orders come at random in the logarithm of the price, so their density is Gamma distributed after some were
        seen, when it was before."""
        return _WORTH + self.orders, _WORTH / ELASTICITY + self.distance * stock_in_orders


class Rivals(NamedTuple):
    """Winners that may be displaced, the lowest first, and losers, the highest first, whose limit is the price."""

    above: tuple[Order, ...]
    below: tuple[Order, ...]


class Lots(NamedTuple):
    """What others ask for: `sizes`, GPUs per instance of what the pool sells; `stock` in units."""

    sizes: tuple[int, ...]
    stock: int

    def draw(self, random: Random) -> int:
        """Units of an order; sizes take equal parts of the stock."""
        size = random.choices(self.sizes, [1 / size for size in self.sizes])[0]
        return self._units(size, random.choice(_QUANTITIES))

    @property
    def mean(self) -> float:
        per_size = [math.fsum(self._units(size, n) for n in _QUANTITIES) / len(_QUANTITIES) for size in self.sizes]
        shares = [1 / size for size in self.sizes]
        return math.fsum(map(math.prod, zip(per_size, shares, strict=True))) / math.fsum(shares)

    @property
    def largest(self) -> int:
        return max(self._units(size, max(_QUANTITIES)) for size in self.sizes)

    def _units(self, size: int, quantity: int) -> int:
        return size * max(1, min(quantity, self.stock // _LARGEST // size))


def drawn(random: Random, depth: Depth, lots: Lots, *, winning: int, displaced: int, freed: int) -> Rivals:
    """Rivals of one future. `winning`: units that others have now; of these as many are drawn as `displaced` may push
    out, and of those who wait as many as could take what comes free."""
    elasticity = depth.drawn(random, lots.stock / lots.mean)
    above: list[Order] = []
    left, wanted, at = winning, displaced, 0.0
    while left > 0 and wanted > 0:
        units = min(lots.draw(random), left)
        at += random.expovariate(elasticity * left / lots.mean)
        above.append(Order(math.exp(min(at, _HIGHEST)), units))
        left, wanted = left - units, wanted - units
    return Rivals(tuple(above), tuple(_waiting(random, elasticity, lots, freed)))


def _waiting(random: Random, elasticity: float, lots: Lots, freed: int) -> Sequence[Order]:
    below, at = [], 0.0
    while freed > 0:
        units = lots.draw(random)
        below.append(Order(math.exp(-at), units))
        at = min(at + random.expovariate(elasticity * lots.stock / lots.mean), _HIGHEST)
        freed -= units
    return below


_HIGHEST = math.log(1000)  # no limit is more than so many times the price
