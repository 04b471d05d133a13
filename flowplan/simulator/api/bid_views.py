"""Bids as the API shows them: listed, one by one, their status and history."""

from __future__ import annotations

from typing import Any

from flowplan.simulator.api.messages import Call, Refusal, Response, compact, reply, reply_text
from flowplan.simulator.api.paging import paging_fields, read_page
from flowplan.simulator.api.projects import require_project
from flowplan.simulator.api.validation import Field, choice, nullable, read_query, text
from flowplan.simulator.clock import iso

STATUSES = ("Open", "Allocated", "Preempting", "Terminated", "Paused")

_LIST = {
    **paging_fields("created_at", "status"),
    "project": Field(nullable(text()), None),
    "instance_type": Field(nullable(text()), None),
    "region": Field(nullable(text()), None),
    "status": Field(choice(*STATUSES), None),
    "name": Field(nullable(text()), None),
}
_ONE = "SELECT fixed, deactivated_at, limit_cents, instances, launch, status FROM bids WHERE fid = ?"
_PAGE = "SELECT fixed, deactivated_at, limit_cents, instances, launch, status, {key}, seq FROM bids"


def list_bids(call: Call) -> Response:
    """GET /v2/spot/bids."""
    query = read_query(call.request.query, _LIST)
    where: dict[str, Any] = {}
    if query["project"] is not None:
        where["project = ?"] = require_project(call, query["project"])
    else:
        where["project IN (SELECT fid FROM projects WHERE mine = ?)"] = 1
    for name in ("name", "status", "instance_type", "region"):
        if query[name] is not None:
            where[f"{name} = ?"] = query[name]
    rows, cursor = read_page(call, _PAGE, where, query, {"status": "status"})
    return reply_text(200, f'{{"data":[{",".join(map(bid_json, rows))}],"next_cursor":{compact(cursor)}}}')


def get_bid(call: Call) -> Response:
    """GET /v2/spot/bids/{bid_fid}."""
    return reply_text(200, read(call, call.params["bid_fid"]))


def read(call: Call, id: str) -> str:
    """The bid as JSON. Raises Refusal (404)."""
    row = call.db.execute(_ONE, (id,)).fetchone()
    if row is None:
        raise Refusal(404, "Bid not found")
    return bid_json(row)


def bid_json(row: tuple[Any, ...]) -> str:
    """JSON of (fixed, deactivated_at, limit in cents, instances, launch, status, ...)."""
    fixed, ended, limit, made, launch, status = row[:6]
    deactivated = f'"{iso(ended)}"' if ended is not None else "null"
    return (
        f'{{{fixed},"deactivated_at":{deactivated},"limit_price":"{money(limit)}","instances":{made},'
        f'"launch_specification":{launch},"status":"{status}"}}'
    )


def get_status(call: Call) -> Response:
    """GET /v2/spot/bids/{bid_fid}/status."""
    row = call.db.execute("SELECT fid, status FROM bids WHERE fid = ?", (call.params["bid_fid"],)).fetchone()
    if row is None:
        raise Refusal(404, "Bid not found")
    return reply(200, {"bid_fid": row[0], "status": row[1]})


def get_history(call: Call) -> Response:
    """GET /v2/spot/bids/{bid_fid}/history."""
    id = call.params["bid_fid"]
    read(call, id)
    rows = call.db.execute(
        "SELECT at, event_type, limit_cents, user, memory_gb, attached, removed FROM bid_events"
        " WHERE bid = (SELECT seq FROM bids WHERE fid = ?) ORDER BY rowid",
        (id,),
    )
    return reply(200, {"bid_fid": id, "events": [_event_json(*row) for row in rows]})


def _event_json(
    at: int,
    event_type: str,
    limit_cents: int | None,
    user: str | None,
    memory_gb: int | None,
    attached: str | None,
    removed: str | None,
) -> dict[str, Any]:
    return {
        "timestamp": iso(at),
        "event_type": event_type,
        "limit_price": None if limit_cents is None else money(limit_cents),
        "user_id": user,
        "memory_gb": memory_gb,
        "persistent_disk_change": {"attached": attached, "removed": removed},
    }


def money(cents: int) -> str:
    """Cents as bids carry them: "$25.60"."""
    return f"${cents // 100}.{cents % 100:02d}"
