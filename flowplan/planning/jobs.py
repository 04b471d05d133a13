"""Tasks that end: bids that have run and are not placed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from flowplan.diagnostics import Diagnostic
from flowplan.model.live import Live
from flowplan.model.resources import Bid, Ends
from flowplan.planning.actions import Change, Completed, Create, LeftOut, NoOp, Replace, Update
from flowplan.planning.desired import Desired
from flowplan.pricing.units import an_hour_at_most, lasting, total, usd
from flowplan.state.paid import Ledger
from flowplan.state.state import DONE, TERMINATED, Binding


def completed(binding: Binding, desired: Desired, live: Live) -> Completed | None:
    """That the bid of `binding`, which is not live, has run and is not placed again; None: it is to be placed again.

    A bid is done if the state says so, or if it is a job (`Desired.is_job`) and is listed as terminated, or is proved
    gone. That flowplan cancelled it itself, and was killed before it could place it again, is no end of a job.
    """
    seen = live.bids.get(binding.id)
    ended = binding.ended
    over = seen is not None or binding.id in live.gone
    if not ended and over and desired.is_job(binding.address):
        ended = TERMINATED
    if binding.address.kind != "bid" or ended not in DONE:
        return None
    return Completed(
        binding.address,
        applied=binding.applied,
        ended=ended,
        id=binding.id,
        status=seen.status if seen is not None else None,
        generation=binding.generation,
        reason="completed",
        note=f"{binding.id} {DONE[ended]}",
        needs=binding.needs,
        protected=binding.protected,
        protected_by=binding.protected_by,
    )


def notes(changes: Iterable[Change], desired: Desired, ledger: Ledger | None = None) -> list[Diagnostic]:
    """What is said of the ends of tasks: which are done, with what runs them again; which run on past their lifetime,
    because a partial plan leaves them out, and which may; which are placed and end before their work is done; which are
    replaced, and may run as long again, and cost as much beside what `ledger` has; whose instances carry another
    lifetime than the files; and which have none, where others do."""
    changes = tuple(changes)
    return [
        *_done(changes, desired),
        *_run_on(changes, desired),
        *_may_be_over(changes, desired),
        *_too_short(changes, desired),
        *_starts_again(changes, desired, ledger or {}),
        *_other_lifetime(changes),
        *_no_lifetime(changes, desired),
    ]


def _done(changes: Iterable[Change], desired: Desired) -> Iterator[Diagnostic]:
    for one in changes:
        if isinstance(one, Completed):
            from flowplan.planning.lifetimes import again

            summary = f"{one.address} is done and will not be placed again: {one.id} {DONE[one.ended]}"
            hint = f"to run it again: {again(one.address, late=one.address in desired.over)}"
            yield Diagnostic("done", summary, hint, severity="note", about=str(one.address))


def _run_on(changes: Iterable[Change], desired: Desired) -> Iterator[Diagnostic]:
    for one in changes:
        bid, guard = _left(one), one.guard
        if bid is None or one.address not in desired.over:
            continue
        if guard is None and not isinstance(one, LeftOut):
            continue
        if guard is None:
            why = "it is left out of this plan" if bid.paused else "it is left out of this plan and keeps running"
        else:
            why = f"{guard.by} keeps it" if bid.paused else f"{guard.by} keeps it running"
        most = "it is paused" if bid.paused else an_hour_at_most(bid.worst)
        summary = f"{one.address} is past its lifetime ({desired.over[one.address]}), but {why}: {most}"
        hint = f"flowplan apply --target {one.address.word}" if guard is None else guard.lift
        yield Diagnostic("lifetime-over", summary, f"cancel it: {hint}", severity="warning", about=str(one.address))


def _may_be_over(changes: Iterable[Change], desired: Desired) -> Iterator[Diagnostic]:
    for one in changes:
        bid, unsure = _left(one), desired.unknown.get(one.address)
        lifetime = desired.lifetimes.get(one.address)
        if bid is None or bid.paused or unsure is None or one.guard is not None or lifetime is None:
            continue
        from flowplan.planning.lifetimes import may_be_over

        yield Diagnostic(
            "lifetime-unknown",
            f"{one.address} {may_be_over(unsure, bid)}",
            f"{unsure.remedy}; to stop it now: flowplan destroy --target {one.address.word}",
            severity="warning",
            position=lifetime.source,
            about=str(one.address),
        )


def kept(changes: Iterable[Change], desired: Desired) -> list[tuple[Change, Bid]]:
    """What a guard keeps running although its lifetime is over, of what the plan does not leave out, each with the bid
    as the plan leaves it."""
    over = (one for one in changes if one.address in desired.over and not isinstance(one, LeftOut))
    left = ((one, bid) for one in over if one.guard is not None and (bid := _left(one)) is not None)
    return [(one, bid) for one, bid in left if not bid.paused]


def _left(change: Change) -> Bid | None:
    """The live bid of `change`, as the plan leaves it; None: there is none, or it ends."""
    if not isinstance(change.before, Bid) or "down" in change.ways:
        return None
    return change.after if isinstance(change.after, Bid) else change.before


def _too_short(changes: Iterable[Change], desired: Desired) -> Iterator[Diagnostic]:
    for one in changes:
        hours, lives = desired.durations.get(one.address), desired.left.get(one.address)
        if not isinstance(one, (Create, Replace)) or hours is None or lives is None or one.lifetime is None:
            continue
        left = lives.new
        if not left.ends_before(float(hours), hours, None):
            continue
        ran_out = left.running is not None and hours > left.running
        bound = f"after {lasting(left.most_running)} of running (max_hours)" if ran_out else "by its end_at"
        summary = f"{one.address} ends {bound}, before its {lasting(float(hours))} of work are done"
        hint = "lengthen its lifetime, or correct nearest_estimated_duration"
        where = one.lifetime.source
        yield Diagnostic("lifetime-short", summary, hint, severity="warning", position=where, about=str(one.address))


def _starts_again(changes: Iterable[Change], desired: Desired, ledger: Ledger) -> Iterator[Diagnostic]:
    for one in changes:
        if not isinstance(one, Replace) or one.lifetime is None:
            continue
        bounds = {"max_hours": one.lifetime.max_hours, "max_cost": one.lifetime.max_cost}
        names = " and ".join(name for name, most in bounds.items() if most is not None)
        if names:
            summary = f"replacing {one.address} starts its {names} again: what {one.id} has run and cost does not count"
            bound = "them" if " and " in names else "it"
            hint = f"if {names} should bound the whole task, lower {bound} by what the task has used up so far"
            hint += _rest(one, one.lifetime.max_cost, desired, ledger)
            yield Diagnostic("lifetime-again", summary, hint, severity="warning", about=str(one.address))


def _rest(change: Replace, most: Decimal | None, desired: Desired, ledger: Ledger) -> str:
    """What the bids of a task were billed so far, and the max_cost that bounds the whole at `most`; "": neither is
    known."""
    lives = desired.left.get(change.address)
    before = [one.amount for one in ledger.values() if one.address == change.address]
    left = lives.live.paid if lives is not None else None
    if most is None or left is None:
        return ""
    paid = most - left + sum((one or Decimal(0) for one in before), Decimal(0))
    if not paid:  # it may be that no bill could be read
        return ""
    at_least = "at least " if None in before or left in (0, most) else ""
    rest = f"which leaves max_cost: {most - paid:.2f}" if paid < most else "which leaves nothing"
    return f": {at_least}{usd(paid)} of {usd(most)}, {rest}"


def _other_lifetime(changes: Iterable[Change]) -> Iterator[Diagnostic]:
    for one in changes:
        inputs = one.before.inputs if isinstance(one.before, Bid) else None
        if not isinstance(one, (NoOp, Update)) or isinstance(one, LeftOut):
            continue  # of what is left out nothing is said: a plan that destroys reads no lifetime of it
        if inputs is None or inputs.given_sha256 is not None:
            continue
        if inputs.ends != Ends.of(one.lifetime):
            summary = f"the instances of {one.address} were started with another lifetime, or with none"
            hint = "flowplan goes by the file and cannot change what they do; "
            hint += f"--replace {one.address.word} starts them again"
            yield Diagnostic("other-lifetime", summary, hint, severity="note", about=str(one.address))


def _no_lifetime(changes: Iterable[Change], desired: Desired) -> Iterator[Diagnostic]:
    endless = [one for one in changes if isinstance(one.after, Bid) and not one.after.paused and one.lifetime is None]
    if not desired.lifetimes or not endless:
        return
    names = ", ".join(str(one.address) for one in endless[:6]) + (" and others" if len(endless) > 6 else "")
    worst = total(one.after.worst for one in endless if isinstance(one.after, Bid))
    run = "runs" if len(endless) == 1 else "run"
    summary = f"other tasks have a lifetime, but {names} {run} until cancelled: {an_hour_at_most(worst)}"
    yield Diagnostic("no-lifetime", summary, "give them a lifetime, too: {max_hours: 12}", severity="warning")
