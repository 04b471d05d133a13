"""The auction rule: who wins, and what the winners pay.

`clear` is FCP's second price, uniform for all winners of an auction, with all-or-nothing
quantities. Where the public documentation is silent, docs/ASSUMPTIONS.md says what is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import frozen


@frozen
class Order:
    """One bid in the book: `limit_price` in dollars per instance-hour; the smaller `created_at`, the older."""

    id: str
    limit_price: Decimal
    quantity: int
    created_at: int


@frozen
class Clearing:
    """What an auction comes to. `price` and `lowest_allocated` are None when nobody wins.

    `ambiguous` is (price, price under the other reading) where the documentation's rule does not
    determine the price: a large bid was passed over although its limit is above a winner's.
    """

    price: Decimal | None
    winners: tuple[str, ...]
    lowest_allocated: Decimal | None
    ambiguous: tuple[Decimal, Decimal] | None = None


def clear(capacity: int, reserve: Decimal, orders: Iterable[Order]) -> Clearing:
    """Clear one auction of `capacity` instances with minimum price `reserve` ($/instance-hour).

    1. Orders below the reserve never win and never set the price.
    2. Highest limit first; equal limits: the older first, then by id.
    3. An order wins if all of it fits in what is left; else it is passed over and the walk goes on.
    4. Every winner pays the highest losing limit that is not above the lowest winning one, or the reserve.
    """
    eligible = sorted(
        (order for order in orders if order.limit_price >= reserve),
        key=lambda order: (-order.limit_price, order.created_at, order.id),
    )
    winners: list[str] = []
    losing: list[Decimal] = []
    lowest: Decimal | None = None
    left = capacity
    for order in eligible:
        if order.quantity <= left:
            left -= order.quantity
            winners.append(order.id)
            lowest = order.limit_price
        else:
            losing.append(order.limit_price)
    if lowest is None:
        return Clearing(None, (), None)
    price = max([reserve, *(limit for limit in losing if limit <= lowest)])
    capped = max(reserve, min(max(losing), lowest)) if losing else reserve
    return Clearing(price, tuple(winners), lowest, (price, capped) if price != capped else None)
