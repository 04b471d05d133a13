"""--refresh-only: what the state would record of what is live; nothing live is changed. Pure."""

from __future__ import annotations

from flowplan.model.address import Address, in_order
from flowplan.model.live import Live
from flowplan.planning.actions import Change, Completed, Forget, NoOp, Presumed
from flowplan.planning.desired import Desired
from flowplan.planning.jobs import completed
from flowplan.planning.plan import Wishes
from flowplan.state.known import as_known
from flowplan.state.state import Binding, State


def refreshed(desired: Desired, state: State, live: Live, wishes: Wishes) -> dict[Address, Change]:
    """Every resource of the state as it is, and what is proved to be gone forgotten. A job that has ended stays known:
    it would be placed again otherwise."""
    found: dict[Address, Change] = {}
    bindings = [one for one in state.bindings.values() if wishes.in_scope(one)]
    for binding in sorted(bindings, key=lambda one: (one.address.kind == "ports", in_order(one.address))):
        found[binding.address] = _as_it_is(binding, desired, live, found)
    return found


def _as_it_is(binding: Binding, desired: Desired, live: Live, found: dict[Address, Change]) -> Change:
    address, id = binding.address, binding.id
    volume, bid = live.volumes.get(id), live.bids.get(id)
    one = volume if address.kind == "volume" else None if bid is None or bid.ended else bid
    if address.kind == "ports":  # they have the id of their bid, and are what was applied
        one, owner = None, found.get(Address("bid", address.name))
        if isinstance(owner, Completed):  # they leave the state with what is recorded of their bid
            return Presumed(address, after=binding.applied, needs=binding.needs, generation=binding.generation)
        gone = isinstance(owner, Forget)
    else:
        if one is None and (done := completed(binding, desired, live)) is not None:
            return done
        gone = one is None
    if gone:
        return Forget(address, before=binding.applied, id=id, reason="gone_outside", needs_before=binding.needs)
    now = binding.applied if one is None else as_known(one, binding.applied)
    status = bid.status if bid is not None and address.kind == "bid" else None
    return NoOp(
        address,
        before=now,
        after=now,
        id=id,
        status=status,
        generation=binding.generation,
        needs=binding.needs,
        needs_before=binding.needs,
        source=binding.source,
        protected=binding.protected,
        protected_by=binding.protected_by,
        lifetime=desired.lifetimes.get(address),
    )
