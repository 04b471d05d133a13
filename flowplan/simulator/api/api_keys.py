"""API keys: made with an end, shown once, revoked. Only the digest of a secret and its last letters are kept.

Any other `fkey_...` is a good key too, unless the simulator was opened with the one.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from flowplan.simulator.api.messages import Call, Refusal, Response, no_content, reply
from flowplan.simulator.api.validation import Field, moment, read_body, text
from flowplan.simulator.clock import iso
from flowplan.simulator.ids import fid, next_number

_CREATE = {"name": Field(text()), "expires_at": Field(moment)}
_KEYS = "SELECT fid, name, snippet, created_at, expires_at, deactivated_at FROM api_keys "


def list_api_keys(call: Call) -> Response:
    """GET /v2/api-keys."""
    return reply(200, [_json(row) for row in call.db.execute(_KEYS + "ORDER BY seq")])


def create_api_key(call: Call) -> Response:
    """The only answer that holds the secret."""
    body = read_body(call.request, _CREATE)
    if body["expires_at"] <= call.now:
        raise Refusal(400, "expires_at is in the past")
    number = next_number(call.db)
    id, secret = fid(call.seed, "apikey", number), f"fkey_{fid(call.seed, 'secret', number)[7:]}"
    call.db.execute(
        "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (number, id, body["name"], f"fkey_...{secret[-4:]}", digest(secret), call.now, body["expires_at"]),
    )
    row = call.db.execute(_KEYS + "WHERE fid = ?", (id,)).fetchone()
    return reply(201, _json(row) | {"secret": secret}, id)


def revoke_api_key(call: Call) -> Response:
    """It stays listed, with the time of its end. Revoking twice is no error."""
    id = call.params["api_key_fid"]
    if not call.db.execute("SELECT 1 FROM api_keys WHERE fid = ?", (id,)).fetchone():
        raise Refusal(404, "API key not found")
    call.db.execute("UPDATE api_keys SET deactivated_at = coalesce(deactivated_at, ?) WHERE fid = ?", (call.now, id))
    return no_content(id)


def _json(row: tuple[str, str, str, int, int, int | None]) -> dict[str, Any]:
    id, name, snippet, created_at, expires_at, deactivated_at = row
    return {
        "fid": id,
        "name": name,
        "snippet": snippet,
        "created_at": iso(created_at),
        "expires_at": iso(expires_at),
        "deactivated_at": None if deactivated_at is None else iso(deactivated_at),
    }


def digest(secret: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_good(db: sqlite3.Connection, secret: str, now: int) -> bool | None:
    """Whether a key made here still holds; None: it was not made here."""
    row = db.execute("SELECT expires_at, deactivated_at FROM api_keys WHERE sha256 = ?", (digest(secret),)).fetchone()
    return None if row is None else now < row[0] and row[1] is None
