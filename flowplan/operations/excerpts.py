"""The lines of the configuration that refusals and failures are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from attrs import frozen

from flowplan.apply.events import Awaited, Reporter
from flowplan.apply.outcome import Outcome
from flowplan.errors import FlowplanError
from flowplan.planning.actions import Change
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.cost.priced_plan import PricedPlan


def with_lines(found: PricedPlan, config: Config | None) -> PricedPlan:
    """`found` with the lines that its refusals are about."""
    if config is None or not found.refusals:
        return found
    refusals = (
        one if one.position is None else attrs.evolve(one, source=config.source_line(one.position))
        for one in found.refusals
    )
    return attrs.evolve(found, refusals=tuple(refusals))


@frozen
class Excerpting:
    """A reporter that passes on what it hears, each failure with the line that it is about."""

    reporter: Reporter
    config: Config

    def planned(self, body: Mapping[str, Any]) -> None:
        self.reporter.planned(body)

    def started(self, step: Step, change: Change) -> None:
        self.reporter.started(step, change)

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        self.reporter.progress(step, change, seconds)

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        self.reporter.done(step, change, id, seconds)

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        if change.position is not None:
            error.excerpt = self.config.source_line(change.position)
        self.reporter.failed(step, change, error)

    def note(self, text: str) -> None:
        self.reporter.note(text)

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        self.reporter.waits(for_, until, seconds)

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        self.reporter.summary(plan, outcome)
