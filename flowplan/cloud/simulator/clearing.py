"""Clearing: who wins, what they pay, who has to go. The rule itself is `flowplan.pricing.clear`.

It is applied to the pool's book in units (see store.py): with one size in the pool that is the documented rule word
for word; with several sizes, limits compete per GPU and prices are rounded up to the cent (still never above a
winner's limit, which is whole cents).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from flowplan.cloud.simulator.clock import MINUTE
from flowplan.cloud.simulator.market import EIGHTHS
from flowplan.pricing import Clearing, Order, clear

NOTICE = 5 * MINUTE
PATIENCE = 200  # orders in a row that do not fit, before the book is searched for one that does


class Entry(NamedTuple):
    """One order of a book. `rank`: minus the limit, in eighths of a cent per unit; `own`: placed through the API."""

    rank: int
    seq: int
    units: int
    own: int
    winning: int


class Stock(NamedTuple):
    """A pool's units, and how many of them the displaced still hold, until when (ms)."""

    units: int
    noticed: int
    noticed_until: int


class Outcome(NamedTuple):
    """What a clearing means for the API's own bids: (seq, when there is room for it) of those that win now, seq of
    those that no longer do. `stock` is the pool's afterwards."""

    won: list[tuple[int, int]]
    lost: list[int]
    stock: Stock


def clear_pool(db: sqlite3.Connection, pool: int, now: int) -> Outcome:
    """Clear one pool in the database and publish its prices. Needs a write transaction."""
    units, reserve, noticed, until = db.execute(
        "SELECT units, reserve, noticed, noticed_until FROM pools WHERE seq = ?", (pool,)
    ).fetchone()
    book = _top_of_book(db, pool, units, reserve)
    before = [Entry(*row) for row in db.execute(_ENTRY + " WHERE pool = ? AND winning = 1", (pool,))]
    clearing, winners = cleared(units, reserve, book)
    lost = [entry for entry in before if entry.seq not in winners]
    won = [entry for entry in book if entry.seq in winners and not entry.winning]
    db.executemany(
        "UPDATE orders SET winning = 1 - winning WHERE pool = ? AND rank = ? AND seq = ?",
        [(pool, entry.rank, entry.seq) for entry in (*lost, *won)],
    )
    result = outcome(Stock(units, noticed, until), before, won, lost, now)
    free = units - sum(entry.units for entry in book if entry.seq in winners)
    db.execute(
        "UPDATE pools SET changed = 0, free = ?, noticed = ?, noticed_until = ? WHERE seq = ?",
        (free, result.stock.noticed, result.stock.noticed_until, pool),
    )
    publish(db, pool, prices(reserve, clearing), now)
    return result


def cleared(units: int, reserve: int, book: Iterable[Entry]) -> tuple[Clearing, set[int]]:
    """The rule's result, and the winners by seq."""
    clearing = clear(units, Decimal(reserve), [_order(e.seq, e.rank, e.units) for e in book])
    return clearing, {int(id) for id in clearing.winners}


@lru_cache(maxsize=20_000)
def _order(seq: int, rank: int, units: int) -> Order:
    return Order(str(seq), Decimal(-rank), units, seq)


def outcome(stock: Stock, before: Iterable[Entry], won: Sequence[Entry], lost: Sequence[Entry], now: int) -> Outcome:
    """Whoever is displaced holds his units for the five minutes of his notice: who needs them waits for them."""
    noticed = stock.noticed if now < stock.noticed_until else 0
    free = stock.units - noticed - sum(entry.units for entry in before)
    noticed += sum(entry.units for entry in lost)
    until = now + NOTICE if lost else stock.noticed_until
    starts = []
    for entry in won:
        at_once = entry.units <= free
        free -= entry.units if at_once else 0
        if entry.own:
            starts.append((entry.seq, now if at_once else max(now, until)))
    return Outcome(starts, [e.seq for e in lost if e.own], Stock(stock.units, noticed, until))


# --- prices ----------------------------------------------------------------------------------------------------


def prices(reserve: int, clearing: Clearing) -> tuple[int, int | None]:
    """(price, lowest winning limit) in eighths of a cent per unit. Nobody wins: the reserve is shown."""
    price = reserve if clearing.price is None else int(clearing.price)
    return price, None if clearing.lowest_allocated is None else int(clearing.lowest_allocated)


def publish(db: sqlite3.Connection, pool: int, shown: tuple[int, int | None], now: int) -> None:
    """Write the new prices of the pool's auctions. A second price at the same instant replaces the first."""
    price, lowest = shown
    rows = db.execute("SELECT seq, weight, price_cents FROM auctions WHERE pool = ?", (pool,)).fetchall()
    for auction, weight, old_cents in rows:
        new_cents = cents(price, weight)
        lowest_cents = None if lowest is None else cents(lowest, weight)
        db.execute(
            "UPDATE auctions SET price_cents = ?, lowest_cents = ? WHERE seq = ?", (new_cents, lowest_cents, auction)
        )
        if new_cents != old_cents:
            db.execute("INSERT OR REPLACE INTO price_events VALUES (?, ?, ?)", (auction, now, new_cents))


def cents(per_unit: int, weight: int) -> int:
    """Eighths of a cent per unit as cents per instance, rounded up."""
    return -(-per_unit * weight // EIGHTHS)


# --- the part of the book that matters -------------------------------------------------------------------------

_ENTRY = "SELECT rank, seq, units, own, winning FROM orders"


def top_of_book(entries: Iterable[Entry], units: int, smallest: int) -> list[Entry]:
    """The book from the highest limit down to the first order after which not even the smallest fits.

    Nothing below can win or set the price (the highest loser not above the lowest winner is in it), so `clear`
    answers as for the whole book, at the cost of the stock and not of the queue behind it.
    """
    book: list[Entry] = []
    left = units
    for entry in entries:
        book.append(entry)
        if left < smallest:
            break
        if entry.units <= left:
            left -= entry.units
    return book


def _top_of_book(db: sqlite3.Connection, pool: int, units: int, reserve: int) -> list[Entry]:
    """`top_of_book` of the database, without reading on and on where nothing fits."""
    smallest = db.execute("SELECT min(units) FROM orders WHERE pool = ?", (pool,)).fetchone()[0] or 1
    book: list[Entry] = []
    left, skipped = units, 0
    for row in db.execute(_ENTRY + " WHERE pool = ? ORDER BY rank, seq", (pool,)):
        entry = Entry(*row)
        book.append(entry)
        if left < smallest:
            break
        skipped = skipped + 1 if entry.units > left else 0
        if skipped > PATIENCE:
            return book + _further_down(db, pool, left, reserve, entry)
        left -= entry.units if not skipped else 0
    return book


def _further_down(db: sqlite3.Connection, pool: int, left: int, reserve: int, last: Entry) -> list[Entry]:
    """Those below `last` that still fit, and the loser next to the last of them."""
    found: list[Entry] = []
    sizes = _sizes(db, pool)
    while (entry := _next_that_fits(db, pool, [size for size in sizes if size <= left], reserve, last)) is not None:
        found.append(entry)
        left -= entry.units
        last = entry
    if not found:
        return []
    return [*_equals_before(db, pool, found), *found, *_next(db, pool, last)]


def _sizes(db: sqlite3.Connection, pool: int) -> list[int]:
    """The different numbers of units in a book, found by one seek each."""
    sizes: list[int] = []
    sql = "SELECT min(units) FROM orders WHERE pool = ? AND units > ?"
    while (size := db.execute(sql, (pool, sizes[-1] if sizes else 0)).fetchone()[0]) is not None:
        sizes.append(size)
    return sizes


def _next_that_fits(db: sqlite3.Connection, pool: int, sizes: list[int], reserve: int, last: Entry) -> Entry | None:
    sql = _ENTRY + " WHERE pool = ? AND units = ? AND (rank, seq) > (?, ?) AND rank <= ? ORDER BY rank, seq LIMIT 1"
    rows = [db.execute(sql, (pool, size, last.rank, last.seq, -reserve)).fetchone() for size in sizes]
    return min((Entry(*row) for row in rows if row), default=None)


def _equals_before(db: sqlite3.Connection, pool: int, found: list[Entry]) -> list[Entry]:
    """A loser with the limit of the last winner, older than it: its limit is the price."""
    rank, seq = found[-1][:2]
    winners = [entry.seq for entry in found if entry.rank == rank]
    rows = db.execute(
        _ENTRY + " WHERE pool = ? AND rank = ? AND seq < ? ORDER BY seq DESC LIMIT ?", (pool, rank, seq, len(winners))
    )
    return [entry for entry in (Entry(*row) for row in rows) if entry.seq not in winners][:1]


def _next(db: sqlite3.Connection, pool: int, last: Entry) -> list[Entry]:
    sql = _ENTRY + " WHERE pool = ? AND (rank, seq) > (?, ?) ORDER BY rank, seq LIMIT 1"
    return [Entry(*row) for row in db.execute(sql, (pool, last.rank, last.seq))]
