"""The auctions and their books. A change of a book only notes that its pool changed; it is cleared (clearing.py) in the
next round or, where the clock stands, at the end of the request that changed it. Reading changes nothing.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

EIGHTHS = 8  # ranks are in eighths of a cent per unit


class Auction(NamedTuple):
    """One (instance type, region). Prices in cents per instance-hour; `capacity` and `available` in instances."""

    seq: int
    fid: str
    pool: int
    instance_type: str
    region: str
    weight: int
    reserve_cents: int
    price_cents: int
    lowest_cents: int | None
    adjustable_memory: int
    capacity: int
    available: int


_AUCTION = (
    "SELECT a.seq, a.fid, a.pool, a.instance_type, a.region, a.weight, a.reserve_cents, a.price_cents, a.lowest_cents,"
    " a.adjustable_memory, p.units / a.weight, p.free / a.weight FROM auctions a JOIN pools p ON p.seq = a.pool"
)


def auctions(db: sqlite3.Connection, instance_type: str | None = None, region: str | None = None) -> list[Auction]:
    """The auctions of a type and a region (each None: all), in the order of the catalogue."""
    where = (
        " WHERE (:type IS NULL OR a.instance_type = :type) AND (:region IS NULL OR a.region = :region) ORDER BY a.seq"
    )
    return [Auction(*row) for row in db.execute(_AUCTION + where, {"type": instance_type, "region": region})]


def auction_of(db: sqlite3.Connection, instance_type: str, region: str) -> Auction | None:
    """The auction of a type in a region, or None where it is not sold."""
    row = db.execute(_AUCTION + " WHERE a.instance_type = ? AND a.region = ?", (instance_type, region)).fetchone()
    return Auction(*row) if row else None


def cents(per_unit: int, weight: int) -> int:
    """Eighths of a cent per unit as cents per instance, rounded up."""
    return -(-per_unit * weight // EIGHTHS)


def rank_of(limit_cents: int, weight: int) -> int:
    """The place of a limit among all sizes of its pool: smaller is earlier, in eighths of a cent per unit."""
    return -(limit_cents * EIGHTHS // weight)


def enter(db: sqlite3.Connection, auction: int, seq: int, limit_cents: int, quantity: int, *, own: bool) -> None:
    """Put an order into the book. `seq` is its age.

    One that is not above the price comes after all winners. If it does not fit into what they leave, it changes
    nothing, and the book need not be cleared: so thousands of bids cost no more each than the first.
    """
    pool, weight, free, price = db.execute(_BOOK, (auction,)).fetchone()
    rank = rank_of(limit_cents, weight)
    db.execute(
        "INSERT INTO orders (pool, rank, seq, units, auction, own) VALUES (?, ?, ?, ?, ?, ?)",
        (pool, rank, seq, quantity * weight, auction, own),
    )
    if -rank > price or quantity * weight <= free:
        _note_change(db, pool)


# What an auction's pool shows: the free units, and the price in eighths of a cent per unit. A size shows it rounded up
# to its cents, and the largest one exactly, since every limit is whole cents of a size.
_BOOK = (
    f"SELECT p.seq, a.weight, p.free, (SELECT min(price_cents * {EIGHTHS} / weight) FROM auctions WHERE pool = p.seq)"  # noqa: S608
    " FROM auctions a JOIN pools p ON p.seq = a.pool WHERE a.seq = ?"
)


def leave(db: sqlite3.Connection, auction: int, seq: int, limit_cents: int) -> None:
    """Take an order out of the book, and its machines out of the stock.

    One that has lost and holds nothing changes nothing, unless it alone sets the price.
    """
    pool, weight, _, price = db.execute(_BOOK, (auction,)).fetchone()
    rank = rank_of(limit_cents, weight)
    sql = "DELETE FROM orders WHERE pool = ? AND rank = ? AND seq = ? RETURNING winning"
    row = db.execute(sql, (pool, rank, seq)).fetchone() or (0,)  # of a bid that is out of the auction for a while
    held = db.execute("DELETE FROM handovers WHERE pool = ? AND seq = ?", (pool, seq)).rowcount
    if row[0] or held or (-rank == price and not _others_lost(db, pool, rank)):
        _note_change(db, pool)


def _others_lost(db: sqlite3.Connection, pool: int, rank: int) -> bool:
    sql = "SELECT 1 FROM orders WHERE pool = ? AND rank = ? AND winning = 0 LIMIT 1"
    return db.execute(sql, (pool, rank)).fetchone() is not None


def reprice(db: sqlite3.Connection, auction: int, seq: int, old_cents: int, new_cents: int) -> None:
    """Change an order's limit; it keeps its age, and what it has won until the next clearing."""
    pool, weight = db.execute("SELECT pool, weight FROM auctions WHERE seq = ?", (auction,)).fetchone()
    db.execute(
        "UPDATE orders SET rank = ? WHERE pool = ? AND rank = ? AND seq = ?",
        (rank_of(new_cents, weight), pool, rank_of(old_cents, weight), seq),
    )
    _note_change(db, pool)


def _note_change(db: sqlite3.Connection, pool: int) -> None:
    db.execute("UPDATE pools SET changed = 1 WHERE seq = ? AND changed = 0", (pool,))


def is_changed(db: sqlite3.Connection) -> bool:
    """Whether a book has changed since it was cleared. Cheap: an index that is almost always empty."""
    return db.execute("SELECT 1 FROM pools WHERE changed = 1 LIMIT 1").fetchone() is not None


def changed_pools(db: sqlite3.Connection) -> list[int]:
    """Pools whose book has changed since they were cleared."""
    return [row[0] for row in db.execute("SELECT seq FROM pools WHERE changed = 1")]


def hold(db: sqlite3.Connection, auction: int, seq: int, quantity: int, until: int) -> None:
    """`quantity` instances of an order that has left the book keep their stock until `until` (ms)."""
    pool, weight = db.execute("SELECT pool, weight FROM auctions WHERE seq = ?", (auction,)).fetchone()
    db.execute("INSERT INTO handovers VALUES (?, ?, ?, ?, 0)", (pool, seq, until, quantity * weight))


def is_waiting(db: sqlite3.Connection, auction: int, seq: int, now: int) -> bool:
    """Whether an order that wins has to wait until others are gone."""
    sql = "SELECT 1 FROM handovers WHERE pool = (SELECT pool FROM auctions WHERE seq = ?) AND seq = ? AND at > ?"
    return db.execute(sql + " AND begins", (auction, seq, now)).fetchone() is not None


def win_price(db: sqlite3.Connection, auction: Auction, quantity: int) -> int | None:
    """The smallest limit (cents) with which a new bid for `quantity` instances would win now; None: it never fits.

    The winners with the lowest limits are displaced until it fits; it must beat the last of them, who is older.
    """
    needed = quantity * auction.weight
    units, free = db.execute("SELECT units, free FROM pools WHERE seq = ?", (auction.pool,)).fetchone()
    if needed > units:
        return None
    if free >= needed:
        return auction.reserve_cents
    rows = db.execute(
        "SELECT rank, units FROM orders WHERE pool = ? AND winning = 1 ORDER BY rank DESC, seq DESC", (auction.pool,)
    )
    for rank, released in rows:
        free += released
        if free >= needed:
            beaten: int = -rank * auction.weight // EIGHTHS
            return max(auction.reserve_cents, beaten + 1)
    return None
