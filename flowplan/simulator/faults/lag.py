"""Looks that lag behind, as a replica's do: an object that was changed is listed as it was some seconds ago.

The seconds are of virtual or of real time, whichever passes first: a clock that stands still must not keep a list
stale for ever. What the auction does is seen at once; what requests do, and what came of it, is seen late.

A list is answered from the tables themselves, in which the rows of what was changed are, for the time of the answer,
those of before: so filters, orders and pages go by what was, and so does what a list says of other objects.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator

from flowplan.simulator.api.messages import compact

# prefix of the ids -> the tables with an object's rows, and the column with its number; first the one with its id
_TABLES = {
    "bid": {"bids": "seq", "attachments": "bid", "instances": "bid"},
    "vol": {"volumes": "seq"},
    "sshkey": {"ssh_keys": "seq"},
}


def due(now: int, seconds: float) -> tuple[int, int]:
    """`seconds` from now, in virtual and in real time (ms)."""
    return now + round(seconds * 1000), real_time() + round(seconds * 1000)


def real_time() -> int:
    """This machine's clock in ms: a lag ends even when virtual time stands still."""
    return time.time_ns() // 1_000_000


def rows_of(db: sqlite3.Connection, fid: str) -> str:
    """The rows of an object, as JSON: the tables' names -> their rows. None when there is no such object."""
    tables = _TABLES.get(fid.partition("_")[0], {})
    seq = _number(db, fid, tables)
    if seq is None:
        return "{}"
    found = {name: db.execute(f"SELECT * FROM {name} WHERE {key} = ?", (seq,)) for name, key in tables.items()}  # noqa: S608
    return compact({name: rows.fetchall() for name, rows in found.items()})


def _number(db: sqlite3.Connection, fid: str, tables: dict[str, str]) -> int | None:
    for table in tables:
        row = db.execute(f"SELECT seq FROM {table} WHERE fid = ?", (fid,)).fetchone()  # noqa: S608
        return None if row is None else int(row[0])
    return None


def remember(db: sqlite3.Connection, fid: str, before: str, now: int, seconds: float) -> None:
    """Looks go on by the rows of `fid` that were `before`. Nothing is remembered of what no list that lags shows."""
    if fid.partition("_")[0] not in _TABLES:
        return
    db.execute("DELETE FROM stale WHERE due_at <= ? OR real_at <= ?", (now, real_time()))
    db.execute("INSERT INTO stale (fid, rows, due_at, real_at) VALUES (?, ?, ?, ?)", (fid, before, *due(now, seconds)))


@contextlib.contextmanager
def as_it_was(db: sqlite3.Connection, now: int) -> Iterator[None]:
    """A transaction in which every object is as lists still show it. Nothing of it is kept."""
    db.execute("BEGIN IMMEDIATE")
    try:
        rows = db.execute(
            "SELECT fid, rows FROM stale WHERE due_at > ? AND real_at > ? ORDER BY seq DESC", (now, real_time())
        ).fetchall()
        for fid, before in rows:  # the oldest last: of several changes of an object it is what is left
            _put_back(db, fid, json.loads(before))
        yield
    finally:
        db.execute("ROLLBACK")


def _put_back(db: sqlite3.Connection, fid: str, before: dict[str, list[list[object]]]) -> None:
    tables = _TABLES.get(fid.partition("_")[0], {})
    seq = _number(db, fid, tables)
    for table, key in tables.items():
        db.execute(f"DELETE FROM {table} WHERE {key} = ?", (seq,))  # noqa: S608
        for row in before.get(table, []):
            db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)  # noqa: S608
