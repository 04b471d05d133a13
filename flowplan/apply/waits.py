"""--wait: after placing, wait until the bids are allocated, or their instances running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs
from attrs import Factory

from flowplan.apply.events import Awaited, Prices
from flowplan.apply.standing import GONE, RUNNING, Looks, standings
from flowplan.classes import define, frozen
from flowplan.errors import CloudError, FlowplanError
from flowplan.model.live import ALLOCATED, PAUSED, TERMINATED
from flowplan.model.resources import Bid
from flowplan.planning.lifetimes import again, past
from flowplan.planning.steps import Step

if TYPE_CHECKING:
    from datetime import datetime

    from flowplan.apply.events import Reporter
    from flowplan.apply.outcome import Outcome
    from flowplan.clock import Clock
    from flowplan.planning.plan import Plan
    from flowplan.state.state import State

Until: TypeAlias = Literal["placed", "allocated", "running"]
_INTERVAL = 2.0  # seconds between looks; an auction clears every two minutes
_PRICES = 30.0  # seconds between looks at the prices, which are only for show
_LOST = (TERMINATED, PAUSED, GONE)  # what does not come to run by itself


@define
class _Seen:
    """What was told last, and the prices, with when they were fetched."""

    told: Sequence[Awaited] = ()
    prices: Mapping[Step, Prices] = Factory(dict)
    priced: float = -_PRICES


@frozen
class Waiting:
    """Wait for up to `seconds`. A bid that does not make it is a failed step; it stays placed. `hint` is added to what
    to do about one that is late; `note` is said when the wait begins; `prices` gives those of the auction of each bid;
    `end` cancels the bids whose lifetime is over by now, and returns the outcome with that."""

    cloud: Looks
    until: Until
    seconds: float
    clock: Clock
    reporter: Reporter
    hint: str = ""
    note: str = ""
    prices: Callable[[Sequence[Bid]], Sequence[Prices]] = lambda bids: [Prices()] * len(bids)
    end: Callable[[Outcome], Outcome] = lambda outcome: outcome

    def __call__(self, plan: Plan, outcome: Outcome) -> Outcome:
        wanted = _wanted(plan, outcome)
        if self.until == "placed" or not wanted or outcome.failed or outcome.unknown or outcome.stopped:
            return outcome
        began = self.clock.monotonic()
        deadline = began + self.seconds
        failed: dict[Step, FlowplanError] = {}
        seen = _Seen()
        while True:
            try:
                missing = self._missing(wanted, plan, outcome.state)
            except CloudError as error:
                return self._failed(plan, outcome, failed | {step: _unseen(error) for step in wanted.values()})
            lost = {id: status for id, status in missing.items() if status in _LOST}
            failed |= {wanted.pop(id): _lost(status) for id, status in lost.items()}
            if lost.keys() == missing.keys():
                return self._failed(plan, outcome, failed)
            if self.clock.stopped():
                self.reporter.note("the bids stay placed; flowplan status shows them")
                return attrs.evolve(self._failed(plan, outcome, failed), stopped=True)
            if self.clock.monotonic() >= deadline:
                late = {wanted[id]: self._late(status) for id, status in missing.items() if id in wanted}
                return self._failed(plan, outcome, failed | late)
            self._tell(seen, [(wanted[id], status) for id, status in missing.items() if id in wanted], plan, began)
            outcome = self.end(outcome)
            failed |= _expired(wanted, missing, outcome, self.cloud.time())
            self.clock.pause(_INTERVAL)

    def _tell(self, seen: _Seen, missing: Sequence[tuple[Step, str]], plan: Plan, began: float) -> None:
        """Tell what is waited for, if it is not what was told last."""
        changes, now = plan.by_address(), self.clock.monotonic()
        afters = [(step, changes[step.address].after, status) for step, status in missing]
        bids = {step: (bid, status) for step, bid, status in afters if isinstance(bid, Bid)}
        if now - seen.priced >= _PRICES or not bids.keys() <= seen.prices.keys():
            seen.prices = dict(zip(bids, self.prices([bid for bid, _ in bids.values()]), strict=True))
            seen.priced = now
        told = [Awaited(step, bid, status, seen.prices.get(step, Prices())) for step, (bid, status) in bids.items()]
        if self.note and not seen.told:
            self.reporter.note(self.note)
        if told != seen.told:
            self.reporter.waits(told, self.until, now - began)
            seen.told = told

    def _missing(self, wanted: Mapping[str, Step], plan: Plan, state: State) -> dict[str, str]:
        """Those that are not allocated yet, or whose instances are not all running, each with what it is."""
        asked = {id: plan.by_address()[step.address].after for id, step in wanted.items()}
        quantities = {id: bid.instance_quantity for id, bid in asked.items() if isinstance(bid, Bid)}
        running = self.until == "running"
        found = standings(self.cloud, quantities, state, running=running)
        return {id: status for id, status in found.items() if status != (RUNNING if running else ALLOCATED)}

    def _failed(self, plan: Plan, outcome: Outcome, failed: Mapping[Step, FlowplanError]) -> Outcome:
        for step, error in failed.items():
            self.reporter.failed(step, plan.by_address()[step.address], error)
        return attrs.evolve(outcome, failed={**outcome.failed, **failed})

    def _late(self, status: str) -> CloudError:
        if status == ALLOCATED:
            message = f"allocated, but its instances are not running after {self.seconds:g} s"
            return CloudError(message, hint=f"they may still be starting; flowplan status shows them{self.hint}")
        message = f"placed, but not allocated within {self.seconds:g} s"
        return CloudError(message, hint=f"the bid stays placed and may win later; flowplan status shows it{self.hint}")


def _unseen(error: CloudError) -> CloudError:
    """What is placed stays placed, but nobody saw it run: that is no success."""
    return CloudError(
        f"placed, but flowplan could not check whether it runs: {error}",
        status=error.status,
        hint="the bid stays placed and is in the state; flowplan status shows it",
    )


def _lost(status: str) -> CloudError:
    """For what is over or paused nobody needs to wait any longer."""
    if status == PAUSED:
        return CloudError("placed, but somebody paused it: it does not run", hint="flowplan plan shows the difference")
    if status == GONE:
        return CloudError("placed, but the API does not find its id", hint="flowplan plan says what it would do")
    return CloudError("placed, but somebody cancelled it: it does not run", hint="flowplan plan says what it would do")


def _expired(
    wanted: dict[str, Step], missing: Mapping[str, str], outcome: Outcome, now: datetime
) -> dict[Step, FlowplanError]:
    """Take those whose lifetime has ended out of `wanted`; returns those that were `missing` by then, each with why."""
    failed: dict[Step, FlowplanError] = {}
    for id, step in list(wanted.items()):
        change = outcome.expired.get(Step("end", step.address))
        if change is None:
            continue
        del wanted[id]
        if id in missing:
            how = again(step.address, late=past(change.lifetime, now) is not None)
            hint = f"none of it runs; to run it again: {how}"
            failed[step] = CloudError(f"placed, but its lifetime is over: {change.note}", hint=hint)
    return failed


def _wanted(plan: Plan, outcome: Outcome) -> dict[str, Step]:
    """The bids that are meant to run, those that were there before too: id -> step."""
    bindings = outcome.state.bindings
    return {
        bindings[change.address].id: Step("up", change.address)
        for change in plan.changes
        if isinstance(change.after, Bid) and not change.after.paused and change.address in bindings
        if not bindings[change.address].ended  # its lifetime ended while others were waited for
    }
