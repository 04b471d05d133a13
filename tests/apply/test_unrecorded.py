"""What goes on of a run that can record nothing more."""

from __future__ import annotations

import attrs

from flowplan.apply.schedule import Schedule
from flowplan.apply.unrecorded import Unrecorded
from flowplan.errors import Unserved
from flowplan.model.address import Address
from flowplan.planning.steps import Step
from tests.builders import bid, change, plan_to

NEW, NEXT, LAST, APART = (Address("bid", name) for name in ("new", "next", "last", "apart"))


def test_what_waits_for_what_is_not_recorded_is_not_begun_however_far_behind() -> None:
    """What waits for nothing is, once it is known that nothing comes instead of it."""
    gone = {one: change("delete", bid(), address=one, id=f"bid_{one.name}") for one in (NEXT, LAST, APART)}
    made, *ends = Step("up", NEW), *(Step("down", one) for one in gone)
    plan = plan_to(change("create", after=bid(), address=NEW), *gone.values())
    plan = attrs.evolve(plan, order=dict(zip((made, *ends), ((), (made,), (ends[0],), ()), strict=True)))
    schedule = Schedule(plan.order, 1)
    assert schedule.next() == made
    unrecorded = Unrecorded(Unserved("the server took no record"), plan, schedule, frozenset())

    def going() -> list[Address]:
        return [step.address for step in ends if unrecorded.may_go(step, gone[step.address])]

    assert going() == []
    schedule.fail(made)
    assert going() == [APART]
