"""A plan, what it costs, and what is said about it: what is shown, saved and approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.cost.costs import Costs
from flowplan.cost.notes import notes
from flowplan.diagnostics import Diagnostic
from flowplan.model.budget import Judged
from flowplan.planning.plan import Plan
from flowplan.pricing.past import Fetched

if TYPE_CHECKING:
    from flowplan.planning.mass_change import MassChange


@frozen
class PricedPlan:
    """`refusals`: what guards and budgets say no to. `judged`: what became of each budget,
    `mass` of each limit on what is changed. `unchecked`: notes of what
    could not be asked before the apply. `warnings`: of the files. `past`: the past prices that were fetched beside the
    prices."""

    plan: Plan
    costs: Costs
    refusals: tuple[Diagnostic, ...] = ()
    judged: tuple[Judged, ...] = ()
    mass: tuple[MassChange, ...] = ()
    unchecked: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    past: Fetched | None = None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is said of it, in the order in which it is shown."""
        return (*self.warnings, *self.refusals, *notes(self.plan, self.costs, self.judged, self.unchecked))

    @property
    def errored(self) -> bool:
        """Whether it is refused, so that `apply` does nothing."""
        return bool(self.refusals)
