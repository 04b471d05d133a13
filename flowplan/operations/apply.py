"""Carry out a plan, or where there is none, end what is past its lifetime. For apply and destroy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.apply.outcome import ApplyFailed, Interrupted, Outcome, OutcomeUnknown
from flowplan.errors import (
    ApprovalMissing,
    CloudError,
    ConfigError,
    FlowplanError,
    GuardRefused,
    Locked,
    StateError,
    Unauthorized,
    Unreachable,
    UsageProblem,
)
from flowplan.model.budget import side_by_side
from flowplan.operations.checking.sensitive import hold_sensitive
from flowplan.operations.opening.variables import hold_same, of_plan
from flowplan.operations.proposing.request import Request, wanted
from flowplan.operations.running.approval import Approval
from flowplan.operations.running.as_saved import hold_same_state
from flowplan.operations.running.begun_once import OfBegun, say_begun
from flowplan.operations.running.excerpting import Excerpting
from flowplan.operations.running.lapsed import lapsed
from flowplan.operations.running.options import RunOptions
from flowplan.operations.running.run import Run
from flowplan.operations.running.saved_plan import touched_by

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.operations.opening.session import Session


def apply(
    session: Session,
    request: Request,
    how: RunOptions,
    approval: Approval,
    reporter: Reporter,
    saved: SealedPlan | None = None,
) -> Outcome:
    """Carry out what `request` asks for, once `approval` has approved it; or the `saved` plan, exactly, or refuse.

    Raises what the run amounts to: ApplyFailed, OutcomeUnknown, GuardRefused, StalePlan, ApprovalMissing, ConfigError,
    StateError, Locked, CloudError, and what `session.interruption` raises. What was done by then is in the state.
    Where the configuration cannot be used, the API does not tell what a plan is made from, or an operation of an
    earlier run stays in doubt, which is raised, what is past its lifetime is cancelled first.
    """
    try:
        return _applied(session, request, how, approval, reporter, saved)
    except (CloudError, ConfigError, GuardRefused, OutcomeUnknown, UsageProblem) as error:
        has_begun = isinstance(error, OutcomeUnknown) and error.outcome is not None  # it has ended that itself
        is_of_a_plan = isinstance(error, GuardRefused) and error.planned  # it names what stops only that
        is_of_all = request.destroy and not isinstance(error, ConfigError)  # what it would end, nothing else does
        is_of_every_call = isinstance(error, (Unauthorized, Unreachable))
        cannot_plan = not (has_begun or is_of_a_plan or is_of_all or is_of_every_call)
        if cannot_plan and saved is None and not (request.refresh_only or how.init):
            _end_what_is_over(session, request, how, approval, reporter, _no_plan_because(error))
        raise


def _no_plan_because(error: FlowplanError) -> str:
    if isinstance(error, OutcomeUnknown):
        return "an operation of an earlier run is in doubt"
    is_of_the_api = isinstance(error, CloudError)
    return "the API does not tell all that a plan is made from" if is_of_the_api else "the configuration cannot be used"


def _end_what_is_over(
    session: Session, request: Request, how: RunOptions, approval: Approval, reporter: Reporter, because: str
) -> None:
    """Cancel what is past its lifetime, if that is approved; `because`: why nothing else is done. Why it is not
    cancelled is noted; raises StateError, OutcomeUnknown and interruptions, which say more than that."""
    wishes = lapsed(session, request)
    if wishes is None:
        return
    session.listener.note(f"{because}: this run only cancels what is past its lifetime")
    try:
        Run(session, None, wishes, how, approval, reporter)()
    except (ApplyFailed, ApprovalMissing, CloudError, GuardRefused, Locked) as error:
        refusals = error.refusals if isinstance(error, GuardRefused) else ()
        why = "; ".join(one.summary for one in refusals) or error
        remedy = "give --auto-approve" if isinstance(error, ApprovalMissing) else error.hint
        hint = "" if remedy is None else f" ({remedy})"
        session.listener.note(f"what is past its lifetime runs on, and costs money: {why}{hint}")


def _applied(
    session: Session,
    request: Request,
    how: RunOptions,
    approval: Approval,
    reporter: Reporter,
    saved: SealedPlan | None,
) -> Outcome:
    if saved is not None:
        request = attrs.evolve(request, variables=of_plan(saved))
    session.stops = request.destroy and not how.init
    config, wishes = wanted(session, request, changes=True)
    if saved is not None:
        settings = session.settings
        hold_same_state(saved["stack"], session.chosen.recorded(session.identity, settings.directory))
        hold_same(saved, config.variables if config is not None else wishes.variables)
        hold_sensitive(session, saved, config)
        wishes = attrs.evolve(wishes, held_to=touched_by(saved))
    budgets = side_by_side(request.budgets, config.budgets) if config is not None else request.budgets
    hears = reporter if saved is None else OfBegun((reporter,))
    hears = hears if config is None else Excerpting((hears,), config)
    run = Run(session, config, wishes, how, approval, hears, saved=saved, budgets=budgets, hours=request.hours)
    try:
        outcome = run()
    except FlowplanError as error:
        if saved is not None and run.begun and not (run.carried_out and run.is_saved):
            say_begun(error, saved)
        try:
            run.set_off()
        except Interrupted:
            if not isinstance(error, (StateError, OutcomeUnknown)):  # which say more
                raise
        raise
    run.set_off()
    return outcome
