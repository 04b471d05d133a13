"""Time in the simulated cloud of a case: it passes by itself while the apply that sets the case up waits, and the jobs
that it waits for end. Nobody waits for real."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import field

from flowplan.apply.events import Silent
from flowplan.backends.processes import boot_id
from flowplan.classes import define
from flowplan.clock import Clock
from flowplan.operations.opening.interaction import Event
from flowplan.operations.running.approval import Approved

if TYPE_CHECKING:
    from flowplan.model.address import Address
    from flowplan.model.lifecycle import After
    from flowplan.planning.actions import Change
    from flowplan.planning.plan import Plan
    from flowplan.planning.steps import Step
    from flowplan.simulator import Simulator

_ROUND = 120.0  # seconds; an auction clears every two minutes


@define
class Jobs(Approved, Silent):
    """The approval of the set-up, which hears what its tasks wait for, and its reporter, which hears what is placed."""

    _waits: dict[Address, tuple[After, ...]] = field(factory=dict, init=False)
    _placed: dict[Address, str] = field(factory=dict, init=False)  # with the bid's id

    def approve(self, plan: Plan) -> bool:
        self._waits = {change.address: change.waits_for for change in plan.changes}
        return False

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        if id is not None:
            self._placed[step.address] = id

    def to_end(self) -> list[str]:
        """The ids of the placed bids that something not yet placed waits for to be terminated, and nothing to be
        allocated or to run."""
        waits = [one for address, all_ in self._waits.items() if address not in self._placed for one in all_]
        needed = {one.task for one in waits if one.until in {"allocated", "running"}}
        ends = {one.task for one in waits if one.until == "terminated"} - needed
        return [id for address, id in self._placed.items() if address in ends]


@define
class CaseTime(Event):
    """Each pause moves the time of `simulator` in the place of waiting, by a round of its auctions at least. `hold`
    puts back what that must not move. Then those of `jobs` that are waited for end, once all their instances run:
    nobody else ends them."""

    simulator: Simulator = field(kw_only=True)
    hold: Callable[[], None] = field(kw_only=True)
    jobs: Jobs = field(factory=Jobs, init=False)
    passed: float = field(default=0.0, init=False)  # seconds, so far

    def pause(self, seconds: float) -> None:
        from flowplan.simulator import furnish

        step = max(seconds, _ROUND)
        self.simulator.advance(step)
        self.passed += step
        self.hold()
        for id in self.jobs.to_end():
            furnish.end_running(self.simulator, id)

    def clock(self) -> Clock:
        return Clock(lambda: self.passed, time.time, self.pause, self.stopped, boot_id())
