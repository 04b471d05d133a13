"""Volumes: created, renamed, soft-deleted; attached to bids. A Block volume has one writer, a File volume many."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from flowplan.simulator.api import quotas
from flowplan.simulator.api.messages import Call, Refusal, Response, compact, no_content, reply_text
from flowplan.simulator.api.projects import require_project
from flowplan.simulator.api.validation import Field, boolean, choice, integer, nullable, read_body, read_query, text
from flowplan.simulator.auctions import catalogue
from flowplan.simulator.clock import iso
from flowplan.simulator.faults.conditions import condition
from flowplan.simulator.ids import fid, next_number

_NAME = text(longest=64, pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$")
_CREATE = {
    "name": Field(_NAME),
    "project": Field(text()),
    "disk_interface": Field(choice("Block", "File")),
    "region": Field(text()),
    "size_gb": Field(integer(above=0)),
}
_LIST = {
    "project": Field(text()),
    "region": Field(nullable(text()), None),
    "include_deleted": Field(boolean, False),
}
MOST_PER_INSTANCE = 20


class Volume(NamedTuple):
    """A row of the table; times in ms, `size_gb` in GB."""

    seq: int
    fid: str
    name: str
    region: str
    created_at: int
    deleted_at: int | None
    size_gb: int
    project: str
    interface: str


_VOLUME = "SELECT seq, fid, name, region, created_at, deleted_at, size_gb, project, interface FROM volumes "


def list_volumes(call: Call) -> Response:
    """All of a project's, the oldest first: this list is not paged."""
    query = read_query(call.request.query, _LIST)
    rows = call.db.execute(
        _VOLUME
        + "WHERE project = :project AND (:region IS NULL OR region = :region)"
        # Spelt out, because an index holds exactly the volumes that are not deleted.
        + ("" if query["include_deleted"] else " AND deleted_at IS NULL")
        + " ORDER BY seq",
        {"project": require_project(call, query["project"]), "region": query["region"]},
    ).fetchall()
    users = _users(call.db)
    shown = ",".join([_json(Volume(*row), users.get(row[0], [])) for row in rows])
    return reply_text(200, f"[{shown}]")


def create_volume(call: Call) -> Response:
    """POST /v2/volumes."""
    body = read_body(call.request, _CREATE)
    project = require_project(call, body["project"])
    if body["region"] not in catalogue.REGIONS:
        raise Refusal(400, f"Unknown region {body['region'][:80]}")
    if body["size_gb"] > catalogue.LARGEST_VOLUME_GB:
        raise Refusal(400, f"Volume size exceeds the maximum of {catalogue.LARGEST_VOLUME_GB} GB")
    _require_unused_name(call, project, body["name"])
    quotas.claim(call.db, project, quotas.STORAGE, "", body["size_gb"], used=body["size_gb"])
    seq = next_number(call.db)
    made = Volume(
        seq,
        fid(call.seed, "vol", seq),
        body["name"],
        body["region"],
        call.now,
        None,
        body["size_gb"],
        project,
        body["disk_interface"],
    )
    call.db.execute(
        "INSERT INTO volumes VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (seq, made.fid, project, made.name, made.region, made.size_gb, made.interface, call.now),
    )
    return reply_text(201, _json(made, []), made.fid)


def rename_volume(call: Call) -> Response:
    """PATCH /v2/volumes/{volume_fid}."""
    body = read_body(call.request, {"name": Field(_NAME)})
    volume = _require(call)
    if body["name"] != volume.name:
        _require_unused_name(call, volume.project, body["name"])
        call.db.execute("UPDATE volumes SET name = ? WHERE seq = ?", (body["name"], volume.seq))
    return reply_text(200, _json(_require(call), _users(call.db, volume.seq).get(volume.seq, [])), volume.fid)


def delete_volume(call: Call) -> Response:
    """DELETE /v2/volumes/{volume_fid}."""
    volume = _require(call)
    if call.db.execute("SELECT 1 FROM attachments WHERE volume = ? LIMIT 1", (volume.seq,)).fetchone():
        raise Refusal(409, "Volume is in use")
    call.db.execute("UPDATE volumes SET deleted_at = ? WHERE seq = ?", (call.now, volume.seq))
    quotas.count(call.db, volume.project, quotas.STORAGE, "", used=-volume.size_gb, claimed=-volume.size_gb)
    return no_content(volume.fid)


def _require(call: Call) -> Volume:
    """The volume of the path, not deleted. Raises Refusal (404)."""
    row = call.db.execute(_VOLUME + "WHERE fid = ? AND deleted_at IS NULL", (call.params["volume_fid"],)).fetchone()
    if row is None:
        raise Refusal(404, "Volume not found")
    return Volume(*row)


def _require_unused_name(call: Call, project: str, name: str) -> None:
    row = call.db.execute(
        "SELECT fid FROM volumes WHERE project = ? AND name = ? AND deleted_at IS NULL", (project, name)
    ).fetchone()
    if row and not condition(call.db, "duplicate_names"):
        raise Refusal(409, f"Volume name already exists: {row[0]}")


# --- attached to bids ------------------------------------------------------------------------------------------


def require(call: Call, project: str, region: str, ids: list[str]) -> list[Volume]:
    """The volumes `ids`, fit for a bid in `region`. Raises Refusal (400)."""
    if len(ids) > MOST_PER_INSTANCE:
        raise Refusal(400, f"At most {MOST_PER_INSTANCE} volumes can be attached to an instance")
    if len(set(ids)) != len(ids):
        raise Refusal(400, "A volume is named twice")
    found = []
    for id in ids:
        row = call.db.execute(
            _VOLUME + "WHERE fid = ? AND project = ? AND deleted_at IS NULL", (id, project)
        ).fetchone()
        if row is None:
            raise Refusal(400, f"Volume not found: {id[:80]}")
        volume = Volume(*row)
        if volume.region != region:
            raise Refusal(400, f"Volume {volume.fid} is in region {volume.region}, not in {region}")
        found.append(volume)
    return found


def attach(db: sqlite3.Connection, bid: int, quantity: int, volumes: list[Volume]) -> None:
    """Raises Refusal (400) when a Block volume would get a second writer."""
    for volume in volumes:
        if volume.interface == "Block":
            if quantity > 1:
                raise Refusal(400, f"Block volume {volume.fid} cannot be attached to more than one instance")
            if db.execute("SELECT 1 FROM attachments WHERE volume = ? LIMIT 1", (volume.seq,)).fetchone():
                raise Refusal(400, f"Block volume {volume.fid} is already attached to another bid")
        db.execute("INSERT INTO attachments VALUES (?, ?)", (volume.seq, bid))


def detach(db: sqlite3.Connection, bid: int) -> None:
    """Detach all volumes of a bid."""
    db.execute("DELETE FROM attachments WHERE bid = ?", (bid,))


Users = list[tuple[str, list[str]]]  # of a volume: (bid, its instances that have the volume attached)


def _users(db: sqlite3.Connection, volume: int | None = None) -> dict[int, Users]:
    """Who uses each volume (or the one)."""
    users: dict[int, Users] = {}
    sql = "SELECT t.volume, b.fid, b.status, b.instances FROM attachments t JOIN bids b ON b.seq = t.bid"
    rows = db.execute(sql) if volume is None else db.execute(f"{sql} WHERE t.volume = ?", (volume,))
    for seq, bid, status, instances in rows:
        running = json.loads(instances) if status in ("Allocated", "Preempting") else []
        users.setdefault(seq, []).append((bid, running))
    return users


def _json(volume: Volume, users: Users) -> str:
    """As JSON. What the catalogue and `_NAME` allow needs no escapes, and a list has thousands."""
    deleted = "null" if volume.deleted_at is None else f'"{iso(volume.deleted_at)}"'
    bids = compact([bid for bid, _ in users]) if users else "[]"
    attachments = compact({instance: bid for bid, running in users for instance in running}) if users else "{}"
    return (
        f'{{"fid":"{volume.fid}","name":"{volume.name}","region":"{volume.region}",'
        f'"created_at":"{iso(volume.created_at)}","deleted_at":{deleted},"capacity_gb":{volume.size_gb},'
        f'"project":"{volume.project}","interface":"{volume.interface}","bids":{bids},"reservations":[],'
        f'"attachments":{attachments}}}'
    )
