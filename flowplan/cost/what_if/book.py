"""Your own bids among those of others: which win, and at what price, by the rule of `pricing.clear`.

The others' limits move with the price, yours do not. So the winners depend only on where each of your limits stands
among theirs: each such case is cleared once, however often the price moves. Limits are whole numbers here, of a part of
a dollar in which each is exact: tests/cost/test_what_if.py holds the result against that of `clear`, to the last bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, repeat
from math import lcm
from typing import NamedTuple

from flowplan.cost.what_if.pools import Own
from flowplan.cost.what_if.rivals import Order, Rivals
from flowplan.pricing.auction import walk

LEAST = 1e-6  # dollars per unit: a price of nothing has no multiples
_MILLION = 10**6
_TOO_NEAR = 0.49  # the product is less than a hundredth off up to 70 million dollars
_TIE = "tie"
_OTHERS = 0  # the age of others' bids: between those of one's own that are there already and those that are new


class Cleared(NamedTuple):
    """Which of your own bids win. The price per unit is `fixed`, or else `multiple` times that of the market."""

    wins: tuple[bool, ...]
    multiple: float
    fixed: float | None

    def price(self, market: float) -> float:
        """Dollars per unit, where the market asks for `market` dollars."""
        return market * self.multiple if self.fixed is None else self.fixed


class Book:
    """The book of one pool of `stock` units in one future. `held`: units that your own bids have now, with which the
    price is what it is; `room`: units that are free while the price rests on the `reserve` (dollars per unit)."""

    def __init__(self, own: Sequence[Own], rivals: Rivals, *, stock: int, held: int, room: int, reserve: float) -> None:
        self._own = _Mine.of(own)
        self._reserve = reserve
        self._rivals = _Others.of((*rivals.above, *rivals.below))
        self._stock = stock - _never_displaced(rivals.above, stock - held)
        self._at_rest = _Others.of(_within(rivals.above, stock - held - room))
        self._stock_at_rest = stock - _never_displaced(rivals.above, stock - held - room)
        limits = (reserve, *(float(bid.limit_price) / bid.gpus for bid in own))
        self._around = [(limit - LEAST, limit + LEAST) for limit in limits]
        self._multiples = sorted(self._rivals.multiples)
        self._cases: dict[Hashable, Cleared] = {}

    def at(self, price: float) -> Cleared:
        """What comes of a market price of `price` dollars per unit, which is never below the reserve."""
        price = max(round(price, 6), LEAST)
        at_rest = price <= self._reserve * (1 + 1e-9)
        case = None if at_rest else self._case(price)
        if case == _TIE:
            return self._clear(price, at_rest=False)
        if case not in self._cases:
            self._cases[case] = self._clear(price, at_rest=at_rest)
        return self._cases[case]

    def _case(self, price: float) -> Hashable:
        """Between which of the others each limit, and the reserve, stands; a tie if that is nearer than what limits are
        rounded to."""
        places = []
        multiples = self._multiples
        for below, above in self._around:
            place = bisect_left(multiples, below / price)
            if place < len(multiples) and multiples[place] * price <= above:
                return _TIE
            places.append(place)
        return tuple(places)

    def _clear(self, price: float, *, at_rest: bool) -> Cleared:
        rivals = self._at_rest if at_rest else self._rivals
        stock = self._stock_at_rest if at_rest else self._stock
        own, scale = self._own, self._own.scale
        lowered = [-scale * _millionths(price * multiple) for multiple in rivals.multiples]
        book = [*zip(lowered, repeat(_OTHERS), rivals.names, rivals.units, repeat(-1)), *own.book]
        book.sort()
        reserve = scale * _millionths(self._reserve)
        walked = walk(stock, reserve, ((who, -limit, units) for limit, _, _, units, who in book), 1)
        wins = [False] * len(own.book)
        for who in walked.winners:
            if who >= 0:
                wins[who] = True
        if walked.lowest is None:
            return Cleared(tuple(wins), 1.0, self._reserve)
        if -walked.price in lowered:
            return Cleared(tuple(wins), rivals.multiples[lowered.index(-walked.price)], None)
        return Cleared(tuple(wins), 1.0, own.dollars.get(walked.price, walked.price / (scale * _MILLION)))


class _Others(NamedTuple):
    """The bids of others: `multiples` of the price, `units`, and `names`, by which those of equal limits go."""

    multiples: tuple[float, ...]
    units: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, orders: Sequence[Order]) -> _Others:
        names = (f"other {number}" for number in range(len(orders)))
        return cls(tuple(one.multiple for one in orders), tuple(one.units for one in orders), tuple(names))


class _Mine(NamedTuple):
    """Your bids. `scale`: parts of a millionth of a dollar in which their limits are whole; `book`: (the limit, negated
    and in such parts; age; name; units; place among your bids), `dollars` per unit of each limit."""

    scale: int
    book: tuple[tuple[int, int, str, int, int], ...]
    dollars: dict[int, float]

    @classmethod
    def of(cls, own: Sequence[Own]) -> _Mine:
        limits = [Fraction(bid.limit_price) * _MILLION / bid.gpus for bid in own]
        scale = lcm(*(limit.denominator for limit in limits))
        whole = [int(limit * scale) for limit in limits]
        book = (
            (-limit, _OTHERS - 1 if bid.is_placed else _OTHERS + 1, str(place), bid.quantity * bid.gpus, place)
            for place, (bid, limit) in enumerate(zip(own, whole, strict=True))
        )
        dollars = {limit: float(bid.limit_price / bid.gpus) for bid, limit in zip(own, whole, strict=True)}
        return cls(scale, tuple(book), dollars)


def _never_displaced(above: Sequence[Order], winning: int) -> int:
    """Of the `winning` units of others those that are not in `above`: no bid of yours reaches so far."""
    return max(0, winning - sum(order.units for order in above))


def _within(above: Sequence[Order], units: int) -> tuple[Order, ...]:
    """The lowest orders, as many as have room in `units`."""
    reached = accumulate(order.units for order in above)
    return tuple(order for order, up_to in zip(above, reached, strict=True) if up_to <= units)


def _millionths(dollars: float) -> int:
    """Rounded as the decimal digits of `dollars` say: by these where the product is too near a half to tell."""
    product = dollars * _MILLION
    found = round(product)
    if abs(product - found) > _TOO_NEAR:
        return int(Decimal(f"{dollars:.6f}") * _MILLION)
    return found
