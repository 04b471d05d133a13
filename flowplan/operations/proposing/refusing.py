"""A plan that is not carried out: what refuses it, and what it leaves running."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING

from flowplan.errors import GuardRefused

if TYPE_CHECKING:
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.diagnostics import Diagnostic
    from flowplan.model.address import Address
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan


def refuse(session: Session, found: PricedPlan, *, saved: bool = False) -> None:
    """Raise GuardRefused when a guard says no, with every reason. The plan is shown by then; a `saved` one is not."""
    if found.refusals:
        reasons = sorted({refusal.word or refusal.code for refusal in found.refusals})
        guards = f"the guard{'' if len(reasons) == 1 else 's'} {', '.join(reasons)}"
        first = found.refusals[0]
        raise GuardRefused(
            f"refused by {guards}; {session.nothing_was('changed')}",
            code=first.code,
            detail="\n".join(refusal.summary for refusal in found.refusals) if saved else None,
            hint=_remedy(first) if saved else runs_on(found),
            refusals=() if saved else found.refusals,
        )


def runs_on(found: PricedPlan) -> str | None:
    """What a refused plan leaves running although its lifetime is over, and how to stop it anyway; None: nothing, or
    what is refused itself."""
    from flowplan.planning.actions import Expire

    refused = {one.about for one in found.refusals}
    due = [str(one.address) for one in found.plan.changes if isinstance(one, Expire)]
    due = [one for one in due if one not in refused]
    return f"{_past(due)}: flowplan apply {_targets(due)}" if due else None


def unseen_runs_on(plan: Plan, over: Container[Address]) -> str | None:
    """What `plan`, refused because it needs somebody who looks at it, leaves running although its lifetime is `over`,
    also where no file names it; and what stops that for somebody who looks. None: nothing."""
    from flowplan.planning.actions import Delete, Expire

    ends = [one for one in plan.changes if isinstance(one, (Delete, Expire))]
    due = [str(one.address) for one in ends if isinstance(one, Expire) or one.address in over]
    return f"{_past(due)}, answer yes to `flowplan destroy {_targets(due)}`" if due else None


def _past(due: Sequence[str]) -> str:
    run = f"{', '.join(due)} {'keeps running past its' if len(due) == 1 else 'keep running past their'} lifetime"
    return f"{run}; to stop only that"


def _targets(due: Iterable[str]) -> str:
    from shlex import quote

    return " ".join(f"--target {quote(one)}" for one in due)


def _remedy(refusal: Diagnostic) -> str | None:
    """What to do about a refusal of a saved plan."""
    if refusal.code != "volume-data":
        return refusal.hint
    return (
        "a permission in a plan file proves nothing: name the volume here with --allow-volume-destroy, "
        "or give --expect SHA256, or sign plans with FLOWPLAN_PLAN_KEY"
    )


def hold_unseen(found: Iterable[Diagnostic]) -> None:
    """Raise GuardRefused where what is said of a plan needs somebody who has looked at it: that its variables are those
    of another environment, or that what it places may run already."""
    from flowplan.operations.checking.environment import hold_warned

    hold_warned(found)


def tell_unseen(session: Session, found: Iterable[Diagnostic]) -> None:
    """Warn of what `hold_unseen` raises: of a plan that a program applies, which may have looked at it."""
    from flowplan.operations.checking.environment import and_then, warned

    for one in warned(found):
        session.listener.warn(and_then(one, one.hint or ""))
