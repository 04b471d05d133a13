"""Bids: placed, changed and cancelled by their owner; allocated and put on notice by the auction (rounds.py).

Open -> Allocated -> Preempting (notice of 5 minutes) -> Open or, if it wins again, Allocated
Open, Allocated, Preempting -> Paused -> Open;  any -> Terminated, for good
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, NamedTuple

from flowplan.simulator.api import instances, quotas, volumes
from flowplan.simulator.api.bid_views import bid_json, money, read
from flowplan.simulator.api.messages import Call, Refusal, Response, compact, no_content, reply_text
from flowplan.simulator.api.projects import release_ssh_keys, require_project, require_ssh_keys, use_ssh_keys
from flowplan.simulator.api.validation import (
    Field,
    boolean,
    dollars,
    integer,
    list_of,
    members,
    nullable,
    read_body,
    text,
)
from flowplan.simulator.auctions import catalogue, market
from flowplan.simulator.auctions.clearing import NOTICE
from flowplan.simulator.clock import iso
from flowplan.simulator.faults.conditions import condition
from flowplan.simulator.ids import fid, next_age, next_number

LONGEST_SCRIPT = 10_000  # characters

_LAUNCH = {
    "volumes": Field(list_of(text())),
    "ssh_keys": Field(list_of(text())),
    "startup_script": Field(nullable(text()), None),
    "kubernetes_cluster": Field(nullable(text()), None),
    "image_version": Field(nullable(text()), None),
    "memory_gb": Field(nullable(integer(least=1)), None),
}
_CREATE = {
    "project": Field(text()),
    "region": Field(text()),
    "instance_type": Field(text()),
    "limit_price": Field(dollars),
    "instance_quantity": Field(integer(least=1)),
    "name": Field(text()),
    "launch_specification": Field(members(_LAUNCH)),
    "notification_email": Field(nullable(text()), None),
}
_CHANGE = {
    "limit_price": Field(nullable(dollars), None),
    "paused": Field(nullable(boolean), None),
    "volumes": Field(nullable(list_of(text())), None),
    "memory_gb": Field(nullable(integer(least=1)), None),
}


# --- placing ---------------------------------------------------------------------------------------------------


def place_bid(call: Call) -> Response:
    """Answers with the bid as placed, `Open`: it is for the auction to allocate it."""
    body = read_body(call.request, _CREATE)
    project = require_project(call, body["project"])
    auction = _require_auction(call, body)
    _require_unused_name(call, project, body["name"])
    _require_launchable(call, project, body)
    quotas.claim(call.db, project, quotas.SPOT, auction.instance_type, body["instance_quantity"])
    if body["instance_quantity"] > auction.capacity:  # what FCP says to it is not known; it could never run
        raise Refusal(400, f"Instance quantity exceeds the {auction.capacity} instances of this auction")
    seq = next_age(call.db)
    attached = volumes.require(call, project, auction.region, body["launch_specification"]["volumes"])
    volumes.attach(call.db, seq, body["instance_quantity"], attached)
    use_ssh_keys(call.db, seq, body["launch_specification"]["ssh_keys"])
    return _insert(call, seq, project, auction, body)


def _insert(call: Call, seq: int, project: str, auction: market.Auction, body: dict[str, Any]) -> Response:
    id, quantity, limit = fid(call.seed, "bid", next_number(call.db)), body["instance_quantity"], body["limit_price"]
    fixed = {
        "fid": id,
        "name": body["name"],
        "project": project,
        "created_by": call.user,
        "created_at": iso(call.now),
        "instance_quantity": quantity,
        "instance_type": auction.instance_type,
        "region": auction.region,
    }
    fixed_json, launch = compact(fixed)[1:-1], compact(body["launch_specification"])
    call.db.execute(
        "INSERT INTO bids (seq, fid, project, name, status, limit_cents, quantity, auction, instance_type, region,"
        " created_at, fixed, launch) VALUES (?, ?, ?, ?, 'Open', ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(seq, id, project, body["name"], limit, quantity, auction.seq, auction.instance_type, auction.region),
            *(call.now, fixed_json, launch),
        ),
    )
    market.enter(call.db, auction.seq, seq, limit, quantity, own=True)
    _note(call.db, seq, call.now, "Placed", limit_cents=limit, user=call.user)
    return reply_text(201, bid_json((fixed_json, None, limit, "[]", launch, "Open")), id)


def _require_auction(call: Call, body: dict[str, Any]) -> market.Auction:
    kind, region = body["instance_type"], body["region"]
    auction = market.auction_of(call.db, kind, region)
    if auction is None:
        raise Refusal(400, f"No spot auction for instance type {kind[:80]} in region {region[:80]}")
    if body["limit_price"] < auction.reserve_cents:
        raise Refusal(400, f"Limit price below minimum of {money(auction.reserve_cents)}")
    return auction


def _require_unused_name(call: Call, project: str, name: str) -> None:
    row = call.db.execute(
        "SELECT fid FROM bids WHERE name = ? AND project = ? AND status <> 'Terminated' LIMIT 1", (name, project)
    ).fetchone()
    if row and not condition(call.db, "duplicate_names"):
        raise Refusal(400, f"Bid name already used by {row[0]}")


def _require_launchable(call: Call, project: str, body: dict[str, Any]) -> None:
    launch = body["launch_specification"]
    script = launch["startup_script"]
    if script is not None and len(script) > LONGEST_SCRIPT:
        raise Refusal(400, f"Startup script exceeds {LONGEST_SCRIPT} characters: {len(script)}")
    if launch["kubernetes_cluster"] is not None:
        raise Refusal(400, "Kubernetes cluster not found")
    image = launch["image_version"]
    if image is not None and all(image != known["image_version_fid"] for known in catalogue.IMAGE_VERSIONS):
        raise Refusal(400, "Image version not found")
    if launch["memory_gb"] is not None:
        _require_memory(call, body["instance_type"], body["region"], launch["memory_gb"])
    require_ssh_keys(call, project, launch["ssh_keys"])


def _require_memory(call: Call, instance_type: str, region: str, memory_gb: int) -> None:
    auction = market.auction_of(call.db, instance_type, region)
    if auction is None or not auction.adjustable_memory:
        raise Refusal(400, "Memory of this instance type is not adjustable")
    most = catalogue.TYPE_BY_FID[instance_type].ram_gb
    if memory_gb > most:
        raise Refusal(400, f"Memory exceeds the {most} GB of this instance type")


# --- changing --------------------------------------------------------------------------------------------------


class _Bid(NamedTuple):
    seq: int
    fid: str
    project: str
    status: str
    limit_cents: int
    quantity: int
    auction: int
    instance_type: str
    region: str
    launch: str

    @property
    def is_bidding(self) -> bool:
        return self.status in ("Open", "Allocated", "Preempting")

    @property
    def holds_instances(self) -> bool:
        return self.status in ("Allocated", "Preempting")


_BID = "SELECT seq, fid, project, status, limit_cents, quantity, auction, instance_type, region, launch FROM bids "


def _require(call: Call) -> _Bid:
    """The bid of the path. Raises Refusal (404)."""
    row = call.db.execute(_BID + "WHERE fid = ?", (call.params["bid_fid"],)).fetchone()
    if row is None:
        raise Refusal(404, "Bid not found")
    return _Bid(*row)


def change_bid(call: Call) -> Response:
    """The whole change or nothing. Pausing comes first, resuming last, so that both go with new volumes."""
    body = read_body(call.request, _CHANGE)
    bid = _require(call)
    if bid.status == "Terminated":
        raise Refusal(400, "Bid is terminated")
    if body["memory_gb"] is not None:
        _change_memory(call, bid, body["memory_gb"])
        bid = _require(call)
    if body["limit_price"] is not None:
        _change_limit(call, bid, body["limit_price"])
    if body["paused"] is True and bid.status != "Paused":
        _pause(call, bid)
        bid = _require(call)
    if body["volumes"] is not None:
        _change_volumes(call, bid, body["volumes"])
    if body["paused"] is False and bid.status == "Paused":
        _resume(call, _require(call))
    return reply_text(200, read(call, bid.fid), bid.fid)


def _change_limit(call: Call, bid: _Bid, limit: int) -> None:
    reserve: int = call.db.execute("SELECT reserve_cents FROM auctions WHERE seq = ?", (bid.auction,)).fetchone()[0]
    if limit < reserve:
        raise Refusal(400, f"Limit price below minimum of {money(reserve)}")
    if limit == bid.limit_cents:
        return
    if bid.is_bidding:
        market.reprice(call.db, bid.auction, bid.seq, bid.limit_cents, limit)
    call.db.execute("UPDATE bids SET limit_cents = ? WHERE seq = ?", (limit, bid.seq))
    _note(call.db, bid.seq, call.now, "Limit Price Changed", limit_cents=limit, user=call.user)


def _pause(call: Call, bid: _Bid) -> None:
    limit: int = call.db.execute("SELECT limit_cents FROM bids WHERE seq = ?", (bid.seq,)).fetchone()[0]
    market.leave(call.db, bid.auction, bid.seq, limit)
    _release(call.db, bid, claimed=bid.quantity)
    instances.stop(call.db, bid.seq, call.now, "STATUS_STOPPING", "STATUS_PAUSED")
    call.db.execute(
        "UPDATE bids SET status = 'Paused', notice_ends_at = NULL, away_until = NULL WHERE seq = ?", (bid.seq,)
    )
    _note(call.db, bid.seq, call.now, "Paused", user=call.user)


def _resume(call: Call, bid: _Bid) -> None:
    """Back into the auction; it keeps its age."""
    quotas.claim(call.db, bid.project, quotas.SPOT, bid.instance_type, bid.quantity)
    market.enter(call.db, bid.auction, bid.seq, bid.limit_cents, bid.quantity, own=True)
    call.db.execute("UPDATE bids SET status = 'Open' WHERE seq = ?", (bid.seq,))
    _note(call.db, bid.seq, call.now, "Resumed", user=call.user)


def _change_volumes(call: Call, bid: _Bid, wanted: list[str]) -> None:
    """`wanted` is the whole new list."""
    launch = json.loads(bid.launch)
    before: list[str] = launch["volumes"]
    if wanted == before:
        return
    if bid.status != "Paused":
        raise Refusal(400, "Volumes can only be changed while the bid is paused")
    volumes.detach(call.db, bid.seq)
    volumes.attach(call.db, bid.seq, bid.quantity, volumes.require(call, bid.project, bid.region, wanted))
    call.db.execute("UPDATE bids SET launch = ? WHERE seq = ?", (compact(launch | {"volumes": wanted}), bid.seq))
    for id in wanted:
        if id not in before:
            _note(call.db, bid.seq, call.now, "Volumes Attached", user=call.user, attached=id)
    for id in before:
        if id not in wanted:
            _note(call.db, bid.seq, call.now, "Volumes Removed", user=call.user, removed=id)


def _change_memory(call: Call, bid: _Bid, memory_gb: int) -> None:
    """In force from the next start of the instances."""
    _require_memory(call, bid.instance_type, bid.region, memory_gb)
    launch = json.loads(bid.launch)
    if launch["memory_gb"] == memory_gb:
        return
    call.db.execute("UPDATE bids SET launch = ? WHERE seq = ?", (compact(launch | {"memory_gb": memory_gb}), bid.seq))
    _note(call.db, bid.seq, call.now, "Memory Adjusted", user=call.user, memory_gb=memory_gb)


def cancel_bid(call: Call) -> Response:
    """From any state: instances end and volumes are detached at once. Cancelling twice is no error."""
    bid = _require(call)
    if bid.status != "Terminated":
        terminate(call.db, bid, call.now, call.user)
    return no_content(bid.fid)


def terminate(db: sqlite3.Connection, bid: _Bid, now: int, user: str | None) -> None:
    """End a bid at `now` (ms), in any state: instances stop, volumes are released, at once."""
    if bid.is_bidding:
        market.leave(db, bid.auction, bid.seq, bid.limit_cents)
        _release(db, bid, claimed=bid.quantity)
    instances.stop(db, bid.seq, now, "STATUS_STOPPING", "STATUS_TERMINATED")
    volumes.detach(db, bid.seq)
    release_ssh_keys(db, bid.seq)
    db.execute(
        "UPDATE bids SET status = 'Terminated', deactivated_at = ?, notice_ends_at = NULL, away_until = NULL"
        " WHERE seq = ?",
        (now, bid.seq),
    )
    _note(db, bid.seq, now, "Terminated", user=user)


def _release(db: sqlite3.Connection, bid: _Bid, *, claimed: int = 0) -> None:
    """Its instances are used no longer, and `claimed` no longer claimed."""
    used = bid.quantity if bid.holds_instances else 0
    if used or claimed:
        quotas.count(db, bid.project, quotas.SPOT, bid.instance_type, used=-used, claimed=-claimed)


# --- what the auction does -------------------------------------------------------------------------------------


def allocate(db: sqlite3.Connection, seq: int, now: int, room_at: int, seed: int) -> None:
    """The bid wins: its instances start, or start again, or (within the notice) go on.

    They wait until `room_at`, when those whom the bid displaced are gone.
    """
    project, status, quantity, kind, auction, made, fixed = db.execute(
        "SELECT project, status, quantity, instance_type, auction, instances, fixed FROM bids WHERE seq = ?", (seq,)
    ).fetchone()
    if status == "Open":
        quotas.count(db, project, quotas.SPOT, kind, used=quantity)
    if made == "[]":
        made = compact(instances.create(db, seq, json.loads(f"{{{fixed}}}"), auction, now, room_at, seed))
    else:
        instances.start_again(db, seq, now, room_at)
    db.execute("UPDATE bids SET status = 'Allocated', notice_ends_at = NULL, instances = ? WHERE seq = ?", (made, seq))
    _note(db, seq, now, "Allocated")


def give_notice(db: sqlite3.Connection, seq: int, now: int) -> None:
    """The bid no longer wins: five minutes until its instances are stopped."""
    end = now + NOTICE
    instances.give_notice(db, seq, now, end)
    db.execute("UPDATE bids SET status = 'Preempting', notice_ends_at = ? WHERE seq = ?", (end, seq))
    _note(db, seq, now, "Preempted")


def end_notices(db: sqlite3.Connection, now: int) -> None:
    """Bids whose notice is over are open again, their instances stopped."""
    rows = db.execute(_BID + "WHERE notice_ends_at <= ?", (now,)).fetchall()
    for bid in [_Bid(*row) for row in rows]:
        _release(db, bid)
        instances.stop(db, bid.seq, now, "STATUS_PREEMPTED")
        db.execute("UPDATE bids SET status = 'Open', notice_ends_at = NULL WHERE seq = ?", (bid.seq,))


def take_back(db: sqlite3.Connection, id: str, now: int, until: int) -> None:
    """The cloud needs the instances: notice at once, and no part in the auction before `until` (ms).

    Raises ValueError when the bid holds no instances, or is on notice already.
    """
    row = db.execute(_BID + "WHERE fid = ? AND status = 'Allocated'", (id,)).fetchone()
    if row is None:
        raise ValueError(f"no allocated bid {id}")
    bid = _Bid(*row)
    has_machines = not market.is_waiting(db, bid.auction, bid.seq, now)
    market.leave(db, bid.auction, bid.seq, bid.limit_cents)
    if has_machines:
        market.hold(db, bid.auction, bid.seq, bid.quantity, now + NOTICE)
    give_notice(db, bid.seq, now)
    db.execute("UPDATE bids SET away_until = ? WHERE seq = ?", (max(until, now + NOTICE), bid.seq))


def give_up(db: sqlite3.Connection, id: str, now: int) -> None:
    """The cloud ends a bid for good, as nobody's user. Raises ValueError when it is over already, or there is none."""
    row = db.execute(_BID + "WHERE fid = ? AND status <> 'Terminated'", (id,)).fetchone()
    if row is None:
        raise ValueError(f"no live bid {id}")
    terminate(db, _Bid(*row), now, None)


def are_due_back(db: sqlite3.Connection, now: int) -> bool:
    """Whether a bid that was taken out of the auction is to be in it again."""
    return db.execute("SELECT 1 FROM bids WHERE away_until <= ? LIMIT 1", (now,)).fetchone() is not None


def let_back(db: sqlite3.Connection, now: int) -> None:
    """Bids that were taken out of the auction for a while are in it again."""
    rows = db.execute(_BID + "WHERE away_until <= ?", (now,)).fetchall()
    for bid in [_Bid(*row) for row in rows]:
        market.enter(db, bid.auction, bid.seq, bid.limit_cents, bid.quantity, own=True)
        db.execute("UPDATE bids SET away_until = NULL WHERE seq = ?", (bid.seq,))


def _note(
    db: sqlite3.Connection,
    seq: int,
    now: int,
    event_type: str,
    *,
    limit_cents: int | None = None,
    user: str | None = None,
    attached: str | None = None,
    removed: str | None = None,
    memory_gb: int | None = None,
) -> None:
    db.execute(
        "INSERT INTO bid_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (seq, now, event_type, limit_cents, user, memory_gb, attached, removed),
    )
