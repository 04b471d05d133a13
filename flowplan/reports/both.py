"""Two reports on one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from flowplan.apply.events import Awaited, Reporter
from flowplan.apply.outcome import Outcome
from flowplan.errors import FlowplanError
from flowplan.planning.actions import Change
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step


@frozen
class Both:
    """A reporter that passes on all that it hears, first to the one and then to the other."""

    one: Reporter
    other: Reporter

    def planned(self, body: Mapping[str, Any]) -> None:
        self.one.planned(body)
        self.other.planned(body)

    def started(self, step: Step, change: Change) -> None:
        self.one.started(step, change)
        self.other.started(step, change)

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        self.one.progress(step, change, seconds)
        self.other.progress(step, change, seconds)

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        self.one.done(step, change, id, seconds)
        self.other.done(step, change, id, seconds)

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        self.one.failed(step, change, error)
        self.other.failed(step, change, error)

    def note(self, text: str) -> None:
        self.one.note(text)
        self.other.note(text)

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        self.one.waits(for_, until, seconds)
        self.other.waits(for_, until, seconds)

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        self.one.summary(plan, outcome)
        self.other.summary(plan, outcome)
