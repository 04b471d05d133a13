"""Lifecycle scripts: kept and given back. Nothing runs them: no bid can name one."""

from __future__ import annotations

from typing import Any

from flowplan.simulator.api.messages import Call, Refusal, Response, no_content, reply
from flowplan.simulator.api.paging import paging_fields, read_page
from flowplan.simulator.api.projects import require_project
from flowplan.simulator.api.validation import Field, choice, nullable, read_body, read_query, text
from flowplan.simulator.clock import iso
from flowplan.simulator.ids import fid, next_number

_SCOPE = choice("PROJECT", "ORGANIZATION")
_CREATE = {
    "project": Field(text()),
    "name": Field(text(shortest=1)),
    "content": Field(text(shortest=1)),
    "description": Field(nullable(text()), None),
    "scope": Field(_SCOPE, "PROJECT"),
}
_CHANGE = {
    "name": Field(nullable(text(shortest=1)), None),
    "description": Field(nullable(text()), None),
    "scope": Field(nullable(_SCOPE), None),
}
_LIST = {**paging_fields("created_at", "last_modified_at"), "project": Field(text())}
_COLUMNS = "fid, project, name, description, scope, created_at, created_by, modified_at, modified_by"
_ONE = f"SELECT {_COLUMNS} FROM lifecycle_scripts WHERE fid = ?"  # noqa: S608
_PAGE = f"SELECT {_COLUMNS}, {{key}}, seq FROM lifecycle_scripts"  # noqa: S608


def list_scripts(call: Call) -> Response:
    """GET /v2/lifecycle-scripts."""
    query = read_query(call.request.query, _LIST)
    where = {"project = ?": require_project(call, query["project"])}
    rows, cursor = read_page(call, _PAGE, where, query, {"last_modified_at": "modified_at"})
    return reply(200, {"data": [_json(call, row) for row in rows], "next_cursor": cursor})


def create_script(call: Call) -> Response:
    """POST /v2/lifecycle-scripts."""
    body = read_body(call.request, _CREATE)
    project = require_project(call, body["project"])
    number = next_number(call.db)
    id = fid(call.seed, "ls", number)
    texts = (body["name"], body["description"] or "", body["content"], body["scope"])
    call.db.execute(
        "INSERT INTO lifecycle_scripts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, id, project, *texts, call.now, call.user, call.now, call.user),
    )
    return reply(201, _read(call, id), id)


def change_script(call: Call) -> Response:
    """Name, description and scope; null leaves one as it is."""
    body = read_body(call.request, _CHANGE)
    id = call.params["ls_fid"]
    _read(call, id)
    call.db.execute(
        "UPDATE lifecycle_scripts SET name = coalesce(?, name), description = coalesce(?, description),"
        " scope = coalesce(?, scope), modified_at = ?, modified_by = ? WHERE fid = ?",
        (body["name"], body["description"], body["scope"], call.now, call.user, id),
    )
    return reply(200, _read(call, id), id)


def delete_script(call: Call) -> Response:
    """DELETE /v2/lifecycle-scripts/{ls_fid}."""
    id = call.params["ls_fid"]
    _read(call, id)
    call.db.execute("DELETE FROM lifecycle_scripts WHERE fid = ?", (id,))
    return no_content(id)


def get_content(call: Call) -> Response:
    """The text, as a JSON string."""
    _read(call, call.params["ls_fid"])
    sql = "SELECT content FROM lifecycle_scripts WHERE fid = ?"
    return reply(200, call.db.execute(sql, (call.params["ls_fid"],)).fetchone()[0])


def _read(call: Call, id: str) -> dict[str, Any]:
    row = call.db.execute(_ONE, (id,)).fetchone()
    if row is None:
        raise Refusal(404, "Lifecycle script not found")
    return _json(call, row)


def _json(call: Call, row: tuple[Any, ...]) -> dict[str, Any]:
    id, project, name, description, scope, created_at, created_by, modified_at, modified_by = row[:9]
    return {
        "fid": id,
        "name": name,
        "description": description,
        "content_url": f"{call.request.origin}/v2/lifecycle-scripts/{id}/content",
        "project": project,
        "created_at": iso(created_at),
        "created_by": created_by,
        "last_modified_at": iso(modified_at),
        "last_modified_by": modified_by,
        "scope": scope,
    }
