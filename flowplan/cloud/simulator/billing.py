"""What was used and what it cost: running time (to the millisecond) at the spot price of each moment.

Nothing is written while time passes: the periods follow from the instance's events and the auction's price events.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from flowplan.cloud.simulator.clock import NEVER, iso
from flowplan.cloud.simulator.instances import page_of_history
from flowplan.cloud.simulator.messages import Call, Response, reply

BILLED = ("STATUS_RUNNING", "STATUS_PREEMPTING")
Period = tuple[int, int, int | None]  # cents per hour, start, end (None: still running)


def pricing_history(call: Call) -> Response:
    """GET /v2/instances/pricing/history."""
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
    """The periods of one price each in which the instance was billed, in order.

    On notice the auction's price may be above the limit that lost: what is billed never is.
    """
    limits = db.execute(
        "SELECT at, limit_cents FROM bid_events WHERE bid = (SELECT bid FROM instances WHERE seq = ?)"
        " AND limit_cents IS NOT NULL ORDER BY rowid",
        (instance,),
    ).fetchall()
    return [
        period
        for start, end in _running_periods(db, instance)
        for period in _priced(_prices(db, auction, start, end), limits, start, end)
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


Steps = list[tuple[int, int]]  # (since, cents), in order


def _prices(db: sqlite3.Connection, auction: int, start: int, end: int | None) -> Steps:
    """The price in force at `start`, and every change before `end`."""
    return db.execute(
        "SELECT at, price_cents FROM price_events WHERE auction = :auction AND at < :end AND at >="
        " (SELECT max(at) FROM price_events WHERE auction = :auction AND at <= :start) ORDER BY at",
        {"auction": auction, "start": start, "end": NEVER if end is None else end},
    ).fetchall()


def _priced(prices: Steps, limits: Steps, start: int, end: int | None) -> list[Period]:
    """The period cut at each change of what is billed: the price, but never more than the limit."""
    periods: list[Period] = []
    price = limit = billed = 0
    changes = [(at, cents, "price") for at, cents in prices] + [(at, cents, "limit") for at, cents in limits]
    for at, cents, what in sorted(changes, key=lambda change: change[0]):
        price, limit = (cents, limit) if what == "price" else (price, cents)
        if at > start and (end is None or at < end) and min(price, limit) != billed:
            periods.append((billed, start, at))
            start = at
        billed = min(price, limit) if at <= start else billed
    return [*periods, (billed, start, end)]
