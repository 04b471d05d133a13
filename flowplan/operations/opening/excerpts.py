"""The lines of the configuration that refusals and failures are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.apply.events import PassesOn
from flowplan.classes import frozen
from flowplan.errors import FlowplanError
from flowplan.planning.actions import Change
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
class Excerpting(PassesOn):
    """Passes on each failure with the line that it is about."""

    config: Config

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        if change.position is not None:
            error.excerpt = self.config.source_line(change.position)
        PassesOn.failed(self, step, change, error)
