"""Look at what the lifetimes of tasks are held to: the time, what was billed, and the instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from flowplan.cloud.looks import known, single
from flowplan.errors import CloudError
from flowplan.operations.opening.session import Session

if TYPE_CHECKING:
    from flowplan.cloud.looks import Looks
    from flowplan.model.address import Address
    from flowplan.model.lifecycle import Bounds
    from flowplan.model.live import Live
    from flowplan.planning.lifetimes import Machine, Seen
    from flowplan.state.state import State

T = TypeVar("T")


def seen_of(session: Session, lifetimes: Mapping[Address, Bounds], state: State, live: Live) -> Seen:
    """What tells which lifetimes are over, and what is left of the others: one list of what was billed, one of the
    instances, side by side, where a lifetime of something live needs them. What cannot be fetched ends nothing, and is
    said."""
    from flowplan.planning.lifetimes import Machine, Seen, needs_bills, needs_instances
    from flowplan.pricing.billing import Bills

    cloud = session.cloud()
    ids = {a: state.bindings[a].id for a in lifetimes if a in state.bindings}
    there = {a: one for a, one in lifetimes.items() if a in ids and ids[a] in live.bids and not live.bids[ids[a]].ended}

    def instances() -> tuple[Machine, ...]:
        return tuple(Machine(one.id, one.bid, one.status, one.created_at) for one in cloud.instances())

    bills: Looks[Bills | CloudError]
    machines: Looks[tuple[Machine, ...] | CloudError]
    bills = single(cloud.billed).or_error() if needs_bills(there) else known(Bills())
    machines = single(instances).or_error() if needs_instances(there) else known(())
    billed, seen = cloud.read(bills.beside(machines))
    read, now = _fetched(session, "what they were billed", billed), cloud.time()
    here = cloud.doubted_by() if lifetimes else None
    asked = needs_instances(there)
    lacking = _lacking(there, ids, live, Seen(now, read, seen if asked and not isinstance(seen, CloudError) else None))
    if lacking and not asked:
        seen = cloud.read(single(instances).or_error())
        lacking = _lacking(there, ids, live, Seen(now, read, None if isinstance(seen, CloudError) else seen))
    for address in lacking:
        status = live.bids[ids[address]].status
        cloud.note(f"{address}: its bill has nothing of what it runs now, though the bid is {status}")
    for address in there:
        if read is not None and needs_bills({address: there[address]}) and (why := read.unread.get(ids[address])):
            cloud.note(f"{address}: its lifetime goes by the part of its bill that can be read: {why}")
    return Seen(now, read, _fetched(session, "their instances", seen), here)


def _lacking(there: Mapping[Address, Bounds], ids: Mapping[Address, str], live: Live, seen: Seen) -> list[Address]:
    """Which of the tasks may have reached a bound by what their bills lack."""
    from flowplan.planning.lifetimes import may_lack

    readable = {a: one for a, one in there.items() if seen.billed is not None and ids[a] not in seen.billed.unread}
    return [address for address, one in readable.items() if may_lack(one, live.bids[ids[address]], seen)]


def over(session: Session, lifetimes: Mapping[Address, Bounds], state: State, live: Live) -> dict[Address, str]:
    """The tasks whose lifetime is over by now, each with why; those that are over by one of two clocks are told."""
    from flowplan.planning.lifetimes import over, unknown

    seen = seen_of(session, lifetimes, state, live)
    if seen.here is not None:
        for address, unsure in unknown(lifetimes, state, live, seen).items():
            session.cloud().note(f"{address} may be past its lifetime: {unsure.why}")
    return over(lifetimes, state, live, seen)


def _fetched(session: Session, what: str, found: T | CloudError) -> T | None:
    """`found`, None for what could not be fetched, which is said."""
    if not isinstance(found, CloudError):
        return found
    session.cloud().note(f"flowplan cannot tell now whether a lifetime is over; {what} could not be fetched: {found}")
    return None
