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


def use(db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int) -> None:
    """Count `quantity` more (or, negative, less) as used."""
    _count(db, "used", project, product, instance_type, quantity)


def claim(db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int) -> None:
    """Claim `quantity` more. Raises Refusal when that is not allowed."""
    row = db.execute(
        "SELECT total, claimed, used, units, name FROM quotas"
        " WHERE project = ? AND product_type = ? AND instance_type = ?",
        (project, product, instance_type),
    ).fetchone()
    total, claimed, used, units, name = row or (0, 0, 0, "instances", f"{product} {instance_type}")
    if claimed + quantity > total:
        more = f", {claimed - used} more bid for" if claimed > used else ""
        raise Refusal(400, f"Quota exceeded for {name}: {quantity} requested, {used} of {total} {units} in use{more}")
    _count(db, "claimed", project, product, instance_type, quantity)


def give_up(db: sqlite3.Connection, project: str, product: str, instance_type: str, quantity: int) -> None:
    """Take back what was claimed."""
    _count(db, "claimed", project, product, instance_type, -quantity)


def _count(db: sqlite3.Connection, column: str, project: str, product: str, instance_type: str, quantity: int) -> None:
    db.execute(
        f"UPDATE quotas SET {column} = {column} + ? WHERE project = ? AND product_type = ? AND instance_type = ?",  # noqa: S608
        (quantity, project, product, instance_type),
    )
