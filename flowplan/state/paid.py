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


class OpenLedger:
    """A ledger that is being changed: what each change costs does not depend on how much there is."""

    def __init__(self, ledger: Ledger) -> None:
        self._entries = dict(ledger)
        self._bids: dict[Address, list[str]] | None = None  # of each address, once somebody asks

    def enter(self, id: str, address: Address) -> None:
        """The bid `id`, which `address` has no longer, is in the ledger; what is known of it stays known."""
        self._entries[id] = attrs.evolve(self._entries.get(id) or Paid(address.current), address=address.current)
        if self._bids is not None:
            self._bids.setdefault(address.current, []).append(id)

    def follow(self, id: str, address: Address) -> None:
        """The bid `id` is at `address` now: if the ledger has it at another one, all bids of that are of `address`."""
        known = self._entries.get(id)
        if known is not None and known.address != address.current:
            self.move(known.address, address.current)

    def move(self, old: Address, new: Address) -> None:
        """The bids of `old` are those of `new`."""
        if self._bids is None:
            self._bids = {}
            for id, one in self._entries.items():
                self._bids.setdefault(one.address, []).append(id)
        of_old = [id for id in self._bids.pop(old, ()) if self._entries[id].address == old]
        self._entries |= {id: attrs.evolve(self._entries[id], address=new) for id in of_old}
        self._bids.setdefault(new, []).extend(of_old)

    def closed(self) -> Ledger:
        """The ledger as it is now."""
        return dict(self._entries)


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
