"""Whether the watch places a bid again, there or elsewhere, and when. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.planning.actions import Completed, Replace
from flowplan.planning.as_approved import changed_before_it_ended, has_yet_to_come, is_as_applied, placed_lately
from flowplan.planning.watch_looks import AtChange
from flowplan.state.state import CANCELLED, Binding

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=6)  # before a bid is placed yet again


def why_not_placed(at: AtChange, binding: Binding, *, own: bool) -> str | None:
    """Why a bid that is over is for a person to place again; None: the watch may."""
    policy = at.seen.policy
    if isinstance(binding.applied, Bid) and binding.applied.inputs is None:
        return "flowplan did not place it, so what it ran is not known"
    if not is_as_applied(at.change, at.known, at.seen.desired, elsewhere=policy.switch_region):
        return "the files ask for something else by now, or for another place"
    if any(one == at.change.address for one, _ in at.seen.plan.twins):
        return "another live bid carries the marker of this task"
    if (said := changed_before_it_ended(binding, at.seen.state, at.seen.live, at.seen.now)) is not None:
        return said
    if own:
        return None if policy.switch_region else "switch_region is not set"
    if policy.on_preempted != "rebid":
        return "on_preempted is not rebid"
    if binding.ended == CANCELLED:
        return "flowplan cancelled it in a run that did not come to its end"
    ender = at.seen.ended_by.get(binding.id)
    if ender == "user":
        return "somebody cancelled it"
    return None if ender == "cloud" else "its history does not say who ended it"


def pause_left(at: AtChange) -> timedelta | None:
    """How long it is still to be left alone: it was placed again already within a day, and ended again. None: it
    is not. Of two clocks it is the longer of what they say."""
    return max((left for one in _clocks(at) if (left := _pause_by(one, at)) is not None), default=None)


def _clocks(at: AtChange) -> list[datetime]:
    """What each clock shows that may be right: by one that is behind, a bid of this task would be yet to come."""
    address, state, live, now, here = at.change.address, at.seen.state, at.seen.live, at.seen.now, at.seen.here
    if here is None:
        return [now]
    return [one for one in (now, here) if not has_yet_to_come(address, state, live, one)] or [now]


def _pause_by(now: datetime, at: AtChange) -> timedelta | None:
    placed = placed_lately(at.change.address, at.seen.state, at.seen.live, now)
    if len(placed) < 2:
        return None
    wait = min(FIRST_PAUSE * 2 ** min(len(placed) - 2, 10), LONGEST_PAUSE)
    left = placed[-1] + wait - now
    return left if left > timedelta() else None


def is_met(at: AtChange, task: Address, until: str) -> bool:
    """Whether what is waited for is so far by now, as far as the list tells: nothing is waited for under the
    lock."""
    change = at.seen.plan.by_address().get(task)
    if isinstance(change, Completed):
        return until in ("placed", "terminated")
    known = at.seen.state.bindings.get(task)
    bid = at.seen.live.bids.get(known.id) if known is not None else None
    if bid is None or bid.ended or until == "terminated":
        return False
    return until == "placed" or bid.status == ALLOCATED


def is_move(at: AtChange, change: Replace) -> bool:
    """Whether it is replaced only because there is a better place for it, of those that its task leaves open."""
    before, places = change.before, {one.candidate.place for one in change.candidates}
    if not isinstance(before, Bid) or (before.instance_type, before.region) not in places:
        return False
    return {one.name for one in change.fields if one.forces} <= {"region", "instance_type"} and (
        is_as_applied(at.change, at.known, at.seen.desired, elsewhere=True)
    )
