"""A plan with its price: what it costs now and ahead, held to guards and budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from flowplan.model.resources import Bid
from flowplan.operations.looking.prices import prices_of, streams_of
from flowplan.operations.proposing.placeable import hold_placeable
from flowplan.pricing.lifetime import ENDLESS
from flowplan.pricing.units import HOUR

if TYPE_CHECKING:
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.diagnostics import Diagnostic
    from flowplan.model.budget import Budget
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.desired import Desired
    from flowplan.planning.plan import Plan, Wishes
    from flowplan.pricing.history import Stream


def _never(plan: Plan) -> bool:
    return False


def priced_plan(
    session: Session, seen: Observed, wishes: Wishes, *, forecasts: Callable[[Plan], bool] = _never
) -> PricedPlan:
    """Plan, fetch the prices (one call per distinct type, region and quantity) and ask the guards. `forecasts`: whether
    the plan will be forecast; the past prices of that are fetched beside the others."""
    from flowplan.cost.estimate import priced
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.operations.checking import environment
    from flowplan.operations.checking.policing import refused_by_policies, unheeded
    from flowplan.operations.checking.recipients import other_recipients
    from flowplan.operations.looking.live import say_assumed
    from flowplan.planning.actions import Delete
    from flowplan.planning.guards import refusals
    from flowplan.planning.jobs import notes
    from flowplan.planning.make import make_plan
    from flowplan.planning.unreported import hold_reported

    state = seen.recorded if wishes.mode == "refresh-only" else seen.state  # what moves or is imported is not recorded
    plan = make_plan(seen.desired, state, seen.live, wishes, seen.pending)
    hold_reported(plan, seen.catalogue, seen.live)
    say_assumed(session.cloud(), seen.live)
    prices = prices_of(session, plan, seen, pasts=forecasts(plan))
    markets = prices.markets
    for address, why in plan.staying:
        session.cloud().note(f"{address} stays: {why}")
    unchecked = hold_placeable(session, plan, prices, seen)
    warnings = (*(seen.config.warnings if seen.config is not None else ()), *map(as_warning, plan.faults))
    if wishes.unread is not None and not wishes.lapsed:
        warnings = (*warnings, *map(_as_recorded, wishes.unread.locked))
    others = (other_recipients(session), *environment.told(seen, wishes, plan))
    warnings = (*(one for one in others if one is not None), *warnings)
    if any(isinstance(one, Delete) for one in plan.changes) and wishes.mode == "apply":
        from flowplan.operations.beside import named_beside

        warnings = (*warnings, *named_beside(session, plan, wishes))
    desired = lived(session, plan, seen) if forecasts(plan) or plan.patterns.partial else seen.desired
    costs = priced(plan, markets, desired)
    return PricedPlan(
        plan,
        costs,
        (*refusals(plan, seen.live, wishes), *refused_by_policies(session, plan, wishes, seen, costs)),
        unchecked=unchecked,
        warnings=(*warnings, *unheeded(wishes, seen), *notes(plan.changes, desired, seen.state.paid)),
        past=prices.past,
    )


def lived(session: Session, plan: Plan, seen: Observed) -> Desired:
    """What is desired, with what is left of lifetimes that no file has any more, or that no file is read for; and of
    bids that no file names any more, which lifetimes are over as they were applied."""
    known, desired = seen.state.bindings, seen.desired
    bids = [one.address for one in plan.changes if isinstance(one.before, Bid) and one.address in known]
    if not bids:
        return desired
    from flowplan.operations.looking.lifetimes import seen_of
    from flowplan.planning.lifetimes import Lives, as_applied, left_as_applied, over

    gone = {a: bounds for a in bids if a not in desired.lifetimes and (bounds := as_applied(known[a])) is not None}
    if not gone:
        return desired
    found = seen_of(session, gone, seen.state, seen.live)
    left = left_as_applied(gone, seen.state, found)
    dropped = {a: one for a, one in gone.items() if plan.mode == "apply" and a not in desired.resources}
    return attrs.evolve(
        desired,
        left={**desired.left, **{a: Lives(ENDLESS, ENDLESS, one) for a, one in left.items()}},
        over={**desired.over, **over(dropped, seen.state, seen.live, found)},
    )


def as_warning(fault: Diagnostic) -> Diagnostic:
    """A problem of what a plan leaves out."""
    return attrs.evolve(fault, severity="warning", summary=f"{fault.about} is left out: {fault.summary}")


def _as_recorded(locked: Diagnostic) -> Diagnostic:
    """A warning of a file that cannot be read, for a plan that needs none."""
    summary = f"{locked.summary}: what the state says that it made is destroyed"
    return attrs.evolve(locked, severity="warning", summary=summary, hint=None)


def hold_budgets(session: Session, found: PricedPlan, budgets: Sequence[Budget], hours: float | None) -> PricedPlan:
    """`found` held to `budgets`; forecast first, where one of them is judged by that and it is not yet."""
    if not budgets:
        return found
    from flowplan.cost.budgets import judged, refusals
    from flowplan.planning import mass_change

    if found.costs.forecast is None and any(budget.by_forecast for budget in budgets):
        found = forecast(session, found, hours, spans=(HOUR,))
    verdicts, mass = judged(found.costs, budgets), mass_change.judged(found.plan, budgets)
    refused = (*found.refusals, *mass_change.refusals(mass), *refusals(found.costs, verdicts))
    return attrs.evolve(found, refusals=refused, judged=(*found.judged, *verdicts), mass=mass)


def forecast(
    session: Session,
    found: PricedPlan,
    hours: float | None,
    *,
    spans: Iterable[float] = (),
    streams: Mapping[tuple[str, str], Stream] | None = None,
) -> PricedPlan:
    """`found` with what it will cost over `hours` (see `forecasted`) and over `spans`. `streams`: those of
    `streams_of`, if they are there already."""
    from flowplan.cost.forecast import forecasted

    streams = streams_of(session, found) if streams is None else streams
    now = session.cloud().time()
    return attrs.evolve(found, costs=forecasted(found.costs, streams, hours, spans, now))
