"""Clearing: who wins, what they pay, who has to go. The rule itself is `flowplan.pricing.auction.walk`.

It is applied to the pool's book in units (see store.py): with one size in the pool that is the documented rule word
for word; with several sizes, limits compete per GPU and prices are rounded up to the cent (still never above a
winner's limit, which is whole cents).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from flowplan.pricing.auction import walk
from flowplan.simulator.auctions.market import cents
from flowplan.simulator.clock import MINUTE

NOTICE = 5 * MINUTE
PATIENCE = 200  # orders in a row that do not fit, before the book is searched for one that does


class Entry(NamedTuple):
    """One order of a book. `rank`: minus the limit, in eighths of a cent per unit; `own`: placed through the API."""

    rank: int
    seq: int
    units: int
    own: int
    winning: int


_entry: Callable[[Iterable[int]], Entry] = partial(tuple.__new__, Entry)  # of a row: a book is read at every bid


class Handover(NamedTuple):
    """When (ms) the machines of an order begin, because it has to wait for others to go, or end, because it is on
    notice: until then it has not yet, or has still, its `units`."""

    at: int
    units: int
    begins: bool


Handovers = dict[int, Handover]  # by the order's seq
Prices = tuple[int, int | None]  # (price, lowest winning limit) in eighths of a cent per unit


class Cleared(NamedTuple):
    """The rule's result: the winners by seq, the first in the book first; what is shown; the units that stay free."""

    winners: dict[int, Entry]
    shown: Prices
    free: int


class Outcome(NamedTuple):
    """What a clearing means for the API's own bids: (seq, when there is room for it) of those that win now, seq of
    those that no longer do, and of those that win as before (seq, when there is room for it) where that has moved.
    `handovers` are the pool's afterwards."""

    won: list[tuple[int, int]]
    lost: list[int]
    moved: list[tuple[int, int]]
    handovers: Handovers


def clear_pool(db: sqlite3.Connection, pool: int, now: int) -> Outcome:
    """Clear one pool in the database and publish its prices. Needs a write transaction."""
    units, reserve = db.execute("SELECT units, reserve FROM pools WHERE seq = ?", (pool,)).fetchone()
    book = _top_of_book(db, pool, units, reserve)
    before = _winners(db, pool, book)
    found = cleared(units, reserve, book)
    lost = [entry for entry in before if entry.seq not in found.winners]
    won = [entry for entry in found.winners.values() if not entry.winning]
    db.executemany(
        "UPDATE orders SET winning = 1 - winning WHERE pool = ? AND rank = ? AND seq = ?",
        [(pool, entry.rank, entry.seq) for entry in (*lost, *won)],
    )
    handovers = load_handovers(db, pool)
    result = outcome(units, handovers, before, won, lost, now)
    save_handovers(db, pool, handovers, result.handovers)
    db.execute("UPDATE pools SET changed = 0, free = ? WHERE seq = ?", (found.free, pool))
    publish(db, pool, [(now, found.shown)])
    return result


def cleared(units: int, reserve: int, book: Sequence[Entry], sizes: Mapping[int, int] | None = None) -> Cleared:
    """Who wins of a book in its order, and what is shown: the reserve where nobody wins. `sizes`, where they are known:
    how many orders of the book there are of so many units."""
    if sizes:
        wanted = sum(size * count for size, count in sizes.items())
        if wanted <= units and -book[-1].rank >= reserve:  # nobody loses
            return Cleared({entry.seq: entry for entry in book}, (reserve, -book[-1].rank), units - wanted)
    smallest = min(sizes or (), default=0)
    found = walk(units, reserve, ((entry, -entry.rank, entry.units) for entry in book), smallest)
    return Cleared({entry.seq: entry for entry in found.winners}, (found.price, found.lowest), found.left)


# --- who waits for whom ----------------------------------------------------------------------------------------


def outcome(
    units: int, handovers: Handovers, before: Iterable[Entry], won: Sequence[Entry], lost: Sequence[Entry], now: int
) -> Outcome:
    """A displaced bid holds its units for the five minutes of its notice: the bid that needs them waits.

    `before`: who won until now. One who wins again within his notice goes on, so that others may have to wait longer;
    one who loses before his machines began holds nothing.
    """
    pending = {seq: handover for seq, handover in handovers.items() if handover.at > now}
    goes_on = {entry.seq for entry in won if entry.seq in pending}
    for seq in goes_on:
        del pending[seq]
    for entry in lost:
        if pending.pop(entry.seq, None) is None:
            pending[entry.seq] = Handover(now + NOTICE, entry.units, begins=False)
    begin = {seq for seq, handover in pending.items() if handover.begins}
    waiting = sorted((entry for entry in before if entry.seq in begin), key=_age) if begin else []
    waited = {entry.seq: pending.pop(entry.seq).at for entry in waiting}
    new = [entry for entry in won if entry.seq not in goes_on]
    queue = [*waiting, *new]
    starts = dict.fromkeys((entry.seq for entry in queue), now)  # as it is where nobody has to go
    if queue and pending:
        machines = {entry.seq: entry.units for entry in (*before, *won)}
        for entry in (*lost, *queue):
            machines.pop(entry.seq, None)
        starts = _starts(queue, pending, units - sum(machines.values()), now)
    waits = {e.seq: Handover(starts[e.seq], e.units, begins=True) for e in queue if starts[e.seq] > now}
    return Outcome(
        won=[(entry.seq, starts.get(entry.seq, now)) for entry in won if entry.own],
        lost=[entry.seq for entry in lost if entry.own],
        moved=[(e.seq, starts[e.seq]) for e in waiting if e.own and starts[e.seq] != waited[e.seq]],
        handovers=pending | waits,
    )


def _age(entry: Entry) -> int:
    return entry.seq


def _starts(queue: Sequence[Entry], leaving: Handovers, free: int, now: int) -> dict[int, int]:
    """When there is room for each. `free`: units that are when all who leave have left."""
    changes: Counter[int] = Counter()  # of what is free, at each moment
    for handover in leaving.values():
        changes[handover.at] += handover.units
    starts = {}
    for entry in queue:
        at = starts[entry.seq] = _room_at(entry.units, changes, free, now)
        free -= entry.units
        if at > now:
            changes[at] -= entry.units
    return starts


def _room_at(needed: int, changes: Mapping[int, int], free: int, now: int) -> int:
    """From when on there is always room: seen from the end, the first moment before which there is too little."""
    for at in sorted(changes, reverse=True):
        free -= changes[at]
        if free < needed:
            return at
    return now


def load_handovers(db: sqlite3.Connection, pool: int) -> Handovers:
    """The handovers of a pool, those that are over too."""
    rows = db.execute("SELECT seq, at, units, begins FROM handovers WHERE pool = ?", (pool,))
    return {seq: Handover(at, units, bool(begins)) for seq, at, units, begins in rows}


def save_handovers(db: sqlite3.Connection, pool: int, before: Handovers, after: Handovers) -> None:
    """The handovers of a pool, which were those `before`, are those `after`."""
    gone = [(pool, seq) for seq in before if seq not in after]
    new = [(pool, seq, *handover) for seq, handover in after.items() if before.get(seq) != handover]
    db.executemany("DELETE FROM handovers WHERE pool = ? AND seq = ?", gone)
    db.executemany("INSERT OR REPLACE INTO handovers VALUES (?, ?, ?, ?, ?)", new)


# --- prices ----------------------------------------------------------------------------------------------------


def publish(db: sqlite3.Connection, pool: int, shown: Sequence[tuple[int, Prices]]) -> None:
    """Write what the pool's auctions have shown, from when on (ms), the first first. A second price at the same instant
    replaces the first."""
    if not shown:
        return
    _, (_, lowest) = shown[-1]
    sql = "SELECT seq, weight, price_cents, lowest_cents FROM auctions WHERE pool = ?"
    for auction, weight, *known in db.execute(sql, (pool,)).fetchall():
        events, last = [], known[0]
        for at, (price, _) in shown:
            if (now := cents(price, weight)) != last:
                events.append((auction, at, now))
                last = now
        db.executemany("INSERT OR REPLACE INTO price_events VALUES (?, ?, ?)", events)
        lowest_cents = None if lowest is None else cents(lowest, weight)
        if [last, lowest_cents] != known:
            sql = "UPDATE auctions SET price_cents = ?, lowest_cents = ? WHERE seq = ?"
            db.execute(sql, (last, lowest_cents, auction))


# --- the part of the book that matters -------------------------------------------------------------------------

_ENTRY = "SELECT rank, seq, units, own, winning FROM orders"


def _top_of_book(db: sqlite3.Connection, pool: int, units: int, reserve: int) -> list[Entry]:
    """The book from the highest limit down to the first order after which not even the smallest fits: nothing below can
    win or set the price. Without reading on and on where nothing fits."""
    smallest = db.execute("SELECT min(units) FROM orders WHERE pool = ?", (pool,)).fetchone()[0] or 1
    book: list[Entry] = []
    left, skipped = units, 0
    for entry in map(_entry, db.execute(_ENTRY + " WHERE pool = ? ORDER BY rank, seq", (pool,))):
        book.append(entry)
        if left < smallest:
            break
        if entry.units <= left:
            left, skipped = left - entry.units, 0
        elif skipped == PATIENCE:
            return book + _further_down(db, pool, left, reserve, entry)
        else:
            skipped += 1
    return book


def _winners(db: sqlite3.Connection, pool: int, book: Iterable[Entry]) -> list[Entry]:
    """Who has won until now, in the order of the book. Nearly always all of them are in the part of it that was read:
    to count them takes a tenth of what it takes to read them."""
    found = {entry.seq: entry for entry in book if entry.winning}
    won = " FROM orders WHERE pool = ? AND winning = 1"
    if db.execute(f"SELECT count(*){won}", (pool,)).fetchone()[0] == len(found):
        return sorted(found.values())
    return list(map(_entry, db.execute(f"{_ENTRY} WHERE pool = ? AND winning = 1 ORDER BY rank, seq", (pool,))))


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
