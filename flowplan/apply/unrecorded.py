"""What of a plan goes on where nothing can be recorded any more: what cancels bids, or pauses them.

That is decided in three places, by the same reasons (`Unrecorded.may_go`). Before the first call, `part_that_stops` in
planning/unrecorded.py picks it from a plan that cannot be saved. A plan that is of nothing else has a journal that
may take nothing (operations/running/stopping.py). And here, once a record was refused in the middle of a run, each step
that is left is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field

from flowplan.apply.works import needs_call
from flowplan.classes import define
from flowplan.planning.actions import (
    LIFETIME_OVER,
    Change,
    Create,
    CreateFirst,
    Delete,
    Forget,
    Import,
    Replace,
    Update,
)
from flowplan.planning.steps import Step

if TYPE_CHECKING:
    from flowplan.apply.schedule import Schedule
    from flowplan.errors import Unwritten
    from flowplan.planning.plan import Plan


@define
class Unrecorded:
    """`why` nothing is recorded any more of a run of `plan`. `loose`: the steps that were done by then, and of which
    that is not durable."""

    why: Unwritten
    _plan: Plan
    _schedule: Schedule
    _loose: frozenset[Step]
    _blocked: set[Step] = field(factory=set, init=False)  # what waits, however far behind, for what is not durable
    _unplaced: list[Step] = field(init=False)  # what the plan was to make, and is not durable, nor known to have failed

    def __attrs_post_init__(self) -> None:
        durable = frozenset(self._schedule.ended("done", "half done")) - self._loose
        changes = self._plan.by_address()
        unmade = {step: changes[step.address] for step in self._plan.order if step.way == "up" and step not in durable}
        for step, waits_for in self._plan.order.items():  # each comes after what it waits for
            if any(one in unmade or one in self._blocked for one in waits_for):
                self._blocked.add(step)
        self._unplaced = [
            step for step, change in unmade.items() if isinstance(change, (Create, Replace)) and needs_call(change)
        ]

    def may_go(self, step: Step, change: Change) -> bool:
        """Whether it may still be begun. The next run sees that a bid is cancelled, or paused, and to ask for that
        twice does no harm. Not so the deletion of a volume, which is data: that waits for a run that can record it. Nor
        is anything begun that is to come after what is not recorded. And what is not placed any more may be what comes
        instead of a bid that is removed: that runs on, unless its lifetime is over."""
        succeeded = step.way == "down" and isinstance(change, CreateFirst)
        forgotten = isinstance(change, Forget) and self._plan.mode == "destroy"
        ends = isinstance(change, (Delete, Update)) and not isinstance(change, Import) and change.adds_nothing
        if not (succeeded or forgotten or (ends and change.address.kind != "volume")) or step in self._blocked:
            return False
        return succeeded or change.reason == LIFETIME_OVER or self._all_placed()

    def _all_placed(self) -> bool:
        """Whether all that the plan was to make is recorded, or is known not to have come about."""
        while self._unplaced and self._schedule.has_failed(self._unplaced[-1]):
            self._unplaced.pop()
        return not self._unplaced
