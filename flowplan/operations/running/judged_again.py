"""What waited for another task, judged once more before it is placed: by the time and the prices of now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.classes import define
from flowplan.clock import since_boot
from flowplan.errors import GuardRefused
from flowplan.operations.checking.policing import refused_by_policies
from flowplan.operations.looking.prices import markets_of
from flowplan.operations.proposing.priced import hold_budgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowplan.cost.costs import Costs
    from flowplan.diagnostics import Diagnostic
    from flowplan.model.budget import Budget
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.actions import Change
    from flowplan.planning.plan import Plan, Wishes

_FRESH = 10.0  # seconds for which prices are those of now


@define
class JudgedAgain:
    """Holds each change of `plan`, which was approved, to its policies and to the budgets that go by prices. What does
    not move meanwhile (limits, types, names) is as it was approved."""

    session: Session
    wishes: Wishes
    budgets: Sequence[Budget]
    hours: float | None
    plan: Plan
    seen: Observed
    _costs: Costs | None = field(default=None, init=False)
    _priced: float = field(default=0.0, init=False)
    _over: tuple[Diagnostic, ...] = field(default=(), init=False)  # what the budgets refuse by these prices

    def __call__(self, change: Change) -> GuardRefused | None:
        """Why `change` may not be placed any more; None: it may. Raises CloudError where the prices, or what else is
        live, cannot be fetched: nobody can judge then."""
        by_price = [one for one in self.budgets if one.by_forecast]
        if not (self.wishes.policies or by_price):
            return None
        costs = self._priced_now(by_price)
        found = [*refused_by_policies(self.session, self._alone(change), self.wishes, self._seen_now(), costs)]
        found += self._over
        if not found:
            return None
        first = found[0]
        return GuardRefused(
            "; ".join(one.summary for one in found),
            code=first.code,
            hint=f"nothing was placed for it{'' if first.hint is None else f'; {first.hint}'}",
        )

    def _priced_now(self, budgets: Sequence[Budget]) -> Costs:
        """What the whole plan costs by the prices of now, which are fetched once for all that may start together."""
        from flowplan.cost.estimate import priced
        from flowplan.cost.priced_plan import PricedPlan

        now = since_boot()
        if self._costs is None or now - self._priced > _FRESH:
            costs = priced(self.plan, markets_of(self.session, self.plan, self.seen), self.seen.desired)
            found = hold_budgets(self.session, PricedPlan(self.plan, costs), budgets, self.hours)
            self._costs, self._priced, self._over = costs, now, found.refusals
        return self._costs

    def _alone(self, change: Change) -> Plan:
        """`change` as a plan: what was done before it is live by now, and what waits on is judged in its turn."""
        return attrs.evolve(self.plan, changes=(change,))

    def _seen_now(self) -> Observed:
        """What is live now, where a rule counts what the whole project costs."""
        if not any(rules.budgets for rules in self.wishes.policies):
            return self.seen
        return attrs.evolve(self.seen, live=self.session.cloud().live())
