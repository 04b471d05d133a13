"""--wait: after placing, wait until the bids are allocated, or their instances running."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
from attrs import frozen

from flowplan.errors import CloudError
from flowplan.graph import Step
from flowplan.resources import Bid

if TYPE_CHECKING:
    from flowplan.apply import Outcome
    from flowplan.cli.session import Session
    from flowplan.cli.stop import Stop
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
        wanted = _wanted(plan, outcome)
        if self.what == "placed" or not wanted or outcome.failed or outcome.unknown or outcome.stopped:
            return outcome
        deadline = time.monotonic() + self.seconds
        told = False
        while missing := self._missing(wanted):
            if self.stop.stopped():
                self.reporter.note("the bids stay placed, and go on: flowplan status")
                return attrs.evolve(outcome, stopped=True)
            if time.monotonic() >= deadline:
                return self._gave_up(plan, outcome, wanted, missing)
            if not told:
                count = f"{len(missing)} bid{'s are' if len(missing) > 1 else ' is'}"
                self.reporter.note(f"waiting until {count} {self.what}")
                told = True
            self.stop.pause(_INTERVAL)
        return outcome

    def _missing(self, wanted: dict[str, Step]) -> dict[str, str]:
        """Those that are not allocated yet, or whose instances are not all running, each with what it is."""
        live = self.session.cloud().live()
        statuses = {id: live.bids[id].status if id in live.bids else "gone" for id in wanted}
        missing = {id: status for id, status in statuses.items() if status != "Allocated"}
        if self.what == "running":
            instances = self.session.cloud().instances()
            up = {one.bid for one in instances if one.status == "STATUS_RUNNING"}
            starting = {one.bid for one in instances if one.status in _STARTING}
            missing |= {id: "Allocated" for id in wanted if id not in missing and (id not in up or id in starting)}
        return missing

    def _gave_up(self, plan: Plan, outcome: Outcome, wanted: dict[str, Step], missing: dict[str, str]) -> Outcome:
        failed = dict(outcome.failed)
        for id, status in missing.items():
            error = self._error(status)
            self.reporter.failed(wanted[id], plan.by_address()[wanted[id].address], error)
            failed[wanted[id]] = error
        return attrs.evolve(outcome, failed=failed)

    def _error(self, status: str) -> CloudError:
        time_moves = "; time in the simulator moves by `flowplan simulator advance`" if self.session.simulated else ""
        if status == "Allocated":
            message = f"allocated, but its instances are not running after {self.seconds:g} s"
            return CloudError(message, hint=f"they may still be starting: flowplan status{time_moves}")
        message = f"placed, but not allocated within {self.seconds:g} s"
        return CloudError(message, hint=f"the bid stays and may win later: flowplan status{time_moves}")


def _wanted(plan: Plan, outcome: Outcome) -> dict[str, Step]:
    """The bids that are meant to run, those that were there before too: id -> step."""
    bindings = outcome.state.bindings
    return {
        bindings[change.address].id: Step("up", change.address)
        for change in plan.changes
        if isinstance(change.after, Bid) and not change.after.paused and change.address in bindings
    }
