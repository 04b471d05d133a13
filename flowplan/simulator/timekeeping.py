"""Where the clock stands: one time for all processes that have the data open. It is stored, and never goes back.

A clock that runs belongs to a process: to the time that it found stored it adds the real time since. If somebody
advances the stored time in between, here or in another process, that is added; newly created data set it back to their
start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import NamedTuple

from flowplan.simulator.auctions import market
from flowplan.simulator.clock import DAY, NEVER, ROUND, SECOND
from flowplan.simulator.store import writing


class Stored(NamedTuple):
    """Of the data: the time (ms), how much of it was advanced by hand (ms), and the number of the data themselves,
    where another number means newly created data."""

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
        """Whether virtual time passes by itself; otherwise only an advance moves it."""
        return self._speed > 0

    def now(self) -> tuple[int, int]:
        """(the time in ms, the generation of the data that it is of)."""
        stored = read(self._db)
        if not self.runs:
            return stored.now, stored.generation
        run = round((monotonic() - self._since) * self._speed * SECOND)
        running = self._from.now + run + stored.advanced - self._from.advanced
        # Another process has made new data, or its clock runs ahead of this one: go on from there.
        if stored.generation != self._from.generation or stored.now > running:
            self._set(stored)
            return stored.now, stored.generation
        return running, stored.generation


class Passage:
    """How time passes over the data, with everything that happens in it. `execute_late` executes the late requests
    that are due. The caller holds the simulator's lock."""

    def __init__(self, db: sqlite3.Connection, speed: float, execute_late: Callable[[], None]) -> None:
        self._db = db
        self._clock = RunningClock(db, speed)
        self._execute_late = execute_late

    @property
    def runs(self) -> bool:
        """Whether virtual time passes by itself."""
        return self._clock.runs

    def now(self) -> int:
        """Where the clock stands (ms): where it was left or, when it runs, further on."""
        return self._clock.now()[0]

    @property
    def seed(self) -> int:
        """What the data were made from. Read each time: another process may have made them again."""
        seed: int = self._db.execute("SELECT seed FROM clock").fetchone()[0]
        return seed

    def settle(self, now: int, seed: int) -> None:
        """While the clock stands at `now`, let the round come at once in which what was changed counts: nobody can wait
        for it. So to read never changes anything. `seed`: of the data. Needs a write transaction."""
        if self.runs or not market.is_changed(self._db):
            return
        from flowplan.simulator.auctions import rounds  # reading alone needs no auction

        rounds.settle(self._db, now, seed)

    def is_something_due(self) -> bool:
        """Whether a running clock has passed a moment at which something happens."""
        if not self.runs:
            return False
        from flowplan.simulator.auctions import rounds

        return rounds.next_due(self._db) <= self.now()

    def advance(self, given: timedelta) -> None:
        """Let `given` pass, plus whatever a running clock adds meanwhile, in this or another process."""
        left = given // timedelta(milliseconds=1)
        self.catch_up()
        generation = read(self._db).generation
        while left and (passed := self.let_pass(generation, more=left)):
            left -= passed

    def keep_up(self) -> bool:
        """Let time pass that a running clock says has passed, one round's at most; returns whether more is left."""
        now, generation = self._clock.now()
        end = min(now, stored_now(self._db) + ROUND)
        return self.let_pass(generation, until=end) > 0 and stored_now(self._db) < now

    def catch_up(self) -> None:
        """Let the time pass that a running clock says has passed."""
        if not self.runs:
            return
        target, generation = self._clock.now()
        while stored_now(self._db) < target and self.let_pass(generation, until=target):
            pass

    def store_second(self) -> None:
        """Catch up with a running clock that is in another second than the stored time: an answer is dated by what is
        stored, so that no later one is dated before it, even when this process is killed right after it."""
        if self.runs and self.now() // SECOND > stored_now(self._db) // SECOND:
            self.catch_up()

    def let_pass(self, generation: int, *, until: int = 0, more: int = 0) -> int:
        """Let time pass `until` a moment or, advanced by hand, for so many `more` ms; but not past a late request, and
        a day at most: a month is not one transaction. Returns how many ms did, 0 when the data are not those of
        `generation` any more.
        """
        from flowplan.simulator.auctions import rounds

        with writing(self._db):
            now = stored_now(self._db)
            if read(self._db).generation != generation:
                return 0
            passed = min(more or until - now, DAY, self._late_at(now) - now)
            if passed <= 0:  # another process was there first
                return 0
            rounds.advance(self._db, now + passed, self.seed)
            if more:
                self._db.execute("UPDATE clock SET advanced = advanced + ?", (passed,))
        self._execute_late()
        return passed

    def _late_at(self, now: int) -> int:
        """When the next late request is due, after `now`; the end of time when there is none."""
        row = self._db.execute("SELECT min(due_at) FROM late WHERE due_at > ?", (now,)).fetchone()
        return NEVER if row[0] is None else int(row[0])
