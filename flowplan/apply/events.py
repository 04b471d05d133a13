"""Who hears what a run does."""

from __future__ import annotations

from typing import Protocol

from flowplan.errors import FlowplanError
from flowplan.planning.plan import Change
from flowplan.planning.steps import Step


class Events(Protocol):
    """Told what happens, after it is durable. Must not raise: reports decide nothing."""

    def started(self, step: Step, change: Change) -> None: ...
    def progress(self, step: Step, change: Change, seconds: float) -> None: ...
    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None: ...
    def failed(self, step: Step, change: Change, error: FlowplanError) -> None: ...
    def note(self, text: str) -> None: ...
