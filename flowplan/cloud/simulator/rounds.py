"""Time and clearing together: what happens to bids and instances when a market is cleared or a moment comes."""

from __future__ import annotations

import sqlite3

from flowplan.cloud.simulator import bids, clearing, clock, instances, market
from flowplan.cloud.simulator.crowd import Crowd


def settle(db: sqlite3.Connection, now: int, seed: int) -> None:
    """Clear every pool whose book changed, and tell the bids. Needs a write transaction."""
    for pool in market.changed_pools(db):
        _tell(db, clearing.clear_pool(db, pool, now), now, seed)


def _tell(db: sqlite3.Connection, outcome: clearing.Outcome, now: int, seed: int) -> None:
    for seq in outcome.lost:
        bids.give_notice(db, seq, now)
    for seq, room_at in outcome.won:
        bids.allocate(db, seq, now, room_at, seed)


def next_due(db: sqlite3.Connection) -> int:
    """When something is due next: a step of an instance, the end of a notice, a round in which rivals act."""
    row: tuple[int | None] = db.execute("SELECT min(due_at) FROM pools").fetchone()
    return min(_next_of_bids(db), clock.NEVER if row[0] is None else row[0])


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
    settle(db, now, seed)
    crowd = Crowd(db, target, seed)
    while (due := min(_next_of_bids(db), crowd.due_at)) <= target:
        instances.step(db, due)
        bids.end_notices(db, due)
        for outcome in crowd.hold_rounds(due):
            _tell(db, outcome, due, seed)
        if bids.are_due_back(db, due):  # their books are then cleared in the database
            crowd.save()
            bids.let_back(db, due)
            settle(db, due, seed)
            crowd = Crowd(db, target, seed)
    crowd.save()
    db.execute("UPDATE clock SET now = max(now, ?)", (target,))
