"""Quotas: how much of a product a project may use at once, counted where use begins and ends.

Of instances, what may be used is claimed when a bid is placed or resumed, for all its instances, until it is paused or
ends: so whatever the auction gives, it never gives more than the quota. What is shown as used are allocated instances.
"""

from __future__ import annotations

import sqlite3

from flowplan.simulator.api.messages import Call, Refusal, Response, reply
from flowplan.simulator.api.projects import project_of_query

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


def count(
    db: sqlite3.Connection, project: str, product: str, instance_type: str, *, used: int = 0, claimed: int = 0
) -> None:
    """Count so many more (or, negative, less) as used, and as claimed."""
    db.execute(
        "UPDATE quotas SET used = used + ?, claimed = claimed + ?"
        " WHERE project = ? AND product_type = ? AND instance_type = ?",
        (used, claimed, project, product, instance_type),
    )


def claim(
    db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int, *, used: int = 0
) -> None:
    """Claim `quantity` more, and count `used` of it as used. Raises Refusal when that is not allowed."""
    claimed = db.execute(
        "UPDATE quotas SET used = used + ?, claimed = claimed + ?"
        " WHERE project = ? AND product_type = ? AND instance_type = ? AND claimed + ? <= total RETURNING seq",
        (used, quantity, project, product, instance_type, quantity),
    ).fetchone()
    if claimed is None:
        raise _exceeded(db, project, product, instance_type, quantity)


def _exceeded(db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int) -> Refusal:
    row = db.execute(
        "SELECT total, claimed, used, units, name FROM quotas"
        " WHERE project = ? AND product_type = ? AND instance_type = ?",
        (project, product, instance_type),
    ).fetchone()
    total, claimed, used, units, name = row or (0, 0, 0, "instances", f"{product} {instance_type}")
    more = f", {claimed - used} more bid for" if claimed > used else ""
    return Refusal(400, f"Quota exceeded for {name}: {quantity} requested, {used} of {total} {units} in use{more}")
