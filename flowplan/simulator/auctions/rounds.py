"""Time and clearing together: what happens to bids and instances when a market is cleared or a moment comes."""

from __future__ import annotations

import sqlite3

from flowplan.simulator import clock
from flowplan.simulator.api import bids, instances
from flowplan.simulator.auctions import clearing, market
from flowplan.simulator.auctions.crowd import Crowd, next_round


def settle(db: sqlite3.Connection, now: int, seed: int) -> None:
    """Clear every pool whose book changed, as if the round came now, and tell the bids. Needs a write transaction."""
    for pool in market.changed_pools(db):
        _tell(db, clearing.clear_pool(db, pool, now), now, seed)


def _tell(db: sqlite3.Connection, outcome: clearing.Outcome, now: int, seed: int) -> bool:
    """Whether there was anything to tell."""
    for seq in outcome.lost:
        bids.give_notice(db, seq, now)
    for seq, room_at in outcome.won:
        bids.allocate(db, seq, now, room_at, seed)
    for seq, room_at in outcome.moved:
        instances.wait(db, seq, room_at)
    return bool(outcome.lost or outcome.won or outcome.moved)


def next_due(db: sqlite3.Connection) -> int:
    """When something is due next: a step of an instance, the end of a notice, a round with anything to clear."""
    now, due = db.execute("SELECT now, (SELECT min(due_at) FROM pools) FROM clock").fetchone()
    changed = next_round(now) if market.is_changed(db) else clock.NEVER
    return min(_next_of_bids(db), changed, clock.NEVER if due is None else due)


def _next_of_bids(db: sqlite3.Connection) -> int:
    row: tuple[int | None] = db.execute(
        "SELECT min(at) FROM (SELECT min(due_at) AS at FROM instances WHERE due_at IS NOT NULL"
        " UNION ALL SELECT min(notice_ends_at) FROM bids WHERE notice_ends_at IS NOT NULL"
        " UNION ALL SELECT min(away_until) FROM bids WHERE away_until IS NOT NULL)"
    ).fetchone()
    return clock.NEVER if row[0] is None else row[0]


def advance(db: sqlite3.Connection, target: int, seed: int) -> None:
    """Let time pass until `target` (ms), everything due between happening at its own moment, in order.

    Needs a write transaction. A target in the past changes nothing: time never goes back.
    """
    now: int = db.execute("SELECT now FROM clock").fetchone()[0]
    crowd = Crowd(db, now, target, seed)
    of_bids = _next_of_bids(db)
    while (due := min(of_bids, crowd.due_at)) <= target:
        if is_of_bids := of_bids <= due:
            instances.step(db, due)
            bids.end_notices(db, due)
        if is_of_bids and bids.are_due_back(db, due):  # into books in memory; they count in a round of this very moment
            crowd.save()
            bids.let_back(db, due)
            crowd = Crowd(db, due - 1, target, seed)
        for outcome in crowd.hold_rounds(due):
            is_of_bids |= _tell(db, outcome, due, seed)
        if is_of_bids:
            of_bids = _next_of_bids(db)
    crowd.save()
    db.execute("UPDATE clock SET now = max(now, ?)", (target,))
