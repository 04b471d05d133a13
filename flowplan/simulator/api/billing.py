"""What was used and what it cost: running time (to the millisecond) at the spot price of each moment.

Nothing is written while time passes: the periods follow from the instance's events and the auction's price events.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from flowplan.simulator.api.instances import page_of_history
from flowplan.simulator.api.messages import Call, Response, reply
from flowplan.simulator.clock import NEVER, iso

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

    While it wins it pays the price of the auction; on notice, when that price may be above its limit, the last price
    at which it won. Either is a price that the auction's history has.
    """
    periods: list[Period] = []
    for run in _runs(db, instance):
        won_at: int | None = None
        for start, end, on_notice in run:
            if not on_notice:
                found = _at_prices(db, auction, start, end)
                won_at = found[-1][0]
            else:
                won_at = _price_before(db, auction, start) if won_at is None else won_at
                found = [(won_at, start, end)]
            periods += found
    return _joined(periods)


Span = tuple[int, int | None, bool]  # start, end (None: still running), whether on notice


def _runs(db: sqlite3.Connection, instance: int) -> list[list[Span]]:
    """Each time it ran: from RUNNING until neither RUNNING nor on notice. A notice before it ever ran is not billed."""
    rows = db.execute(
        "SELECT at, status FROM instance_events WHERE instance = ? ORDER BY rowid", (instance,)
    ).fetchall()
    ends = [at for at, _ in rows[1:]] + [None]
    runs: list[list[Span]] = []
    runs_now = False
    for (start, status), end in zip(rows, ends, strict=True):
        started = status == "STATUS_RUNNING" and not runs_now
        runs_now = status == "STATUS_RUNNING" or (runs_now and status in BILLED)
        if started:
            runs.append([])
        if runs_now and start != end:
            runs[-1].append((start, end, status != "STATUS_RUNNING"))
    return runs


def _at_prices(db: sqlite3.Connection, auction: int, start: int, end: int | None) -> list[Period]:
    """The span cut at each change of the auction's price."""
    steps = db.execute(
        "SELECT max(at, :start), price_cents FROM price_events WHERE auction = :auction AND at < :end AND at >="
        " (SELECT max(at) FROM price_events WHERE auction = :auction AND at <= :start) ORDER BY at",
        {"auction": auction, "start": start, "end": NEVER if end is None else end},
    ).fetchall()
    ends = [at for at, _ in steps[1:]] + [end]
    return [(cents, at, until) for (at, cents), until in zip(steps, ends, strict=True)]


def _price_before(db: sqlite3.Connection, auction: int, moment: int) -> int:
    cents: int = db.execute(
        "SELECT price_cents FROM price_events WHERE auction = ? AND at < ? ORDER BY at DESC LIMIT 1", (auction, moment)
    ).fetchone()[0]
    return cents


def _joined(periods: list[Period]) -> list[Period]:
    """Periods that follow each other at one price as one."""
    joined: list[Period] = []
    for cents, start, end in periods:
        if joined and joined[-1][0] == cents and joined[-1][2] == start:
            joined[-1] = (cents, joined[-1][1], end)
        else:
            joined.append((cents, start, end))
    return joined
