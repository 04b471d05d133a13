"""Where the clock stands: one time for all processes that have the data open. It is stored, and never goes back.

A clock that runs belongs to a process: to the time that it found stored it adds the real time since. Whoever advances
the stored time in between, here or in another process, is added to it; data made anew set it back to their start.
"""

from __future__ import annotations

import sqlite3
from time import monotonic
from typing import NamedTuple

from flowplan.simulator.clock import SECOND


class Stored(NamedTuple):
    """Of the data: the time (ms), how much of it was advanced by hand (ms), and the number of the data themselves,
    which another number means were made anew."""

    now: int
    advanced: int
    generation: int


def stored_now(db: sqlite3.Connection) -> int:
    """The time up to which everything has happened, in ms."""
    now: int = db.execute("SELECT now FROM clock").fetchone()[0]
    return now


def read(db: sqlite3.Connection) -> Stored:
    """What is stored of the time."""
    # SQLite counts the changes of the schema; only `store.remake` makes any.
    generation: int = db.execute("PRAGMA schema_version").fetchone()[0]
    now, advanced = db.execute("SELECT now, advanced FROM clock").fetchone()
    return Stored(now, advanced, generation)


class RunningClock:
    """Runs `speed` times as fast as real time; not at all with 0."""

    def __init__(self, db: sqlite3.Connection, speed: float) -> None:
        self._db = db
        self._speed = speed
        self._set(read(db))

    def _set(self, stored: Stored) -> None:
        self._since, self._from = monotonic(), stored

    @property
    def runs(self) -> bool:
        return self._speed > 0

    def now(self) -> tuple[int, int]:
        """(the time in ms, the generation of the data that it is of)."""
        stored = read(self._db)
        if not self.runs:
            return stored.now, stored.generation
        run = round((monotonic() - self._since) * self._speed * SECOND)
        running = self._from.now + run + stored.advanced - self._from.advanced
        # Another process has made the data anew, or its clock runs ahead of this one: go on from there.
        if stored.generation != self._from.generation or stored.now > running:
            self._set(stored)
            return stored.now, stored.generation
        return running, stored.generation
