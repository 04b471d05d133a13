"""Conditions that tests can set (see faults.py), and what holds when nobody has set them."""

from __future__ import annotations

import sqlite3
from typing import Final

CONDITIONS: Final = {
    "list_lag": 0.0,  # seconds
    "duplicate_names": 0.0,  # 1: a name may be used twice
    "idempotency": 1.0,  # 0: a repeated Idempotency-Key means nothing
}


def condition(db: sqlite3.Connection, name: str) -> float:
    """The value that was set for a condition, else its default."""
    row = db.execute("SELECT value FROM conditions WHERE name = ?", (name,)).fetchone()
    return float(row[0]) if row else CONDITIONS[name]
