"""What a request meets: the faults that count it, and the one that happens. Late requests wait here until due."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from flowplan.simulator.api.messages import Refusal, Request, compact
from flowplan.simulator.api.routes import find_route
from flowplan.simulator.faults.fault import Fault, kept_as
from flowplan.simulator.faults.lag import due, real_time
from flowplan.simulator.store import writing


def meet(db: sqlite3.Connection, request: Request) -> Fault | None:
    """Count the request, and tell what happens to it. Durable before anything else happens."""
    rows = db.execute("SELECT seq, given, seen FROM faults WHERE spent = 0 ORDER BY seq").fetchall()
    found = [(seq, fault, seen + 1) for seq, fault, seen in _concerned(rows, request)]
    if not found:
        return None
    happens = next((seq for seq, fault, seen in found if seen >= fault.nth), None)
    with writing(db):
        for seq, fault, seen in found:
            db.execute("UPDATE faults SET seen = ?, met = met + ? WHERE seq = ?", (seen, seq == happens, seq))
            db.execute("UPDATE faults SET spent = 1 WHERE seq = ? AND met >= ?", (seq, fault.times or 1 << 60))
    return next((fault for seq, fault, _ in found if seq == happens), None)


def _concerned(rows: list[tuple[int, str, int]], request: Request) -> Iterator[tuple[int, Fault, int]]:
    try:
        template = find_route(request.method, request.path)[0].template
    except Refusal:
        template = ""
    for seq, given, seen in rows:
        fault = kept_as(given)
        if fault.concerns(request.method, template, request.path):
            yield seq, fault, seen


def postpone(db: sqlite3.Connection, request: Request, now: int, seconds: float) -> None:
    """Keep a request (without its credentials) until its time comes."""
    headers = {name: value for name, value in request.headers.items() if name == "idempotency-key"}
    kept = [request.method, request.path, dict(request.query), headers, request.body.decode("utf-8", "replace")]
    with writing(db):
        db.execute("INSERT INTO late (request, due_at, real_at) VALUES (?, ?, ?)", (compact(kept), *due(now, seconds)))


def take_late(db: sqlite3.Connection, now: int) -> Request | None:
    """The first late request whose time has come; it is late no more."""
    row = db.execute(
        "DELETE FROM late WHERE seq = (SELECT seq FROM late WHERE due_at <= ? OR real_at <= ? ORDER BY seq LIMIT 1)"
        " RETURNING request",
        (now, real_time()),
    ).fetchone()
    if row is None:
        return None
    method, path, query, headers, body = json.loads(row[0])
    return Request(method, path, query, headers, body.encode())
