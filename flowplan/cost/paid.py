"""What was paid over the life of a stack: of every bid that it has and had, once. Pure.

Instances alone: what storage costs is not billed by bid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from attrs import field

from flowplan.classes import frozen
from flowplan.exact import exact
from flowplan.model.address import Address, in_order
from flowplan.pricing.billing import Bills, billed
from flowplan.state.state import State


@frozen
class PaidFor:
    """What was paid for the bids of one address: dollars, as far as that is known, and how many of them it is not known
    of."""

    address: Address
    bids: tuple[str, ...]
    at_least: Decimal
    unknown: int = 0

    @property
    def paid(self) -> Decimal | None:
        """Dollars; None where it is not known of all."""
        return None if self.unknown else self.at_least


@frozen
class PaidInAll:
    """By address. `released`: of bids that the stack released; they count in the stack that has them now. `since`: the
    serial of the state before which bids may be missing; 0: none is."""

    tasks: tuple[PaidFor, ...] = ()
    released: tuple[PaidFor, ...] = ()
    past: int = field(default=0)  # bids that count and that no address has any longer
    since: int = field(default=0)

    @property
    @exact
    def at_least(self) -> Decimal:
        """Dollars, as far as they are known."""
        return sum((one.at_least for one in self.tasks), Decimal(0))

    @property
    def paid(self) -> Decimal | None:
        """Dollars; None where it is not known of all."""
        return None if self.since or any(one.unknown for one in self.tasks) else self.at_least


NOTHING_PAID = PaidInAll()


def paid_in_all(state: State, listed: Mapping[str, Address], bills: Bills | None, now: datetime | None) -> PaidInAll:
    """`listed`: the bids of this stack that have ended and are still listed, each with its address. `bills`:
    None: nobody asked, so only what was read before is known."""
    bound = {binding.id: address.current for address, binding in state.bindings.items() if address.kind == "bid"}
    past = {**listed, **{id: one.address for id, one in state.paid.items()}}
    owners = {**past, **bound}
    amounts = {id: _amount(id, state, bills, now, is_listed=id in bound or id in listed) for id in owners}
    of_others = {id for id in owners if id in state.released and id not in bound}
    counted = {id: address for id, address in owners.items() if id not in of_others}
    return PaidInAll(
        _by_address(counted, amounts),
        _by_address({id: owners[id] for id in of_others}, amounts),
        past=len(counted.keys() - bound.keys()),
        since=state.paid_since,
    )


def _amount(id: str, state: State, bills: Bills | None, now: datetime | None, *, is_listed: bool) -> Decimal | None:
    """Dollars billed for one bid. What is listed and not on the bill was not billed, unless its bill could not be read
    before; of anything else, as it was read last. None: unknown."""
    known = state.paid.get(id)
    was_unread = known is not None and known.amount is None
    if bills is None or id in bills.unread or (id not in bills.by_bid and (was_unread or not is_listed)):
        return None if known is None else known.amount
    found = billed(bills.by_bid.get(id, ()), now)
    return found.amount if known is None else known.after(found, 0.0).amount


def _by_address(owners: Mapping[str, Address], amounts: Mapping[str, Decimal | None]) -> tuple[PaidFor, ...]:
    found: dict[Address, list[str]] = {}
    for id, address in owners.items():
        found.setdefault(address, []).append(id)
    return tuple(_of(address, sorted(found[address]), amounts) for address in sorted(found, key=in_order))


def _of(address: Address, ids: Iterable[str], amounts: Mapping[str, Decimal | None]) -> PaidFor:
    ids = tuple(ids)
    known = [amount for id in ids if (amount := amounts[id]) is not None]
    return PaidFor(address, ids, sum(known, Decimal(0)), len(ids) - len(known))
