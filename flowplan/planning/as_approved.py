"""Whether a bid of the state is still what somebody approved, as far as the files and the list of bids tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from flowplan.clock import AGREE
from flowplan.model.address import Address
from flowplan.model.bounds import moment
from flowplan.model.live import Live, LiveBid, Marker
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change
from flowplan.planning.desired import Desired
from flowplan.planning.differences import differences
from flowplan.planning.lifetimes import has_lifetime_as_applied, placed_at
from flowplan.state.known import as_known
from flowplan.state.state import Binding, State

DAY = timedelta(days=1)


def is_as_applied(change: Change, known: Binding | None, desired: Desired, *, elsewhere: bool) -> bool:
    """Whether the files ask for what was applied (`known`), but for a limit that the watch has raised and, where it may
    be `elsewhere`, the place: another of those that the task leaves open, as it does the one that was applied. What a
    lifecycle ignores counts: what is placed again is placed as the files have it; so nobody approved what a bid carries
    in the place of one that flowplan did not place."""
    wanted, address = change.after, change.address
    if not isinstance(wanted, Bid) or known is None or not isinstance(known.applied, Bid):
        return False
    if known.applied.inputs is None:
        return False
    applied, written = known.applied, desired.raised.get(address, wanted.limit_price)
    fields = {one.name for one in differences(applied, wanted, named=address in desired.named)} - {"limit_price"}
    place = applied.instance_type, applied.region
    if elsewhere and place in {one.candidate.place for one in change.candidates}:
        fields -= {"region", "instance_type"}
    if fields or not has_lifetime_as_applied(known, desired.lifetimes.get(address)):
        return False
    return written in {applied.limit_price, known.raised_from}


def changed_before_it_ended(known: Binding, state: State, live: Live, now: datetime) -> str | None:
    """What shows that somebody had changed the bid that is over, `known`, or had another of its task since; None:
    nothing does."""
    found = live.bids.get(known.id)
    mine = placed_at(found, now) if found is not None else None
    for one, marker in _marked(known.address, state, live):
        at = placed_at(one, now)
        is_later = marker.generation > known.generation if mine is None or at is None else at > mine
        if one.id != known.id and is_later:
            return f"a later bid of it, {one.id}, has ended, too, which the state does not know"
    if found is None:
        return None
    fields = differences(known.applied, as_known(found, known.applied))
    shown = {"limit_price", *(["volumes"] if found.bid.volumes else [])}  # what is over may hold none any more
    names = [one.name for one in fields if one.name in shown]
    return f"{' and '.join(names)} was changed outside of flowplan before that" if names else None


def placed_lately(address: Address, state: State, live: Live, now: datetime) -> list[datetime]:
    """When each bid of this task was placed that was within a day, the first first. One whose time is none, or is yet
    to come, was placed now, for all that is known: no clock that is wrong lets a bid be placed again and again."""
    times = (placed_at(one, now) for one, _ in _marked(address, state, live))
    return sorted(now if at is None else min(at, now) for at in times if at is None or now - at < DAY)


def has_yet_to_come(address: Address, state: State, live: Live, now: datetime) -> bool:
    """Whether a bid of this task was placed after `now`, by the time that the API gives: `now` is none, then."""
    times = (moment(one.created_at) for one, _ in _marked(address, state, live))
    return any(at is not None and (at - now).total_seconds() > AGREE for at in times)


def _marked(address: Address, state: State, live: Live) -> Iterator[tuple[LiveBid, Marker]]:
    """The bids of this task, live and over, that carry its marker."""
    for one in live.bids.values():
        marker = one.marker
        if marker is not None and marker.lineage == state.lineage and marker.address == address:
            yield one, marker
