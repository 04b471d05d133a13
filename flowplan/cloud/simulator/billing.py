"""What was used and what it cost: running time (to the millisecond) at the spot price of each moment.

Nothing is written while time passes: the periods follow from the instance's events and the auction's price events.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from flowplan.cloud.simulator.clock import iso
from flowplan.cloud.simulator.instances import page_of_history
from flowplan.cloud.simulator.messages import Call, Response, reply

BILLED = ("STATUS_RUNNING", "STATUS_PREEMPTING")
Period = tuple[int, int, int | None]  # cents per hour, start, end (None: still running)


def pricing_history(call: Call) -> Response:
    query, rows, cursor = page_of_history(call)
    since, until = query["start_time"], query["end_time"]
    listed = []
    for seq, id, bid, auction in rows:
        periods = billed_periods(call.db, seq, auction)
        shown = [_json(p) for p in periods if (until is None or p[1] <= until) and (since is None or _ends(p) >= since)]
        listed.append({"instance_fid": id, "bid_fid": bid, "reservation_fid": None, "events": shown})
    return reply(200, {"instances": listed, "next_cursor": cursor})


def _ends(period: Period) -> float:
    return float("inf") if period[2] is None else period[2]


def _json(period: Period) -> dict[str, Any]:
    cents, start, end = period
    return {"price_cents": cents, "start_time": iso(start), "end_time": None if end is None else iso(end)}


def billed_periods(db: sqlite3.Connection, instance: int, auction: int) -> list[Period]:
    """The periods of one price each in which the instance was billed, in order."""
    return [
        period
        for start, end in _running_periods(db, instance)
        for period in _priced(db, auction, start, end)
        if period[1] != period[2]
    ]


def _running_periods(db: sqlite3.Connection, instance: int) -> list[tuple[int, int | None]]:
    """When it ran: from RUNNING until neither RUNNING nor on notice. A notice before it ever ran is not billed."""
    periods: list[tuple[int, int | None]] = []
    since = None
    for at, status in db.execute(
        "SELECT at, status FROM instance_events WHERE instance = ? ORDER BY rowid", (instance,)
    ):
        if since is None and status == "STATUS_RUNNING":
            since = at
        elif since is not None and status not in BILLED:
            periods.append((since, at))
            since = None
    if since is not None:
        periods.append((since, None))
    return periods


def _priced(db: sqlite3.Connection, auction: int, start: int, end: int | None) -> list[Period]:
    """The period cut at each change of price."""
    first: int = db.execute(
        "SELECT price_cents FROM price_events WHERE auction = ? AND at <= ? ORDER BY at DESC LIMIT 1", (auction, start)
    ).fetchone()[0]
    changes = db.execute(
        "SELECT at, price_cents FROM price_events WHERE auction = ?1 AND at > ?2 AND (?3 IS NULL OR at < ?3)"
        " ORDER BY at",
        (auction, start, end),
    )
    periods: list[Period] = []
    cents = first
    for at, next_cents in changes:
        if next_cents != cents:
            periods.append((cents, start, at))
            start, cents = at, next_cents
    return [*periods, (cents, start, end)]
