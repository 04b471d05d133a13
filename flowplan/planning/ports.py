"""What happens to the ports of a bid: they follow it."""

from __future__ import annotations

from flowplan.model.address import Address
from flowplan.model.resources import Bid, PortMapping, Resource
from flowplan.planning.actions import Action, Change, Completed, Create, Delete, Forget, NoOp, Presumed, Replace, Update
from flowplan.planning.differences import differences
from flowplan.planning.plan import Mode
from flowplan.state.state import Binding

_PAST: dict[Action, str] = {"replace": "replaced", "delete": "deleted", "create": "created", "forget": "forgotten"}


def change_of_ports(
    address: Address, wanted: Resource | None, binding: Binding | None, bid: Change | None, mode: Mode
) -> Change | None:
    """What happens to the ports at `address`, given what happens to their `bid`; None: the state alone decides."""
    before = _before(binding, bid)
    owner = binding.id if binding else bid.id if bid else None
    if wanted is not None:
        return _wanted(address, wanted, bid, before, owner)
    if before is None or owner is None:
        return None
    note = f"{bid.address} is {_PAST[bid.action]}" if bid is not None and bid.action in _PAST else None
    if isinstance(bid, (NoOp, Update)) and before.pairs and bid.lifecycle.ignores("ports", "inputs"):
        return NoOp(address, before=before, after=before, id=owner, needs=(bid.address,), generation=bid.generation)
    if isinstance(bid, Forget) and bid.released:
        return Forget(address, before=before, id=owner, reason=bid.reason, note=note)
    if isinstance(bid, (Forget, Create, Completed)):
        return Forget(address, before=before, id=owner, reason="gone_outside", note=note)
    reason = bid.reason if isinstance(bid, Delete) and bid.reason else "delete_because_no_resource_config"
    if mode == "destroy":
        reason, note = "delete_because_destroy", None
    return Delete(address, before=before, id=owner, reason=reason, note=note)


def _wanted(
    address: Address, wanted: Resource, bid: Change | None, before: PortMapping | None, owner: str | None
) -> Change:
    generation = bid.generation if bid else 1
    if isinstance(bid, Completed) or (before is None and isinstance(bid, (NoOp, Update, Delete))):
        return Presumed(address, after=wanted, needs=wanted.needs, generation=generation)
    if bid is None or before is None or owner is None or isinstance(bid, Create):
        # What is gone is named too.
        gone = owner if before is not None else None
        return Create(address, after=wanted, id=gone, needs=wanted.needs, generation=generation)
    if isinstance(bid, Delete):
        return Delete(address, before=before, id=owner, reason=bid.reason, generation=generation)
    if not isinstance(bid, Replace):
        return NoOp(address, before=before, after=before, id=owner, needs=wanted.needs, generation=generation)
    fields = differences(before, wanted)
    return Replace(
        address,
        before=before,
        after=wanted,
        fields=fields,
        id=owner,
        reason="replace_because_cannot_update" if fields else "replace_because_dependency",
        note=f"{bid.address} is replaced",
        needs=wanted.needs,
        generation=generation,
    )


def _before(binding: Binding | None, bid: Change | None) -> PortMapping | None:
    """What the bid publishes: what it carries, where that is known (also of an adopted bid, whose ports the state does
    not name yet), else what was applied."""
    carried = bid.before.inputs if bid is not None and isinstance(bid.before, Bid) else None
    if bid is not None and carried is not None and (carried.ports or binding is not None):
        return PortMapping(bid.address, carried.ports)
    return binding.applied if binding is not None and isinstance(binding.applied, PortMapping) else None
