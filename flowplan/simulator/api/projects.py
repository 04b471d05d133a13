"""Who asks and where: the user, teammates, projects, SSH keys; and the check that a project is the key's."""

from __future__ import annotations

import hashlib
import sqlite3
from functools import cache
from typing import Any

from flowplan.simulator.api.messages import Call, Refusal, Response, no_content, reply
from flowplan.simulator.api.validation import Field, boolean, nullable, read_body, read_query, text
from flowplan.simulator.auctions import catalogue
from flowplan.simulator.clock import iso
from flowplan.simulator.ids import fid, next_number

PROJECT_QUERY = {"project": Field(text())}


@cache
def user_fid(seed: int, number: int = 1) -> str:
    """The id of a user: 1 is whose the keys are, 2 a teammate, who does what `Faults.third_party` asks for."""
    return fid(seed, "user", number)


def own_ids(call: Call) -> tuple[str, str]:
    """The two ids of the user whose the keys are."""
    return user_fid(call.seed), _uuid(call, "user")


def project_of_query(call: Call) -> str:
    """The required query parameter `project`, checked."""
    return require_project(call, read_query(call.request.query, PROJECT_QUERY)["project"])


def require_project(call: Call, project: str) -> str:
    """`project` itself. Raises Refusal (403) when it is not one of the key's, existing or not."""
    if not call.db.execute("SELECT 1 FROM projects WHERE fid = ? AND mine = 1", (project,)).fetchone():
        raise Refusal(403, "Project not found, or this API key has no access to it")
    return project


def get_me(call: Call) -> Response:
    """GET /v2/me."""
    return reply(200, _user(call, 1) | {"organization_id": _uuid(call, "organization")})


def list_teammates_of(call: Call) -> Response:
    """GET /users/{user_fid}/teammates, which older clients ask for: the user's own only."""
    if call.params["user_fid"] not in own_ids(call):
        raise Refusal(404, "User not found")
    return list_teammates(call)


def list_teammates(call: Call) -> Response:
    """GET /v2/me/teammates."""
    projects = [row[0] for row in call.db.execute("SELECT fid FROM projects WHERE mine = 1 ORDER BY seq")]
    shared = {"project_ids": projects, "deactivated_at": None}
    return reply(200, [_user(call, number) | shared for number in _USERS])


# number -> (what its bare id is made from, name, e-mail, role)
_USERS = {
    1: ("user", "Engineer", catalogue.EMAIL, "admin"),
    2: ("teammate", "Teammate", f"teammate@{catalogue.EMAIL.partition('@')[2]}", "member"),
}


def _user(call: Call, number: int) -> dict[str, Any]:
    what, name, email, role = _USERS[number]
    id = user_fid(call.seed, number)
    return {"id": _uuid(call, what), "fid": id, "user_name": name, "email": email, "organization_role": role}


def _uuid(call: Call, what: str) -> str:
    digits = hashlib.sha256(f"{call.seed}:{what}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def list_projects(call: Call) -> Response:
    """GET /v2/projects."""
    rows = call.db.execute("SELECT fid, name, created_at FROM projects WHERE mine = 1 ORDER BY seq")
    return reply(200, [{"fid": row[0], "name": row[1], "created_at": iso(row[2])} for row in rows])


def list_ssh_keys(call: Call) -> Response:
    """GET /v2/ssh-keys."""
    return reply(200, [_key_json(row) for row in call.db.execute(_KEYS + "project = ?", (project_of_query(call),))])


_KEYS = "SELECT fid, name, project, public_key, created_at, required FROM ssh_keys WHERE "


def _key_json(row: tuple[str, str, str, str, int, int]) -> dict[str, Any]:
    id, name, project, public_key, created_at, required = row
    return {
        "fid": id,
        "name": name,
        "project": project,
        "public_key": public_key,
        "created_at": iso(created_at),
        "required": bool(required),
    }


_CREATE = {
    "project": Field(text()),
    "name": Field(text()),
    "public_key": Field(nullable(text()), None),
    "required": Field(boolean, False),
}


def create_ssh_key(call: Call) -> Response:
    """POST /v2/ssh-keys."""
    body = read_body(call.request, _CREATE)
    project = require_project(call, body["project"])
    public_key, private_key = body["public_key"], None
    number = next_number(call.db)
    id = fid(call.seed, "sshkey", number)
    if not public_key:
        from flowplan.simulator.keypair import make_pair

        public_key, private_key = make_pair(body["name"], f"{call.seed}:{number}")
    call.db.execute(
        "INSERT INTO ssh_keys VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, id, project, body["name"], public_key, call.now, body["required"]),
    )
    return reply(201, _read_key(call, id) | {"private_key": private_key}, id)


def change_ssh_key(call: Call) -> Response:
    """PATCH /v2/ssh-keys/{ssh_key_fid}."""
    body = read_body(call.request, {"required": Field(boolean)})
    id = call.params["ssh_key_fid"]
    _read_key(call, id)
    call.db.execute("UPDATE ssh_keys SET required = ? WHERE fid = ?", (body["required"], id))
    return reply(200, _read_key(call, id), id)


def delete_ssh_key(call: Call) -> Response:
    """DELETE /v2/ssh-keys/{ssh_key_fid}."""
    id = call.params["ssh_key_fid"]
    _read_key(call, id)
    if call.db.execute("SELECT 1 FROM ssh_key_uses WHERE ssh_key = ? LIMIT 1", (id,)).fetchone():
        raise Refusal(400, "SSH key is in use by an active bid")
    call.db.execute("DELETE FROM ssh_keys WHERE fid = ?", (id,))
    return no_content(id)


def _read_key(call: Call, id: str) -> dict[str, Any]:
    row = call.db.execute(_KEYS + "fid = ?", (id,)).fetchone()
    if row is None:
        raise Refusal(404, "SSH key not found")
    return _key_json(row)


def require_ssh_keys(call: Call, project: str, given: list[str]) -> None:
    """Raises Refusal when a key is unknown, or one that the project requires is missing."""
    known = {
        row[0]: (row[1], row[2])
        for row in call.db.execute("SELECT fid, name, required FROM ssh_keys WHERE project = ?", (project,))
    }
    for id in given:
        if id not in known:
            raise Refusal(400, f"SSH key not found: {id[:80]}")
    for id, (name, required) in known.items():
        if required and id not in given:
            raise Refusal(400, f"SSH key required: {name}")


def use_ssh_keys(db: sqlite3.Connection, bid: int, keys: list[str]) -> None:
    """Bid number `bid` uses these keys, until `release_ssh_keys`."""
    db.executemany("INSERT OR IGNORE INTO ssh_key_uses VALUES (?, ?)", [(bid, key) for key in keys])


def release_ssh_keys(db: sqlite3.Connection, bid: int) -> None:
    """Bid number `bid` is over."""
    db.execute("DELETE FROM ssh_key_uses WHERE bid = ?", (bid,))


_LOGIN = {"email": Field(text()), "password": Field(text())}


def log_in(call: Call) -> Response:
    """Foundry's older way in: e-mail and password for a bearer token."""
    body = read_body(call.request, _LOGIN)
    if (body["email"], body["password"]) != (catalogue.EMAIL, catalogue.PASSWORD):
        raise Refusal(401, "Invalid email or password")
    return reply(200, {"access_token": login_token(call.seed), "token_type": "bearer"})


def login_token(seed: int) -> str:
    """What `log_in` gives; good whatever other key is."""
    return f"fkey_login{fid(seed, 'token', 1)[6:]}"
