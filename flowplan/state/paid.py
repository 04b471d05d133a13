"""What the bids were billed that an address has no longer: the ledger of a state. Pure.

It has one entry a bid, with the whole amount of a bill. So a bill that is read twice, two copies
of a state, or a run that was killed between the bill and the save count nothing twice.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal
from typing import TypeAlias

import attrs
from attrs import frozen

from flowplan.model.address import Address


@frozen
class Paid:
    """One bid that `address` had. `amount`: the dollars that it was billed; None: no bill was read since it ended.
    `at`: when the first was read (seconds since the epoch); later ones may say more, since bills lag."""

    address: Address
    amount: Decimal | None = None
    at: float = 0.0


Ledger: TypeAlias = Mapping[str, Paid]  # by the bid's id
GROWS_FOR = 7 * 24 * 3600.0  # seconds since its bill was read first: far above any lag of a bill


def with_bid(ledger: Ledger, id: str, address: Address) -> Ledger:
    """`ledger` with the bid `id`, which `address` has no longer; what is known of it stays known."""
    known = ledger.get(id) or Paid(address.current)
    return {**ledger, id: attrs.evolve(known, address=address.current)}


def moved(ledger: Ledger, old: Address, new: Address) -> Ledger:
    """`ledger` in which the bids of `old` are those of `new`."""
    return {id: attrs.evolve(one, address=new) if one.address == old else one for id, one in ledger.items()}


def merged(one: Ledger, other: Ledger) -> Ledger:
    """Every bid of both, once: by the later bill, and never with less than was seen."""
    return {**one, **{id: _later(one[id], found) if id in one else found for id, found in other.items()}}


def _later(one: Paid, other: Paid) -> Paid:
    if one.amount is None or other.amount is None:
        return other if one.amount is None else one
    later = one if one.at > other.at else other
    return attrs.evolve(later, amount=max(one.amount, other.amount))


def unsettled(ledger: Ledger, ended: Container[str], now: float) -> frozenset[str]:
    """The bids whose bill has to be read again: nobody has since they ended, or that is so lately, as are those that
    `ended`, that more may be billed."""
    return frozenset(
        id for id, one in ledger.items() if one.amount is None or id in ended or abs(now - one.at) < GROWS_FOR
    )


def billed(ledger: Ledger, amounts: Mapping[str, Decimal], at: float, ended: Container[str]) -> Ledger:
    """`ledger` after the bill of `at`, in which every bid has its amount in `amounts`. What it does not list was not
    billed, if it `ended` lately; of an older one nobody knows how far back bills go."""
    found = dict(ledger)
    for id in unsettled(ledger, ended, at):
        known = ledger[id]
        if id in amounts or id in ended:
            amount = max(amounts.get(id, Decimal(0)), known.amount or Decimal(0))
            found[id] = attrs.evolve(known, amount=amount, at=at if known.amount is None else known.at)
    return found
