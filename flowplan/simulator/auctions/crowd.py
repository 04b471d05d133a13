"""Auction rounds while time passes: the books of the pools in memory, written back at the end.

A round is held every two minutes of virtual time in every auction; one in whose book nothing has changed gives the
result of the last, and is skipped.
"""

from __future__ import annotations

import heapq
import sqlite3
from bisect import bisect_left, insort
from collections import Counter

from flowplan.simulator.auctions import clearing, market
from flowplan.simulator.auctions.clearing import Entry, Outcome
from flowplan.simulator.auctions.rivals import Event, Pool, Rival, pools
from flowplan.simulator.auctions.rivals import event as draw
from flowplan.simulator.auctions.surges import next_surge, rivals_of
from flowplan.simulator.clock import NEVER, ROUND
from flowplan.simulator.ids import next_age


def round_after(at: int) -> int:
    """The first round not before `at` (ms)."""
    return -(-at // ROUND) * ROUND


def next_round(now: int) -> int:
    """The round in which a change made at `now` (ms) counts: always a later one, so that it is no matter who else
    looks at the market in the same millisecond."""
    return (now // ROUND + 1) * ROUND


class Book:
    """One pool's orders in memory."""

    def __init__(self, db: sqlite3.Connection, pool: Pool, seed: int, now: int) -> None:
        self._db = db
        self._pool = pool
        self._seed = seed
        self._drawn, self._next_at, surge_at, changed = db.execute(
            "SELECT drawn, next_at, surge_at, changed FROM pools WHERE seq = ?", (pool.seq,)
        ).fetchone()
        self._changed_due = next_round(now) if changed else NEVER
        self._surge = None if surge_at is None else next_surge(seed, pool, surge_at - 1)
        self._handovers = clearing.load_handovers(db, pool.seq)
        rows = db.execute(
            "SELECT rank, seq, units, own, winning, auction, leaves_at FROM orders WHERE pool = ? ORDER BY rank, seq",
            (pool.seq,),
        ).fetchall()
        self._entries = [Entry(*row[:5]) for row in rows]
        self._sizes = Counter(entry.units for entry in self._entries)  # how many orders there are of so many units
        self._rivals = {row[1]: Rival(row[5], row[2], row[0], row[6]) for row in rows if row[6] is not None}
        self._ages = sorted(self._rivals)
        self._leaving = [(rival.leaves_at, seq) for seq, rival in self._rivals.items()]
        heapq.heapify(self._leaving)
        self._winners = {entry.seq: entry for entry in self._entries if entry.winning}
        self._in_database = {entry[:2]: entry.winning for entry in self._entries}
        self._is_stale = True  # whether the book may clear otherwise than it last did
        self._free = 0  # units, after the last clearing
        self._shown: clearing.Prices | None = None  # what the last clearing published
        self._prices: list[tuple[int, clearing.Prices]] = []  # and when

    @property
    def due_at(self) -> int:
        """The next round in which there is something to clear."""
        return min(self._changed_due, self._rivals_due_at)

    @property
    def _rivals_due_at(self) -> int:
        leaves_at = self._leaving[0][0] if self._leaving else NEVER
        surges_at = self._surge.at if self._surge else NEVER
        return round_after(min(self._next_at, leaves_at, surges_at))

    def hold_round(self, now: int) -> Outcome:
        """Let the rivals do what they have decided until now, and clear."""
        while self._leaving and self._leaving[0][0] <= now:
            seq = heapq.heappop(self._leaving)[1]
            del self._ages[bisect_left(self._ages, seq)]
            self._remove(seq)
            self._handovers.pop(seq, None)
        while self._surge and self._surge.at <= now:
            self._come(rivals_of(self._seed, self._pool, self._surge))
            self._surge = next_surge(self._seed, self._pool, self._surge.at)
        while self._next_at <= now:
            self._drawn += 1
            event = draw(self._seed, self._pool, self._drawn, self._next_at)
            self._next_at += event.next_in
            self._happen(event)
        return self._clear(now) if self._is_due(now) else self._as_before(now)

    def _come(self, rivals: list[Rival]) -> None:
        for rival in rivals:
            seq = next_age(self._db)
            heapq.heappush(self._leaving, (rival.leaves_at, seq))
            insort(self._ages, seq)
            self._put(seq, rival)

    def _happen(self, event: Event) -> None:
        self._come(event.comes)
        if event.changes and self._rivals:
            place, rank = event.changes
            seq = self._ages[int(place * len(self._ages))]
            was_winning = seq in self._winners
            rival = self._remove(seq)
            self._put(seq, rival._replace(rank=rank), winning=was_winning)

    def _put(self, seq: int, rival: Rival, *, winning: bool = False) -> None:
        entry = Entry(rival.rank, seq, rival.units, 0, 0)
        self._rivals[seq] = rival
        insort(self._entries, entry)
        self._sizes[rival.units] += 1
        if winning:
            self._winners[seq] = entry
        self._is_stale |= winning or rival.units <= self._free or self._is_above(rival)

    def _remove(self, seq: int) -> Rival:
        rival = self._rivals.pop(seq)
        del self._entries[bisect_left(self._entries, (rival.rank, seq))]
        self._sizes[rival.units] -= 1
        if not self._sizes[rival.units]:
            del self._sizes[rival.units]
        self._is_stale |= self._winners.pop(seq, None) is not None or self._is_above(rival)
        return rival

    def _is_above(self, rival: Rival) -> bool:
        """Whether the order is not below the price: what is stands after all winners, and sets no price."""
        return self._shown is None or -rival.rank >= self._shown[0]

    def _is_due(self, now: int) -> bool:
        """Whether a clearing may give anything but what the last one gave."""
        waits = any(handover.begins and handover.at > now for handover in self._handovers.values())
        return self._is_stale or self._changed_due <= now or waits

    def _as_before(self, now: int) -> Outcome:
        self._handovers = {seq: handover for seq, handover in self._handovers.items() if handover.at > now}
        return Outcome([], [], [], self._handovers)

    def _clear(self, now: int) -> Outcome:
        cleared = clearing.cleared(self._pool.units, self._pool.reserve, self._entries, self._sizes)
        before, self._winners, self._free = self._winners, cleared.winners, cleared.free
        won: list[Entry] = []
        lost: list[Entry] = []
        if before.keys() != cleared.winners.keys():
            won = [entry for seq, entry in cleared.winners.items() if seq not in before]
            lost = [entry for seq, entry in before.items() if seq not in cleared.winners]
        if cleared.shown != self._shown:
            self._shown = cleared.shown
            self._prices.append((now, cleared.shown))
        found = clearing.outcome(self._pool.units, self._handovers, before.values(), won, lost, now)
        self._handovers = found.handovers
        self._changed_due, self._is_stale = NEVER, False
        return found

    def save(self) -> None:
        """Write everything back."""
        pool = self._pool.seq
        clearing.publish(self._db, pool, self._prices)
        clearing.save_handovers(self._db, pool, clearing.load_handovers(self._db, pool), self._handovers)
        self._save_orders()
        free = self._pool.units - sum(entry.units for entry in self._winners.values())
        self._db.execute(
            "UPDATE pools SET free = ?, changed = ?, drawn = ?, next_at = ?, surge_at = ?, due_at = ? WHERE seq = ?",
            (
                *(free, self._changed_due < NEVER, self._drawn, self._next_at, self._surge and self._surge.at),
                *(self._rivals_due_at, pool),
            ),
        )

    def _save_orders(self) -> None:
        now = {entry[:2]: int(entry.seq in self._winners) for entry in self._entries}
        pool = self._pool.seq
        gone = [(pool, *key) for key in self._in_database if key not in now]
        turned = [(now[key], pool, *key) for key, flag in self._in_database.items() if now.get(key, flag) != flag]
        rows = [
            (pool, *key, rival.units, rival.auction, winning, rival.leaves_at)
            for key, winning in now.items()
            if key not in self._in_database
            for rival in [self._rivals[key[1]]]
        ]
        self._db.executemany("DELETE FROM orders WHERE pool = ? AND rank = ? AND seq = ?", gone)
        self._db.executemany("UPDATE orders SET winning = ? WHERE pool = ? AND rank = ? AND seq = ?", turned)
        self._db.executemany(
            "INSERT INTO orders (pool, rank, seq, units, auction, own, winning, leaves_at)"
            " VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
            rows,
        )


class Crowd:
    """The books of the pools in which something happens between `now` and `target` (ms)."""

    def __init__(self, db: sqlite3.Connection, now: int, target: int, seed: int) -> None:
        due = {row[0] for row in db.execute("SELECT seq FROM pools WHERE due_at <= ?", (target,))}
        if next_round(now) <= target:
            due.update(market.changed_pools(db))
        self._books = {pool.seq: Book(db, pool, seed, now) for pool in pools(db, due)}
        self._due = [(book.due_at, seq) for seq, book in self._books.items()]
        heapq.heapify(self._due)

    @property
    def due_at(self) -> int:
        """When the next book has something to clear: ms since 1970 UTC, NEVER where none has."""
        return self._due[0][0] if self._due else NEVER

    def hold_rounds(self, now: int) -> list[Outcome]:
        """Hold the rounds of the pools that are due."""
        outcomes = []
        while self._due and self._due[0][0] <= now:
            book = self._books[self._due[0][1]]
            outcomes.append(book.hold_round(now))
            heapq.heapreplace(self._due, (book.due_at, self._due[0][1]))
        return outcomes

    def save(self) -> None:
        """Write every book back, in the transaction that is open."""
        for book in self._books.values():
            book.save()
