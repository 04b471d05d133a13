"""Time and clearing together: what happens to bids and instances when a market is cleared or a moment comes."""

from __future__ import annotations

import sqlite3

from flowplan.cloud.simulator import bids, instances, market


def settle(db: sqlite3.Connection, now: int, seed: int) -> None:
    """Clear every pool whose book changed, and tell the bids. Needs a write transaction."""
    for pool in market.changed_pools(db):
        outcome = market.clear_pool(db, pool, now)
        for seq in outcome.lost:
            bids.give_notice(db, seq, now)
        for seq in outcome.won:
            bids.allocate(db, seq, now, seed)


def next_due(db: sqlite3.Connection) -> int | None:
    """When something is due next: an instance is up, a notice ends."""
    row: tuple[int | None] = db.execute(
        "SELECT min(at) FROM (SELECT min(due_at) AS at FROM instances WHERE due_at IS NOT NULL"
        " UNION ALL SELECT min(notice_ends_at) FROM bids WHERE notice_ends_at IS NOT NULL"
        " UNION ALL SELECT min(away_until) FROM bids WHERE away_until IS NOT NULL)"
    ).fetchone()
    return row[0]


def advance(db: sqlite3.Connection, target: int, seed: int) -> None:
    """Let time pass until `target` (ms), everything due between happening at its own moment, in order.

    Needs a write transaction. A target in the past changes nothing: time never goes back.
    """
    now: int = db.execute("SELECT now FROM clock").fetchone()[0]
    settle(db, now, seed)
    while (due := next_due(db)) is not None and due <= target:
        instances.finish_starts(db, due)
        bids.end_notices(db, due)
        bids.let_back(db, due)
        settle(db, due, seed)
    db.execute("UPDATE clock SET now = max(now, ?)", (target,))
