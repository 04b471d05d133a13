"""--wait: after placing, wait until the bids are allocated, or their instances running."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
from attrs import frozen

from flowplan.errors import CloudError
from flowplan.resources import Bid

if TYPE_CHECKING:
    from flowplan.apply import Outcome
    from flowplan.cli.session import Session
    from flowplan.cli.stop import Stop
    from flowplan.graph import Step
    from flowplan.plan import Plan
    from flowplan.reports.progress import Reporter

_INTERVAL = 2.0  # seconds between looks; an auction clears every two minutes
_STARTING = ("STATUS_NEW", "STATUS_CONFIRMED", "STATUS_INITIALIZING", "STATUS_STARTING")


@frozen
class Waiting:
    """Wait for up to `seconds`. A bid that does not make it is a failed step; it stays placed."""

    session: Session
    what: str
    seconds: float
    stop: Stop
    reporter: Reporter

    def __call__(self, plan: Plan, outcome: Outcome) -> Outcome:
        placed = _placed(plan, outcome)
        if self.what == "placed" or not placed or outcome.failed or outcome.stopped:
            return outcome
        self.reporter.note(f"waiting until {len(placed)} bid{'s are' if len(placed) > 1 else ' is'} {self.what}")
        deadline = time.monotonic() + self.seconds
        while missing := self._missing(placed):
            if self.stop.stopped():
                return attrs.evolve(outcome, stopped=True)
            if time.monotonic() >= deadline:
                return self._gave_up(plan, outcome, [placed[id] for id in missing])
            self.stop.pause(_INTERVAL)
        return outcome

    def _missing(self, placed: dict[str, Step]) -> list[str]:
        """Those that are not allocated yet, or whose instances are not all running."""
        live = self.session.cloud().live()
        waiting = [id for id in placed if id not in live.bids or live.bids[id].status != "Allocated"]
        if self.what == "allocated" or waiting:
            return waiting
        instances = self.session.cloud().instances()
        up = {one.bid for one in instances if one.status == "STATUS_RUNNING"}
        starting = {one.bid for one in instances if one.status in _STARTING}
        return [id for id in placed if id not in up or id in starting]

    def _gave_up(self, plan: Plan, outcome: Outcome, steps: list[Step]) -> Outcome:
        hint = "the bid stays and may win later: flowplan status"
        if self.session.simulated:
            hint += "; time in the simulator moves by `flowplan simulator advance`"
        error = CloudError(f"placed, but not {self.what} within {self.seconds:g} s", hint=hint)
        for step in steps:
            self.reporter.failed(step, plan.by_address()[step.address], error)
        return attrs.evolve(outcome, failed={**outcome.failed, **dict.fromkeys(steps, error)})


def _placed(plan: Plan, outcome: Outcome) -> dict[str, Step]:
    """The bids of this run that are meant to run: id -> step."""
    wanted = {c.address for c in plan.changes if isinstance(c.after, Bid) and not c.after.paused}
    bindings = outcome.state.bindings
    return {
        bindings[step.address].id: step
        for step in outcome.done
        if step.way == "up" and step.address in wanted and step.address in bindings
    }
