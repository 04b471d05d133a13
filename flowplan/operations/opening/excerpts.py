"""The lines of the configuration that refusals are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

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
