"""The auctions. A change of a book only notes that its pool changed; the pool is cleared when it is next read.

So every reader sees a cleared market, and a thousand bids placed in a row cost one clearing. What wins and what it
pays is `flowplan.pricing.clear`, applied to the pool's book in units (see store.py): with one size in the pool that
is the documented rule word for word; with several sizes, limits compete per GPU and prices are rounded up to the
cent (still never above a winner's limit, which is whole cents).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from flowplan.pricing import Clearing, Order, clear

EIGHTHS = 8  # ranks are in eighths of a cent per unit


class Entry(NamedTuple):
    """One order of a book. `rank`: minus the limit, in eighths of a cent per unit; `own`: placed through the API."""

    rank: int
    seq: int
    units: int
    own: int
    winning: int


class Outcome(NamedTuple):
    """What a clearing means for the API's own bids (by seq): those that win now, those that no longer do."""

    won: list[int]
    lost: list[int]


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
    where = " WHERE (?1 IS NULL OR a.instance_type = ?1) AND (?2 IS NULL OR a.region = ?2) ORDER BY a.seq"
    return [Auction(*row) for row in db.execute(_AUCTION + where, (instance_type, region))]


def auction_of(db: sqlite3.Connection, instance_type: str, region: str) -> Auction | None:
    row = db.execute(_AUCTION + " WHERE a.instance_type = ? AND a.region = ?", (instance_type, region)).fetchone()
    return Auction(*row) if row else None


def rank_of(limit_cents: int, weight: int) -> int:
    return -(limit_cents * EIGHTHS // weight)


def enter(db: sqlite3.Connection, auction: int, seq: int, limit_cents: int, quantity: int, *, own: bool) -> None:
    """Put an order into the book. `seq` is its age."""
    pool, weight = db.execute("SELECT pool, weight FROM auctions WHERE seq = ?", (auction,)).fetchone()
    db.execute(
        "INSERT INTO orders (pool, rank, seq, units, auction, own) VALUES (?, ?, ?, ?, ?, ?)",
        (pool, rank_of(limit_cents, weight), seq, quantity * weight, auction, own),
    )
    _note_change(db, pool)


def leave(db: sqlite3.Connection, auction: int, seq: int, limit_cents: int) -> None:
    """Take an order out of the book."""
    pool, weight = db.execute("SELECT pool, weight FROM auctions WHERE seq = ?", (auction,)).fetchone()
    db.execute("DELETE FROM orders WHERE pool = ? AND rank = ? AND seq = ?", (pool, rank_of(limit_cents, weight), seq))
    _note_change(db, pool)


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
    """Whether a clearing is due. Cheap: an index that is almost always empty."""
    return db.execute("SELECT 1 FROM pools WHERE changed = 1 LIMIT 1").fetchone() is not None


def changed_pools(db: sqlite3.Connection) -> list[int]:
    return [row[0] for row in db.execute("SELECT seq FROM pools WHERE changed = 1")]


def clear_pool(db: sqlite3.Connection, pool: int, now: int) -> Outcome:
    """Clear one pool and publish its prices. Needs a write transaction."""
    units, reserve = db.execute("SELECT units, reserve FROM pools WHERE seq = ?", (pool,)).fetchone()
    book = _top_of_book(db, pool, units)
    clearing = clear(units, Decimal(reserve), [Order(str(e.seq), Decimal(-e.rank), e.units, e.seq) for e in book])
    winners = {int(id) for id in clearing.winners}
    before = [Entry(*row) for row in db.execute(_ENTRY + " WHERE pool = ? AND winning = 1", (pool,))]
    lost = [entry for entry in before if entry.seq not in winners]
    won = [entry for entry in book if entry.seq in winners and not entry.winning]
    db.executemany(
        "UPDATE orders SET winning = 1 - winning WHERE pool = ? AND rank = ? AND seq = ?",
        [(pool, entry.rank, entry.seq) for entry in (*lost, *won)],
    )
    free = units - sum(entry.units for entry in book if entry.seq in winners)
    db.execute("UPDATE pools SET changed = 0, free = ? WHERE seq = ?", (free, pool))
    _publish(db, pool, reserve, clearing, now)
    return Outcome([e.seq for e in won if e.own], [e.seq for e in lost if e.own])


_ENTRY = "SELECT rank, seq, units, own, winning FROM orders"


def _top_of_book(db: sqlite3.Connection, pool: int, units: int) -> Sequence[Entry]:
    """The book from the highest limit down to the first order after the stock is used up.

    Nothing below can win or set the price (the highest loser not above the lowest winner is in it), so `clear`
    answers as for the whole book, at the cost of the stock and not of the queue behind it.
    """
    book = []
    left = units
    for row in db.execute(_ENTRY + " WHERE pool = ? ORDER BY rank, seq", (pool,)):
        entry = Entry(*row)
        book.append(entry)
        if left == 0:
            break
        if entry.units <= left:
            left -= entry.units
    return book


def _publish(db: sqlite3.Connection, pool: int, reserve: int, clearing: Clearing, now: int) -> None:
    """Write the new prices of the pool's auctions. A second price at the same instant replaces the first."""
    price = reserve if clearing.price is None else int(clearing.price)
    lowest = None if clearing.lowest_allocated is None else int(clearing.lowest_allocated)
    rows = db.execute("SELECT seq, weight, price_cents FROM auctions WHERE pool = ?", (pool,)).fetchall()
    for auction, weight, old_cents in rows:
        cents = _cents(price, weight)
        lowest_cents = None if lowest is None else _cents(lowest, weight)
        db.execute(
            "UPDATE auctions SET price_cents = ?, lowest_cents = ? WHERE seq = ?", (cents, lowest_cents, auction)
        )
        if cents != old_cents:
            db.execute("INSERT OR REPLACE INTO price_events VALUES (?, ?, ?)", (auction, now, cents))


def _cents(per_unit: int, weight: int) -> int:
    """Eighths of a cent per unit as cents per instance, rounded up."""
    return -(-per_unit * weight // EIGHTHS)


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
