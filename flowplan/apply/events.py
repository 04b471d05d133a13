"""Who hears what a run does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flowplan.apply.outcome import Outcome
from flowplan.errors import FlowplanError
from flowplan.planning.actions import Change
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step


class Events(Protocol):
    """Told what happens, after it is durable. Must not raise: reports decide nothing."""

    def started(self, step: Step, change: Change) -> None: ...
    def progress(self, step: Step, change: Change, seconds: float) -> None: ...
    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None: ...
    def failed(self, step: Step, change: Change, error: FlowplanError) -> None: ...
    def note(self, text: str) -> None: ...


class Reporter(Events, Protocol):
    """Also hears the plan before, and what it came to in the end."""

    def planned(self, body: Mapping[str, Any]) -> None: ...
    def summary(self, plan: Plan, outcome: Outcome) -> None: ...
