"""What the bids were billed that an address has no longer: the ledger of a state. Pure.

It has one entry a bid, with the whole amount of a bill. So a bill that is read twice, two copies
of a state, or a run that was killed between the bill and the save count nothing twice.

A later bill wins, also one that was corrected downwards, if it is for at least as many
instance-hours. One for fewer lags, or lacks a part: it lowers nothing.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal
from typing import TypeAlias

import attrs

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.model.bill import Bill


@frozen
class Paid:
    """One bid that `address` had. `amount`: the dollars that it was billed; None: no bill was read since it ended.
    `at`: when the first was read (seconds since the epoch); later ones may say more, since bills lag. `hours`: the
    instance-hours that were billed; None: unknown. `read_at`: when the bill was read that says so."""

    address: Address
    amount: Decimal | None = None
    at: float = 0.0
    hours: Decimal | None = None
    read_at: float = 0.0

    def after(self, bill: Bill, at: float) -> Paid:
        """What is known after `bill`, which was read at `at`."""
        first = at if self.amount is None else self.at
        if self.amount is None or self._is_covered_by(bill):
            return attrs.evolve(self, amount=bill.amount, at=first, hours=bill.hours, read_at=at)
        return attrs.evolve(self, amount=max(self.amount, bill.amount))

    def _is_covered_by(self, bill: Bill) -> bool:
        """Whether `bill` has all that is counted here. Where the hours are unknown, less money may be less of them."""
        if self.hours is None:
            return self.amount is None or bill.amount >= self.amount
        return bill.hours >= self.hours


Ledger: TypeAlias = Mapping[str, Paid]  # by the bid's id
NOT_BILLED = Bill(Decimal(0), Decimal(0))
GROWS_FOR = 7 * 24 * 3600.0  # seconds since its bill was read first: far above any lag of a bill


def with_bid(ledger: Ledger, id: str, address: Address) -> Ledger:
    """`ledger` with the bid `id`, which `address` has no longer; what is known of it stays known."""
    known = ledger.get(id) or Paid(address.current)
    return {**ledger, id: attrs.evolve(known, address=address.current)}


def moved(ledger: Ledger, old: Address, new: Address) -> Ledger:
    """`ledger` in which the bids of `old` are those of `new`."""
    return {id: attrs.evolve(one, address=new) if one.address == old else one for id, one in ledger.items()}


def merged(one: Ledger, other: Ledger) -> Ledger:
    """Every bid of both, once: by the bill for more hours, of two for as many by the later one."""
    return {**one, **{id: _later(one[id], found) if id in one else found for id, found in other.items()}}


def _later(one: Paid, other: Paid) -> Paid:
    """The one that counts, in whichever order they are given."""
    if one.hours is None or other.hours is None:
        return max(one, other, key=_by_amount)
    return max(one, other, key=lambda known: (known.hours, known.read_at, _by_amount(known)))


def _by_amount(known: Paid) -> tuple[Decimal, Decimal, bool, float, str]:
    """An unknown amount comes before every known one, and so do unknown hours."""
    amount = Decimal(-1) if known.amount is None else known.amount
    return amount, known.hours or Decimal(0), known.hours is not None, known.at, str(known.address)


def unsettled(ledger: Ledger, ended: Container[str], now: float) -> frozenset[str]:
    """The bids whose bill has to be read again: nobody has since they ended, or that is so lately, as are those that
    `ended`, that more may be billed."""
    return frozenset(
        id for id, one in ledger.items() if one.amount is None or id in ended or abs(now - one.at) < GROWS_FOR
    )


def billed(ledger: Ledger, bills: Mapping[str, Bill], at: float, ended: Container[str]) -> Ledger:
    """`ledger` after the bills of `at`, one of each bid that they list. What they do not list was not billed, if it
    `ended` lately; of an older one nobody knows how far back bills go."""
    found = dict(ledger)
    for id in unsettled(ledger, ended, at):
        if id in bills or id in ended:
            found[id] = ledger[id].after(bills.get(id, NOT_BILLED), at)
    return found
