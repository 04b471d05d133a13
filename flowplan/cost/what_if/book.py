"""Your own bids among those of others: which win, and at what price, by `pricing.clear`.

The others' limits move with the price, yours do not. So the winners depend only on where each of your limits stands
among theirs: each such case is cleared once, however often the price moves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from flowplan.cost.what_if.pools import Own
from flowplan.cost.what_if.rivals import Order, Rivals
from flowplan.pricing.auction import Order as Bid
from flowplan.pricing.auction import clear

LEAST = 1e-6  # dollars per unit: a price of nothing has no multiples
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
        self._own = own
        self._reserve = reserve
        self._rivals = (*rivals.above, *rivals.below)
        self._stock = stock - _never_displaced(rivals.above, stock - held)
        self._at_rest = _within(rivals.above, stock - held - room)
        self._stock_at_rest = stock - _never_displaced(rivals.above, stock - held - room)
        self._limits = [float(bid.limit_price) / bid.gpus for bid in own]
        self._multiples = sorted(order.multiple for order in self._rivals)
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
        for limit in (self._reserve, *self._limits):
            place = bisect_left(self._multiples, (limit - LEAST) / price)
            if place < len(self._multiples) and self._multiples[place] * price <= limit + LEAST:
                return _TIE
            places.append(place)
        return tuple(places)

    def _clear(self, price: float, *, at_rest: bool) -> Cleared:
        rivals = self._at_rest if at_rest else self._rivals
        stock = self._stock_at_rest if at_rest else self._stock
        others = {f"other {n}": _decimal(price * order.multiple) for n, order in enumerate(rivals)}
        bids = [
            *(Bid(id, others[id], order.units, _OTHERS) for id, order in zip(others, rivals, strict=True)),
            *(_bid(index, own) for index, own in enumerate(self._own)),
        ]
        found = clear(stock, _decimal(self._reserve), bids)
        won = set(found.winners)
        wins = tuple(str(index) in won for index in range(len(self._own)))
        fixed = self._set_by_none_of(others.values(), found.price)
        multiple = 1.0
        if fixed is None:
            multiple = next(
                order.multiple for order, limit in zip(rivals, others.values(), strict=True) if limit == found.price
            )
        return Cleared(wins, multiple, fixed)

    def _set_by_none_of(self, limits: Iterable[Decimal], price: Decimal | None) -> float | None:
        """The price, where it is the reserve or set by a bid of yours; None where others set it."""
        if price is None:
            return self._reserve
        return None if price in set(limits) else float(price)


def _never_displaced(above: Sequence[Order], winning: int) -> int:
    """Of the `winning` units of others those that are not in `above`: no bid of yours reaches so far."""
    return max(0, winning - sum(order.units for order in above))


def _within(above: Sequence[Order], units: int) -> tuple[Order, ...]:
    """The lowest orders, as many as have room in `units`."""
    reached = accumulate(order.units for order in above)
    return tuple(order for order, up_to in zip(above, reached, strict=True) if up_to <= units)


def _bid(index: int, own: Own) -> Bid:
    age = _OTHERS - 1 if own.is_placed else _OTHERS + 1
    return Bid(str(index), own.limit_price / own.gpus, own.quantity * own.gpus, age)


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")
