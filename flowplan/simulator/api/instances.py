"""Instances: made when a bid is first allocated, kept (with their boot disk) until it is terminated.

    NEW -> CONFIRMED -> INITIALIZING -> STARTING -> RUNNING -> PREEMPTING -> PREEMPTED  (-> INITIALIZING ...)
                                                            -> STOPPING -> PAUSED       (-> INITIALIZING ...)
                                                            -> STOPPING -> TERMINATED

Any of the first five may be put on notice or stopped. Stopping takes no time. Every step is an event; bills are
computed from them (billing.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from flowplan.simulator.api.messages import Call, Refusal, Response, compact, reply, reply_text
from flowplan.simulator.api.paging import paging_fields, read_page
from flowplan.simulator.api.projects import require_project
from flowplan.simulator.api.validation import Field, choice, moment, nullable, read_query, separated, text
from flowplan.simulator.clock import SECOND, iso
from flowplan.simulator.ids import fid, next_number

STATUSES = (
    "STATUS_NEW",
    "STATUS_CONFIRMED",
    "STATUS_INITIALIZING",
    "STATUS_STARTING",
    "STATUS_RUNNING",
    "STATUS_STOPPING",
    "STATUS_TERMINATED",
    "STATUS_RELOCATING",
    "STATUS_PREEMPTING",
    "STATUS_PREEMPTED",
    "STATUS_REPLACED",
    "STATUS_PAUSED",
    "STATUS_ERROR",
)
# How long each status lasts before the next, in ms; STARTING takes 75 to 135 seconds, by the instance's number.
_FIRST = 2 * SECOND
_STEPS = {
    "STATUS_NEW": ("STATUS_CONFIRMED", 3 * SECOND),
    "STATUS_CONFIRMED": ("STATUS_INITIALIZING", 10 * SECOND),
    "STATUS_INITIALIZING": ("STATUS_STARTING", 0),
    "STATUS_STARTING": ("STATUS_RUNNING", 0),
}


def start_up_time(number: int) -> int:
    """How long instance `number` takes to start, in ms: 75 to 135 s, the same each time."""
    return (75 + number * 37 % 61) * SECOND


def create(
    db: sqlite3.Connection, bid: int, placed: Mapping[str, Any], auction: int, now: int, room_at: int, seed: int
) -> list[str]:
    """Make the instances of a bid that is allocated for the first time; they stay NEW until `room_at`. `placed`: what
    never changes of the bid, by its names in JSON. Returns their ids."""
    name, quantity = placed["name"], placed["instance_quantity"]
    project, kind, region = placed["project"], placed["instance_type"], placed["region"]
    made = []
    for index in range(quantity):
        number = next_number(db)
        id = fid(seed, "inst", number)
        fixed = {
            "fid": id,
            "name": name if quantity == 1 else f"{name}-{index}",
            "project": project,
            "created_at": iso(now),
            "created_by": placed["created_by"],
            "instance_type": kind,
            "region": region,
            "bid": placed["fid"],
            "reservation": None,
            "private_ip": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        }
        db.execute(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)",
            (
                *(number, id, bid, project, kind, region, auction, "STATUS_NEW", now, max(now + _FIRST, room_at)),
                compact(fixed)[1:-1],
            ),
        )
        _note(db, number, now, "STATUS_NEW")
        made.append(id)
    return made


def start_again(db: sqlite3.Connection, bid: int, now: int, room_at: int) -> None:
    """The bid has won again: those on notice that run go on, the others start from their boot disk."""
    for seq, status, ssh in _of_bid(db, bid):
        if status == "STATUS_PREEMPTING" and ssh:
            _set(db, seq, now, "STATUS_RUNNING", ssh=ssh)
        else:
            _set(db, seq, now, "STATUS_INITIALIZING", due=max(now + _STEPS["STATUS_CONFIRMED"][1], room_at))


def wait(db: sqlite3.Connection, bid: int, room_at: int) -> None:
    """Those that wait for room do so until `room_at` (ms)."""
    db.execute(
        "UPDATE instances SET due_at = ? WHERE bid = ? AND status IN ('STATUS_NEW', 'STATUS_INITIALIZING')",
        (room_at, bid),
    )


def give_notice(db: sqlite3.Connection, bid: int, now: int, end: int) -> None:
    """Running on until `end`, when they are stopped unless the bid wins again."""
    for seq, _, ssh in _of_bid(db, bid):
        _set(db, seq, now, "STATUS_PREEMPTING", ssh=ssh, end=end)


def stop(db: sqlite3.Connection, bid: int, now: int, *statuses: str) -> None:
    """Stop all instances of a bid, through these statuses."""
    for seq, _, _ in _of_bid(db, bid):
        _set(db, seq, now, *statuses)


def step(db: sqlite3.Connection, now: int) -> None:
    """Those whose time in a status is over are in the next; those that run get their address."""
    for seq, status in db.execute("SELECT seq, status FROM instances WHERE due_at <= ?", (now,)).fetchall():
        following, lasts = _STEPS[status]
        if following == "STATUS_RUNNING":
            _set(db, seq, now, following, ssh=_ssh_destination(seq))
        else:
            _set(db, seq, now, following, due=now + (lasts or start_up_time(seq)))


def _ssh_destination(number: int) -> str:
    """An address of the documentation network, so that nobody is ever connected to."""
    host = f"203.0.113.{1 + number % 254}"
    return host if number < 254 else f"{host}:{22_000 + number // 254 % 40_000}"


def _of_bid(db: sqlite3.Connection, bid: int) -> list[tuple[int, str, str | None]]:
    return db.execute("SELECT seq, status, ssh_destination FROM instances WHERE bid = ?", (bid,)).fetchall()


def _set(
    db: sqlite3.Connection,
    seq: int,
    now: int,
    *statuses: str,
    due: int | None = None,
    end: int | None = None,
    ssh: str | None = None,
) -> None:
    db.execute(
        "UPDATE instances SET status = ?, due_at = ?, end_at = ?, ssh_destination = ? WHERE seq = ?",
        (statuses[-1], due, end, ssh, seq),
    )
    _note(db, seq, now, *statuses)


def _note(db: sqlite3.Connection, seq: int, now: int, *statuses: str) -> None:
    db.executemany("INSERT INTO instance_events VALUES (?, ?, ?)", [(seq, now, status) for status in statuses])


# --- reading ---------------------------------------------------------------------------------------------------

_LIST = {
    **paging_fields("created_at", "instance_status", "instance_type_fid"),
    "project": Field(text()),
    "instance_type": Field(nullable(text()), None),
    "region": Field(nullable(text()), None),
    "status_in": Field(separated(choice(*STATUSES)), None, several=True),
    "order_type_in": Field(separated(choice("Bid", "Reservation")), None, several=True),
    "bid_fid_in": Field(separated(text()), None, several=True),
    "reservation_fid_in": Field(separated(text()), None, several=True),
}
_SORT = {"instance_status": "status", "instance_type_fid": "instance_type"}
_PAGE = "SELECT fixed, ssh_destination, status, {key}, seq FROM instances"


def list_instances(call: Call) -> Response:
    """GET /v2/instances."""
    query = read_query(call.request.query, _LIST)
    where: dict[str, Any] = {"project = ?": require_project(call, query["project"])}
    if query["instance_type"]:
        where["instance_type = ?"] = query["instance_type"]
    if query["region"]:
        where["region = ?"] = query["region"]
    if query["status_in"]:
        where["status IN (SELECT value FROM json_each(?))"] = json.dumps(query["status_in"])
    if query["bid_fid_in"]:
        where["bid IN (SELECT seq FROM bids WHERE fid IN (SELECT value FROM json_each(?)))"] = json.dumps(
            query["bid_fid_in"]
        )
    if query["reservation_fid_in"] or (query["order_type_in"] and "Bid" not in query["order_type_in"]):
        where["0 = ?"] = 1  # there are no reservations
    rows, cursor = read_page(call, _PAGE, where, query, _SORT)
    return reply_text(200, f'{{"data":[{",".join(map(_json, rows))}],"next_cursor":{compact(cursor)}}}')


def _json(row: tuple[str, str | None, str, Any, int]) -> str:
    fixed, ssh, status = row[:3]
    return f'{{{fixed},"ssh_destination":{compact(ssh)},"status":"{status}"}}'


def get_status(call: Call) -> Response:
    """GET /v2/instances/{instance_fid}/status."""
    row = call.db.execute(
        "SELECT fixed, status, end_at FROM instances WHERE fid = ?", (call.params["instance_fid"],)
    ).fetchone()
    if row is None:
        raise Refusal(404, "Instance not found")
    fixed, status, end = json.loads(f"{{{row[0]}}}"), row[1], row[2]
    shown = {name: fixed[name] for name in ("fid", "name", "bid", "reservation")}
    return reply(200, shown | {"status": status, "end_time": iso(end) if end else None})


HISTORY = {
    "project": Field(text()),
    "instance_fid": Field(nullable(text()), None),
    "bid_fid": Field(nullable(text()), None),
    "reservation_fid": Field(nullable(text()), None),
    "start_time": Field(nullable(moment), None),
    "end_time": Field(nullable(moment), None),
    **{name: field for name, field in paging_fields("created_at").items() if name in ("limit", "next_cursor")},
}


def page_of_history(call: Call) -> tuple[dict[str, Any], list[tuple[int, str, str, int]], str | None]:
    """(query, rows of (seq, instance fid, bid fid, auction), cursor) of a page of an instance history."""
    query = read_query(call.request.query, HISTORY)
    where: dict[str, Any] = {"project = ?": require_project(call, query["project"])}
    if query["instance_fid"]:
        where["fid = ?"] = query["instance_fid"]
    if query["bid_fid"]:
        where["bid = (SELECT seq FROM bids WHERE fid = ?)"] = query["bid_fid"]
    if query["reservation_fid"]:
        where["0 = ?"] = 1
    select = (
        "SELECT seq, fid, (SELECT fid FROM bids WHERE bids.seq = instances.bid), auction, {key}, seq FROM instances"
    )
    rows, cursor = read_page(call, select, where, query | {"sort_by": "created_at", "sort_dir": "desc"}, {})
    return query, [row[:4] for row in rows], cursor


def status_history(call: Call) -> Response:
    """GET /v2/instances/status/history."""
    query, rows, cursor = page_of_history(call)
    listed = []
    for seq, id, bid, _ in rows:
        events = call.db.execute(
            "SELECT at, status FROM instance_events WHERE instance = :seq AND (:start IS NULL OR at >= :start)"
            " AND (:end IS NULL OR at <= :end) ORDER BY rowid",
            {"seq": seq, "start": query["start_time"], "end": query["end_time"]},
        )
        listed.append(
            {
                "instance_fid": id,
                "bid_fid": bid,
                "reservation_fid": None,
                "events": [{"timestamp": iso(at), "status": status} for at, status in events],
            }
        )
    return reply(200, {"instances": listed, "next_cursor": cursor})
