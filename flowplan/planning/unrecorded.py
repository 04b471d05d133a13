"""What of a plan can be carried out where nothing can be recorded, or what is recorded cannot be read. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from flowplan.model.address import Address
from flowplan.planning.actions import LIFETIME_OVER, Change, Delete, Forget
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Order
from flowplan.state.state import State


def must_be_recorded(plan: Plan) -> bool:
    """Whether `plan` is to record what the files say, a `moved` or `removed` block, which no look at the cloud tells
    again: unrecorded, the next plan may end what was to stay. A destroy stops whatever it can record."""
    said = (one for one in plan.changes if one.previous_address is not None or isinstance(one, Forget))
    return plan.mode == "apply" and any(one.reason != "gone_outside" or one.previous_address for one in said)


def part_that_stops(plan: Plan, state: State) -> Plan:
    """What of `plan` can be done where nothing can be recorded: what stops an object by the address that `state` knows
    it by, and waits for nothing else of the plan. Where something is to be placed too, which may be what comes instead,
    only what is past its lifetime."""
    alone = plan.adds_nothing
    known = {address: binding.id for address, binding in state.bindings.items()}
    part = {
        one.address: one
        for one in plan.changes
        if one.adds_nothing
        and not isinstance(one, Forget)
        and known.get(one.address) == one.id
        and one.previous_address is None
        and (alone or one.reason == LIFETIME_OVER)
    }
    return _part_of(plan, part)


def part_that_keeps_volumes(plan: Plan) -> Plan:
    """What of `plan` deletes no volume, and waits for no deletion of one."""
    kept = (one for one in plan.changes if not (isinstance(one, Delete) and one.address.kind == "volume"))
    return _part_of(plan, {one.address: one for one in kept})


def _part_of(plan: Plan, part: Mapping[Address, Change]) -> Plan:
    """The changes `part` of `plan`, but for what waits for something else of it."""
    order: Order = {}
    for step, waits_for in plan.order.items():  # each comes after what it waits for
        if step.address in part and all(before in order for before in waits_for):
            order[step] = waits_for
    changes = tuple(part[address] for address in dict.fromkeys(step.address for step in order))
    return attrs.evolve(plan, changes=changes, order=order)
