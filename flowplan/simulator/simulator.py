"""`Simulator`: one embedded FCP. Everything that uses it comes in here."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from flowplan.simulator import clock, timekeeping
from flowplan.simulator.answering import Answering
from flowplan.simulator.api.messages import SIMULATOR_URL, Request, Response
from flowplan.simulator.store import open_database, reading, remake, writing

if TYPE_CHECKING:
    from flowplan.simulator.auctions.view import AuctionView
    from flowplan.simulator.faults.fault import Fault
    from flowplan.simulator.faults.faults import Faults

__all__ = ["SIMULATOR_KEY", "SIMULATOR_URL", "LedgerEntry", "Simulator"]
SIMULATOR_KEY = "fkey_simulator"
LONGEST_ADVANCE = timedelta(days=3660)


class LedgerEntry(NamedTuple):
    """One mutating request that was received. `subject` is the id it created or changed.

    `executed` is false for refusals (status 4xx), for answers repeated because of their idempotency key, and for
    requests lost to a fault. `status` is of the true answer, whatever the client got; 0: it was lost before.
    """

    at: datetime
    method: str
    path: str
    key: str | None
    status: int
    subject: str | None
    executed: bool


class Simulator:
    """Use `Simulator.open`. Safe for threads (requests are answered one at a time) and for several processes."""

    def __init__(self, db: sqlite3.Connection, speed: float, api_key: str | None) -> None:
        self._db = db
        self._lock = threading.RLock()
        self._answered = 0
        self._time = timekeeping.Passage(db, speed, self._execute_late)
        self._answering = Answering(db, self._time, api_key)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        seed: int = 1,
        speed: float = 0,
        api_key: str | None = None,
        start: datetime = clock.EPOCH,
    ) -> Simulator:
        """The simulator whose data are in the file `path`, made (0600, with its directory) when there is none.

        `":memory:"` keeps the data in this process. `seed` and `start` (virtual time) count only when data are
        made. Virtual time stands still but for `advance`, or runs `speed` times as fast as real time; it is one time
        for all who have the file open. Any `fkey_...` is a good key unless `api_key` names the one (a token from
        `/login`, and keys made through the API, are good too). Raises FlowplanError for a file of another
        kind.
        """
        start_ms = clock.to_ms(start)
        return cls(open_database(path, lambda db: _fill(db, seed, start_ms)), speed, api_key)

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Keep the time and close the file."""
        with self._lock:
            self._time.catch_up()
            self._db.close()

    def reset(self, seed: int | None = None, start: datetime | None = None) -> None:
        """Delete all data and create it again, from `seed` and at `start`, or from those it was made with.

        A process that has the data open goes on with the new data.
        """
        with self._lock:
            made_with, started = self._db.execute("SELECT seed, started FROM clock").fetchone()
            begin = started if start is None else clock.to_ms(start)
            remake(self._db, lambda db: _fill(db, made_with if seed is None else seed, begin))

    def now(self) -> datetime:
        """Virtual time."""
        with self._lock:
            return clock.to_datetime(self._time.now())

    def advance(self, seconds: float | timedelta) -> None:
        """Let virtual time pass, with everything that happens in it, plus whatever a running clock adds meanwhile, in
        this or another process. Raises ValueError for less than nothing and for more than ten years."""
        given = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if not 0 <= given <= LONGEST_ADVANCE.total_seconds():  # neither is NaN between them
            raise ValueError("time does not go back, and passes by ten years at most")
        with self._lock:
            self._time.advance(timedelta(seconds=given))

    @property
    def file(self) -> str:
        """The absolute path of the file of the data; "": they are in this process."""
        with self._lock:
            return str(self._db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0])

    @property
    def is_running(self) -> bool:
        """Whether virtual time passes by itself."""
        return self._time.runs

    def keep_up(self) -> bool:
        """Let time pass that a running clock says has passed, one round's at most; returns whether more is left."""
        with self._lock:
            return self._time.keep_up()

    def ledger(self, *, everything: bool = False) -> list[LedgerEntry]:
        """The mutating requests that were executed, oldest first; with `everything` also those that were not."""
        with self._lock:
            rows = self._db.execute(
                "SELECT at, method, path, key, status, subject, executed FROM ledger WHERE executed OR ? ORDER BY seq",
                (everything,),
            ).fetchall()
        return [
            LedgerEntry(clock.to_datetime(at), method, path, key, status, subject, bool(executed))
            for at, method, path, key, status, subject, executed in rows
        ]

    @property
    def faults(self) -> Faults:
        """What goes wrong: see faults.py."""
        from flowplan.simulator.faults.faults import Faults

        return Faults(self)

    def market(self, instance_type: str | None = None, region: str | None = None) -> list[AuctionView]:
        """The auctions with their books, own bids marked, and prices: of a type (id or name), in a region."""
        from flowplan.simulator.auctions.view import auction_views

        with self._lock:
            self._time.catch_up()
            with reading(self._db):
                return list(
                    auction_views(self._db, self._time.seed, timekeeping.stored_now(self._db), instance_type, region)
                )

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises for what is in the request."""
        with self._lock:
            self._time.store_second()
            self._answered += 1
            fault = self._meet_faults(request) if self._has_faults() else None
            response = self._spoilt(fault, request) if fault else self._answering.answer_or_refuse(request)
            response.headers.setdefault("date", clock.http_date(timekeeping.stored_now(self._db) // clock.SECOND))
            response.headers["x-request-id"] = f"req_{self._answered:012d}"
            return response

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The database, in a write transaction of its own."""
        with self._lock, writing(self._db):
            yield self._db

    def third_party(self, request: Request, lag_seconds: float) -> Response:
        """Execute a request of somebody else in the project: no fault, no ledger. See `Faults.third_party`."""
        with self._lock:
            self._time.catch_up()
            return self._answering.of_a_third_party(request, lag_seconds)

    def preempt(self, bid: str, seconds: float) -> None:
        """See `Faults.preempt`."""
        from flowplan.simulator.api import bids

        with self._lock:
            self._time.catch_up()
            with writing(self._db):
                now = timekeeping.stored_now(self._db)
                bids.take_back(self._db, bid, now, now + round(seconds * clock.SECOND))
                self._time.settle(now, self._time.seed)

    def end(self, bid: str) -> None:
        """See `Faults.end`."""
        from flowplan.simulator.api import bids

        with self._lock:
            self._time.catch_up()
            with writing(self._db):
                now = timekeeping.stored_now(self._db)
                bids.give_up(self._db, bid, now)
                self._time.settle(now, self._time.seed)

    def _has_faults(self) -> bool:
        """Whether there is any fault or late request. Cheap: two indexes that are almost always empty."""
        sql = "SELECT EXISTS(SELECT 1 FROM faults WHERE spent = 0) OR EXISTS(SELECT 1 FROM late)"
        return bool(self._db.execute(sql).fetchone()[0])

    def _meet_faults(self, request: Request) -> Fault | None:
        """Execute what is late and due, then see what happens to this request."""
        from flowplan.simulator.faults import meeting

        self._execute_late()
        return meeting.meet(self._db, request)

    def _execute_late(self) -> None:
        if not self._db.execute("SELECT 1 FROM late LIMIT 1").fetchone():
            return
        from flowplan.simulator.faults import meeting

        while (late := meeting.take_late(self._db, self._time.now())) is not None:
            self._answering.answer_or_refuse(late, trusted=True)

    def _spoilt(self, fault: Fault, request: Request) -> Response:
        from flowplan.simulator.faults import meeting

        if fault.executes:
            return fault.spoil(self._answering.answer_or_refuse(request))
        lost = fault.spoil(None)
        if fault.late is not None:
            meeting.postpone(self._db, request, self._time.now(), fault.late)
        elif request.method != "GET" and fault.does != "refused":
            self._answering.lost(request, 0 if lost.broken else lost.status)
        return lost


def _fill(db: sqlite3.Connection, seed: int, now: int) -> None:
    from flowplan.simulator.auctions.seed import fill

    fill(db, seed, now)
