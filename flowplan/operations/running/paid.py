"""Read what the bids were billed that have ended, and keep it in the state: bills may not go back for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from flowplan.errors import CloudError
from flowplan.state.paid import GROWS_FOR, billed, unsettled
from flowplan.state.state import lately

if TYPE_CHECKING:
    from collections.abc import Set

    from flowplan.model.live import Live
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import State


def with_bill(session: Session, state: State, live: Live) -> State:
    """`state`, which is about to be saved, with the bill of the bids in its ledger that may have been billed since it
    was read last: one list, none where there is no such bid, or somebody asked to stop. A bill that cannot be fetched
    is noted: the amounts stay unknown, the bids are known. `live`: what this run saw, also of what others ended."""
    from flowplan.pricing.billing import billed_by_end

    cloud = session.cloud()
    now = cloud.time()
    ended = lately(state.ended, now.timestamp()) | _short_lived(live, now)
    if session.interruption.stopped() or not unsettled(state.paid, ended, now.timestamp()):
        return state
    try:
        bills = cloud.billed(shown_only=True)
    except CloudError as error:
        cloud.note(f"what the bids that have ended cost could not be fetched; `flowplan cost` asks again: {error}")
        return state
    ends = {id: datetime.fromtimestamp(at, UTC) for id, at in state.ended.items()}
    read = {id: periods for id, periods in bills.by_bid.items() if id not in bills.unread}
    found = {id: billed_by_end(read[id], now, ends.get(id)) for id in state.paid if id in read}
    known = {id: one for id, one in found.items() if one is not None}
    unknown = bills.unread.keys() | (found.keys() - known.keys())
    return attrs.evolve(state, paid=billed(state.paid, known, now.timestamp(), ended - unknown))


def _short_lived(live: Live, now: datetime) -> Set[str]:
    """The bids that are over and were placed so lately that every bill goes back as far: one that waited all its life
    is on none, and was billed nothing."""
    from flowplan.planning.lifetimes import placed_at

    placed = {bid.id: placed_at(bid, now) for bid in live.bids.values() if bid.ended}
    return {id for id, at in placed.items() if at is not None and (now - at).total_seconds() < GROWS_FOR}
