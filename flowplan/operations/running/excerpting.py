"""The line of the configuration that a failure of a run is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.apply.events import PassesOn
from flowplan.classes import frozen

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.errors import FlowplanError
    from flowplan.planning.actions import Change
    from flowplan.planning.steps import Step


@frozen
class Excerpting(PassesOn):
    """Passes on each failure with the line that it is about."""

    config: Config

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        if change.position is not None:
            error.excerpt = self.config.source_line(change.position)
        PassesOn.failed(self, step, change, error)
