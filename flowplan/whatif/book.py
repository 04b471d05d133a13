"""One's own bids among those of others: who wins, and at what price, by `pricing.clear`.

The others' limits move with the price, one's own do not. So who wins depends only on between whom each of one's own
limits stands: each such case is cleared once, however often the price moves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from flowplan.pricing import Order as Bid
from flowplan.pricing import clear
from flowplan.whatif.pools import Own
from flowplan.whatif.rivals import Rivals

LEAST = 1e-6  # dollars per unit: a price of nothing has no multiples
_OTHERS = 0  # the age of others' bids: between those of one's own that are there already and those that are new


class Cleared(NamedTuple):
    """Who of one's own wins. The price per unit is `fixed`, or else `multiple` times that of the market."""

    wins: tuple[bool, ...]
    multiple: float
    fixed: float | None

    def price(self, market: float) -> float:
        return market * self.multiple if self.fixed is None else self.fixed


class Book:
    """The book of one pool in one future. `held`: units that one's own bids have now, with which the price is what it
    is; `room`: units that are free while the price rests on the `reserve` (dollars per unit)."""

    def __init__(self, own: Sequence[Own], rivals: Rivals, *, held: int, room: int, reserve: float) -> None:
        self._own = own
        self._rivals = rivals
        self._held, self._room, self._reserve = held, room, reserve
        self._limits = [float(bid.limit) / bid.gpus for bid in own]
        self._multiples = sorted(order.multiple for order in (*rivals.above, *rivals.below))
        self._stock = held + sum(order.units for order in rivals.above)
        self._cases: dict[Hashable, Cleared] = {}

    def at(self, price: float) -> Cleared:
        """What comes of a market price of `price` dollars per unit."""
        price = max(round(price, 6), LEAST)
        case = self._case(price)
        if case not in self._cases:
            self._cases[case] = self._clear(price, at_rest=case is None)
        return self._cases[case]

    def _case(self, price: float) -> Hashable:
        if price <= self._reserve * (1 + 1e-9):
            return None
        places = [bisect_left(self._multiples, self._reserve / price)]
        for limit in self._limits:
            ratio = limit / price
            places += (bisect_left(self._multiples, ratio), bisect_right(self._multiples, ratio))
        return tuple(places)

    def _clear(self, price: float, *, at_rest: bool) -> Cleared:
        stock = self._stock + (self._room if at_rest else 0)
        rivals = self._rivals.above if at_rest else (*self._rivals.above, *self._rivals.below)
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
        """The price, where it is the reserve or set by a bid of one's own; None where others set it."""
        if price is None:
            return self._reserve
        return None if price in set(limits) else float(price)


def _bid(index: int, own: Own) -> Bid:
    age = _OTHERS - 1 if own.is_placed else _OTHERS + 1
    return Bid(str(index), own.limit / own.gpus, own.quantity * own.gpus, age)


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")
