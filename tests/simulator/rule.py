"""The auction rule a second time, written down for tests to check against: short and slow.

docs/ASSUMPTIONS.md, A1 to A3: who is ahead of whom, who fits, and what is paid. All in a pool's own units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Bidder(NamedTuple):
    """A limit per unit (any integer measure), the age (the smaller, the older) and the units wanted, all or nothing."""

    limit: int
    age: int
    units: int


def winners_of(stock: int, reserve: int, book: Sequence[Bidder]) -> set[Bidder]:
    """Who wins: from the highest limit, of equal ones the oldest, whoever fits beside those before."""
    winners: set[Bidder] = set()
    for bidder in sorted(book, key=lambda one: (-one.limit, one.age)):
        if bidder.limit >= reserve and bidder.units <= stock:
            winners.add(bidder)
            stock -= bidder.units
    return winners


def price_of(reserve: int, book: Sequence[Bidder], winners: set[Bidder]) -> int:
    """What each winner pays: the highest limit that lost and that no winner is below; at least the reserve."""
    if not winners:
        return reserve
    lowest = min(winner.limit for winner in winners)
    return max([reserve, *(one.limit for one in book if one not in winners and one.limit <= lowest)])


def cents_of(eighths: int, weight: int) -> int:
    """Eighths of a cent per unit for an instance of `weight` units, in cents, rounded up."""
    whole, rest = divmod(eighths * weight, 8)
    return whole + (1 if rest else 0)
