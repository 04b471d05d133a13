"""Steps that need no call: ports, which are opened by the startup script of their bid and end with it, and what the
state takes in, or knows no more."""

from __future__ import annotations

from flowplan.apply.working_state import WorkingState
from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.planning.actions import Change, Forget, Import
from flowplan.planning.steps import Step
from flowplan.state.records import Done
from flowplan.state.state import Binding


@frozen
class Uncalled:
    """Such a step, which is done. `id`: the object that its address has now, None where there is none any more."""

    step: Step
    change: Change
    id: str | None


def do(step: Step, change: Change, working: WorkingState, intent: str = "") -> tuple[Uncalled, Done | None]:
    """Do `step`, and what makes that durable; None: nothing changes. `intent`: with whose call it is done."""
    bound = working.bindings.get(step.address)
    if step.way == "down" and bound is not None and bound.id != change.id:
        return Uncalled(step, change, None), None  # what was made before the old one went has the address by now
    binding = _left(step, change, working)
    released = change.id if isinstance(change, Forget) and change.released and step.address.kind == "bid" else ""
    done = working.bind(step.address, binding, released=released or "", intent=intent)
    return Uncalled(step, change, binding.id if binding is not None else None), done


def _left(step: Step, change: Change, working: WorkingState) -> Binding | None:
    """What `step` leaves of its address; None: nothing."""
    if step.way == "down" or change.after is None:
        return None
    # Only what is live already, and ports, are made without a call.
    owner = change.address if isinstance(change, Import) else Address("bid", step.address.name)
    return change.bound(working.bindings[owner].id, change.after)
