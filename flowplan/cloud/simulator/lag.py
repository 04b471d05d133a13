"""Lists that lag behind, as a replica's do: bids and volumes are listed as they were some seconds ago.

The seconds are of virtual or of real time, whichever passes first: a clock that stands still must not keep a list
stale for ever. What the auction does is seen at once; what requests do is seen late.
"""

from __future__ import annotations

import json
import sqlite3
import time

from flowplan.cloud.simulator import bid_views, volumes
from flowplan.cloud.simulator.messages import Response, reply


def due(now: int, seconds: float) -> tuple[int, int]:
    """`seconds` from now, in virtual and in real time (ms)."""
    return now + round(seconds * 1000), real_time() + round(seconds * 1000)


def real_time() -> int:
    """This machine's clock in ms: a lag ends even when virtual time stands still."""
    return time.time_ns() // 1_000_000


def shown(db: sqlite3.Connection, fid: str) -> str | None:
    """The JSON with which a bid or a volume is listed now; None: it is not."""
    return bid_views.listed(db, fid) or volumes.listed(db, fid)


def remember(db: sqlite3.Connection, fid: str, before: str | None, now: int, seconds: float) -> None:
    """Lists go on showing `fid` as it was before (None: not at all)."""
    db.execute("DELETE FROM stale WHERE due_at <= ? OR real_at <= ?", (now, real_time()))
    db.execute("INSERT INTO stale (fid, shown, due_at, real_at) VALUES (?, ?, ?, ?)", (fid, before, *due(now, seconds)))


def as_it_was(db: sqlite3.Connection, kind: str, response: Response, now: int) -> Response:
    """A list of objects of a kind (the prefix of their ids), as the replica has it."""
    rows = db.execute(
        "SELECT fid, shown FROM stale WHERE due_at > ? AND real_at > ? AND fid GLOB ? ORDER BY seq DESC",
        (now, real_time(), f"{kind}_*"),
    ).fetchall()
    if not rows or response.status != 200:
        return response
    before = {fid: shown and json.loads(shown) for fid, shown in rows}  # of several the oldest
    whole = response.json
    listed = whole if isinstance(whole, list) else whole["data"]
    as_before = [before.pop(row["fid"], row) for row in listed]
    if isinstance(whole, list):
        as_before += before.values()  # deleted since; a list in pages keeps its rows
    listed[:] = [row for row in as_before if row]
    return reply(200, whole)
