"""What a run raises though it has done all that it could: something runs on that was to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.apply.outcome import ApplyFailed, Outcome, RefusedMeanwhile, SaveFailed, doing
from flowplan.errors import CloudError
from flowplan.model.address import in_order
from flowplan.model.resources import Bid
from flowplan.names import few
from flowplan.planning.jobs import kept
from flowplan.planning.unreported import left_unread
from flowplan.pricing.units import an_hour_at_most, total

if TYPE_CHECKING:
    from flowplan.operations.looking.observe import Observed
    from flowplan.planning.plan import Plan

_LISTED = "run the same command again once the bids can be listed"


def running_on(plan: Plan, outcome: Outcome) -> str | None:
    """Which bids `plan` was to cancel, and did not: each costs money until it is. None: there is none."""
    changes = {**plan.by_address(), **{step.address: change for step, change in outcome.expired.items()}}
    steps = [step for step in (*outcome.failed, *outcome.not_started) if step.way != "up"]
    ends = {step.address for step in steps if doing(step, changes[step.address]) == "destroying"}
    bids = {a: bid for a in sorted(ends, key=in_order) if isinstance(bid := changes[a].before, Bid)}
    if not bids:
        return None
    worst = an_hour_at_most(total(bid.worst for bid in bids.values()))
    return f"not cancelled: {few([*map(str, bids)])}, which may run on: {worst}"


def with_running_on(error: SaveFailed, plan: Plan) -> SaveFailed:
    """`error`, which ends a run of `plan`; its detail begins with which bids that was to cancel, and did not."""
    error.detail = "\n".join(filter(None, [running_on(plan, error.outcome), error.detail])) or None
    return error


def hold_seen(plan: Plan, outcome: Outcome, seen: Observed, *, is_of_all: bool) -> None:
    """Raise ApplyFailed for what a plan that only stopped could not look at, and did not end; where it `is_of_all` that
    there is, also for what only a list shows: a bid that carries our marker and is not in the state."""
    left = left_unread(plan, seen.live, {step.address for step in outcome.done if step.way == "down"})
    if is_of_all and (why := seen.live.unlisted.get("bid")) is not None:
        left.append(CloudError(f"more bids of this stack may run than the state knows: {why}", hint=_LISTED))
    if left:
        raise ApplyFailed(
            f"everything that was to stop has stopped, but flowplan could not check all of it: {left[0]}",
            outcome,
            detail="\n".join(map(str, left[1:])) or None,
            hint=left[0].hint or "run the same command again once the API shows it",
        )


def hold_ended(plan: Plan, outcome: Outcome, seen: Observed) -> None:
    """Raise RefusedMeanwhile for what is past its lifetime, where a guard is all that keeps `plan` from ending it: the
    rest is done."""
    runs_on = kept(plan.changes, seen.desired) if plan.mode == "apply" and seen.desired.over else []
    if not runs_on:
        return
    names = ", ".join(str(one.address) for one, _ in runs_on)
    guards = dict.fromkeys(guard for one, _ in runs_on if (guard := one.guard) is not None)
    why = " and ".join(guard.by for guard in guards)
    worst, whose = total(bid.worst for _, bid in runs_on), "its" if len(runs_on) == 1 else "their"
    raise RefusedMeanwhile(
        f"all else is done, but {why} {'keeps' if len(guards) == 1 else 'keep'} {names} running past {whose} lifetime: "
        f"{an_hour_at_most(worst)}",
        outcome,
        code="prevent-destroy" if runs_on[0][0].protected else "policy",
        hint=f"{'; '.join(guard.lift for guard in guards)}; to let it run on, take its lifetime out of the file",
    )
