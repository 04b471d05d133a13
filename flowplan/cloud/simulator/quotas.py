"""Quotas: how much of a product a project may use at once, counted where use begins and ends."""

from __future__ import annotations

import sqlite3

from flowplan.cloud.simulator.messages import Call, Refusal, Response, reply
from flowplan.cloud.simulator.projects import project_of_query

SPOT, STORAGE = "Spot", "Storage"


def list_quotas(call: Call) -> Response:
    """GET /v2/quotas."""
    rows = call.db.execute(
        "SELECT fid, project, nullif(instance_type, ''), product_type, total, used, units, name FROM quotas"
        " WHERE project = ? ORDER BY seq",
        (project_of_query(call),),
    )
    names = ("fid", "project", "instance_type", "product_type", "total_quantity", "used_quantity", "units", "name")
    return reply(200, [dict(zip(names, row, strict=True)) for row in rows])


def use(db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int) -> None:
    """Count `quantity` more (or, negative, less) as used."""
    db.execute(
        "UPDATE quotas SET used = used + ? WHERE project = ? AND product_type = ? AND instance_type = ?",
        (quantity, project, product, instance_type),
    )


def require(db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int) -> None:
    """Raises Refusal when `quantity` more is not allowed."""
    row = db.execute(
        "SELECT total, used, units, name FROM quotas WHERE project = ? AND product_type = ? AND instance_type = ?",
        (project, product, instance_type),
    ).fetchone()
    total, used, units, name = row or (0, 0, "instances", f"{product} {instance_type}")
    if used + quantity > total:
        raise Refusal(400, f"Quota exceeded for {name}: {quantity} requested, {used} of {total} {units} in use")
