"""Plan: what would be done, at what cost, and what speaks against it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.model.budget import side_by_side
from flowplan.operations.looking.observe import Observed, observe_beside
from flowplan.operations.looking.prices import pasts_of, streams_of
from flowplan.operations.opening.loading import load_state
from flowplan.operations.proposing.document import document_of, sealed, with_scripts
from flowplan.operations.proposing.priced import forecast, hold_budgets, priced_plan
from flowplan.operations.proposing.request import Request, wanted
from flowplan.pricing.units import DAY, HOUR, MONTH

if TYPE_CHECKING:
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.documents.shapes.plan import PastPrices, PlanDocument, SealedPlan
    from flowplan.model.hooks import Hook
    from flowplan.operations.opening.session import Session
    from flowplan.pricing.past import Past


@frozen
class Planned:
    """A plan with its price, and its document; `shown`: that with the scripts that were requested, never saved. `seen`:
    what it was made from, `hooks`: what runs once it is shown."""

    priced: PricedPlan
    document: PlanDocument | SealedPlan
    shown: PlanDocument | SealedPlan
    seen: Observed
    hooks: tuple[Hook, ...] = ()

    @property
    def changes_something(self) -> bool:
        """Whether an apply would change what is live, or the state: the outputs, or the name_prefix alone."""
        from flowplan.documents.outputs import saved_besides

        body = self.document
        return not self.priced.plan.empty or bool(saved_besides(body["outputs"], body["diagnostics"]))

    @property
    def sealed(self) -> SealedPlan:
        """The document of a plan that was requested `complete`. Raises ValueError for another."""
        if "sha256" not in self.document:
            raise ValueError("this plan has no digest: it was not requested complete")
        return self.document


def plan(session: Session, request: Request, tell: Callable[[int, int], None] = lambda done, all_: None) -> Planned:
    """Plan, without the lock. `tell` hears how far a simulation is. Raises ConfigError; a plan that a guard refuses is
    returned, with its refusals."""
    session.stops = request.destroy  # a program's destroy shows itself first
    config, wishes = wanted(session, request)
    budgets = side_by_side(request.budgets, config.budgets) if config is not None else ()  # what removes is cheap
    with session.looking():
        loaded = load_state(session, removes=request.destroy)
        loaded, seen = observe_beside(session, loaded, config, refresh=request.refresh, partial=wishes.partial)
        if request.destroy:
            from flowplan.operations.looking.unknown_stack import hold_known

            hold_known(session, loaded, seen.state.stack, seen.live, wishes)
        drawn = request.what_if is not None or request.history
        found = priced_plan(session, seen, wishes, forecasts=lambda plan: request.complete or drawn or not plan.empty)
        pasts = pasts_of(session, found) if drawn else None
        streams = None if pasts is None else streams_of(session, found, pasts)
        if request.complete or not found.plan.empty:  # people who have nothing to decide are shown no forecast
            spans = (HOUR, DAY, MONTH) if request.complete else (HOUR,) if budgets else ()
            found = forecast(session, found, request.hours, spans=spans, streams=streams)
        found = hold_budgets(session, found, budgets, request.hours)
        if found.refusals:
            from flowplan.operations.opening.excerpts import with_lines

            found = with_lines(found, config)
    names = tuple(path if isinstance(path, str) else path.name for path in request.paths)
    body = document_of(session, seen, found, names, unchanged=request.complete, wishes=wishes)
    if request.history and pasts is not None:
        body["price_history"] = _history(session, found, pasts)
    if request.what_if is not None and streams is not None:
        from flowplan.operations.what_if import simulated

        body["what_if"] = simulated(found.costs, streams, seen.catalogue, request.what_if, tell)
    whole = sealed(session, body) if request.complete else body
    shown = with_scripts(session, whole, found.plan, seen.live) if request.scripts else whole
    return Planned(found, whole, shown, seen, wishes.hooks)


def _history(session: Session, found: PricedPlan, pasts: Mapping[tuple[str, str], Past]) -> list[PastPrices]:
    from flowplan.documents.price_history import price_history

    known = {auction: (past.prices, past.complete) for auction, past in pasts.items()}
    return price_history(found.costs, known, session.cloud().time())
