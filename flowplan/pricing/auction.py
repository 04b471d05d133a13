"""The auction rule: who wins, and what the winners pay.

`clear` is FCP's second price, uniform for all winners of an auction, with all-or-nothing
quantities. Where the public documentation is silent, docs/ASSUMPTIONS.md says what is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from flowplan.classes import frozen

_Bid = TypeVar("_Bid")
_Limit = TypeVar("_Limit", int, Decimal)


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
    ordered = sorted(orders, key=lambda order: (-order.limit_price, order.created_at, order.id))
    walked = walk(capacity, reserve, ((order.id, order.limit_price, order.quantity) for order in ordered))
    if walked.lowest is None:
        return Clearing(None, (), None)
    losing, lowest, price = walked.losing, walked.lowest, walked.price
    capped = max(reserve, min(losing[0], lowest)) if losing else reserve
    return Clearing(price, tuple(walked.winners), lowest, (price, capped) if price != capped else None)


class Walk(NamedTuple, Generic[_Bid, _Limit]):
    """Who wins, the first in the book first; the limits that lost, the highest first; what is left of the capacity.
    `lowest` is the lowest limit that wins, None where none does: then `price` is the reserve."""

    winners: list[_Bid]
    losing: list[_Limit]
    lowest: _Limit | None
    price: _Limit
    left: int


def walk(
    capacity: int, reserve: _Limit, book: Iterable[tuple[_Bid, _Limit, int]], smallest: int = 0
) -> Walk[_Bid, _Limit]:
    """`clear` for a book that is in its order already: (bid, limit, quantity) each, limits in the unit of `reserve`.

    Where less is left than `smallest`, the least quantity that may come, only the next of the losing limits is looked
    at: it alone can set the price. So a long queue behind the winners costs nothing.
    """
    winners: list[_Bid] = []
    losing: list[_Limit] = []
    lowest: _Limit | None = None
    left = capacity
    for bid, limit, quantity in book:
        if limit < reserve:
            break
        if quantity <= left:
            left -= quantity
            winners.append(bid)
            lowest = limit
        else:
            losing.append(limit)
            if left < smallest:
                break
    price = reserve if lowest is None else next((limit for limit in losing if limit <= lowest), reserve)
    return Walk(winners, losing, lowest, price, left)
