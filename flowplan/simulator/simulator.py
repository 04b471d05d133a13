"""`Simulator`: one embedded FCP. Everything that uses it comes in here."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from flowplan.simulator import clock, timekeeping
from flowplan.simulator.api.messages import SIMULATOR_URL, Call, Refusal, Request, Response, reply_text
from flowplan.simulator.api.projects import login_token, user_fid
from flowplan.simulator.api.routes import Route, find_route
from flowplan.simulator.auctions import market
from flowplan.simulator.faults.conditions import condition
from flowplan.simulator.store import open_database, reading, remake, writing

if TYPE_CHECKING:
    from flowplan.simulator.adapter import SimulatorAdapter
    from flowplan.simulator.auctions.view import AuctionView
    from flowplan.simulator.faults.faults import Fault, Faults

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
        self._api_key = api_key
        self._answered = 0
        self._clock = timekeeping.RunningClock(db, speed)

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
        `/login`, and keys made through the API, are good all the same). Raises FlowplanError for a file of another
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
            self._catch_up()
            self._db.close()

    def reset(self, seed: int | None = None) -> None:
        """Delete all data and make them anew, from `seed` or from the one they were made with, and from their start.

        Whoever has them open goes on with the new ones.
        """
        with self._lock:
            made_with, start = self._db.execute("SELECT seed, started FROM clock").fetchone()
            remake(self._db, lambda db: _fill(db, made_with if seed is None else seed, start))

    def now(self) -> datetime:
        """Virtual time."""
        with self._lock:
            return clock.to_datetime(self._now())

    def advance(self, seconds: float | timedelta) -> None:
        """Let virtual time pass, with everything that happens in it; what a running clock (also of another process)
        lets pass meanwhile comes on top. Raises ValueError for less than nothing and for more than ten years."""
        given = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if not 0 <= given <= LONGEST_ADVANCE.total_seconds():  # neither is NaN between them
            raise ValueError("time does not go back, and passes by ten years at most")
        left = timedelta(seconds=given) // timedelta(milliseconds=1)
        with self._lock:
            self._catch_up()
            generation = timekeeping.read(self._db).generation
            while left and (passed := self._let_pass(generation, more=left)):
                left -= passed

    @property
    def is_running(self) -> bool:
        """Whether virtual time passes by itself."""
        return self._clock.runs

    def keep_up(self) -> bool:
        """Let time pass that a running clock says has passed, one round's at most; returns whether more is left."""
        with self._lock:
            now, generation = self._clock.now()
            end = min(now, self._stored_now() + clock.ROUND)
            return self._let_pass(generation, until=end) > 0 and self._stored_now() < now

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
            self._catch_up()
            with reading(self._db):
                return list(auction_views(self._db, self._seed, self._stored_now(), instance_type, region))

    def adapter(self) -> SimulatorAdapter:
        """A requests transport adapter: mount it at SIMULATOR_URL."""
        from flowplan.simulator.adapter import SimulatorAdapter

        return SimulatorAdapter(self)

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises for what is in the request."""
        with self._lock:
            self._store_second()
            self._answered += 1
            fault = self._meet_faults(request) if self._has_faults() else None
            response = self._spoilt(fault, request) if fault else self._answer_or_refuse(request)
            response.headers["date"] = clock.http_date(self._stored_now() // clock.SECOND)
            response.headers["x-request-id"] = f"req_{self._answered:012d}"
            return response

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The database, in a write transaction of its own."""
        with self._lock, writing(self._db):
            yield self._db

    # --- one request ---------------------------------------------------------------------------------------

    def _answer_or_refuse(self, request: Request, *, trusted: bool = False) -> Response:
        """The true answer. `trusted`: without a look at the credentials."""
        try:
            route, params = find_route(request.method, request.path)
            if not route.public and not trusted:
                self._authorise(request)
            return self._answer(route, params, request)
        except Refusal as refusal:
            return refusal.response

    def _authorise(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refusal(401, "Not authenticated", {"www-authenticate": "Bearer"})
        secret = key.strip()
        good = secret in (self._api_key, login_token(self._seed)) if self._api_key else secret.startswith("fkey_")
        if self._db.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone():
            from flowplan.simulator.api.api_keys import is_good

            made_here = is_good(self._db, secret, self._now())
            good = good if made_here is None else made_here
        if not good:
            raise Refusal(401, "Invalid API key", {"www-authenticate": "Bearer"})

    def _answer(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        if route.mutates:
            return self._change(route, params, request)
        if self._is_something_due():
            self._catch_up()
        if route.lags and self._db.execute("SELECT 1 FROM stale LIMIT 1").fetchone():
            from flowplan.simulator.faults.lag import as_it_was

            with as_it_was(self._db, self._now()):
                return route.answer(self._call(params, request))
        with reading(self._db):
            return route.answer(self._call(params, request))

    def _change(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        """One transaction: what the request does, its ledger entry, and its answer for the case it comes again."""
        key = request.headers.get("idempotency-key") or None
        self._catch_up()
        try:
            with writing(self._db):
                replayed = self._replay(route, request, key)
                lag_seconds = condition(self._db, "list_lag")
                response = replayed or self._execute(route, self._call(params, request), lag_seconds)
                self._record(request, key, response, executed=replayed is None)
                if route.replays and key and not replayed:
                    self._db.execute(
                        "INSERT OR IGNORE INTO replays VALUES (?, ?, ?, ?, ?)",
                        (key, request.path, response.status, response.subject, response.body.decode("ascii")),
                    )
                return response
        except Refusal as refusal:
            with writing(self._db):
                self._record(request, key, refusal.response, executed=False)
            raise

    def _execute(self, route: Route, call: Call, lag_seconds: float) -> Response:
        """Do it; lists go by what was before for another `lag_seconds`."""
        if not lag_seconds:
            response = route.answer(call)
            self._settle()
            return response
        from flowplan.simulator.faults import lag

        before = lag.rows_of(self._db, next(iter(call.params.values()), ""))
        response = route.answer(call)
        self._settle()
        lag.remember(self._db, response.subject or "", before, call.now, lag_seconds)
        return response

    def _replay(self, route: Route, request: Request, key: str | None) -> Response | None:
        """The original answer to a create with this key, if there was one."""
        if not route.replays or not key or not condition(self._db, "idempotency"):
            return None
        row = self._db.execute(
            "SELECT status, subject, body FROM replays WHERE key = ? AND path = ?", (key, request.path)
        ).fetchone()
        if row is None:
            return None
        return reply_text(row[0], row[2], row[1])

    def _record(self, request: Request, key: str | None, response: Response, *, executed: bool) -> None:
        self._db.execute(
            "INSERT INTO ledger (at, method, path, key, status, subject, executed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._stored_now(), request.method, request.path, key, response.status, response.subject, executed),
        )

    def _call(self, params: Mapping[str, str], request: Request, user: int = 1) -> Call:
        """Time is the stored time: what a running clock has on top of it has nothing due in it."""
        seed = self._seed
        return Call(self._db, request, params, self._stored_now(), seed, user_fid(seed, user))

    # --- faults ---------------------------------------------------------------------------------------------

    def _has_faults(self) -> bool:
        """Whether there is any fault or late request. Cheap: two indexes that are almost always empty."""
        sql = "SELECT EXISTS(SELECT 1 FROM faults WHERE spent = 0) OR EXISTS(SELECT 1 FROM late)"
        return bool(self._db.execute(sql).fetchone()[0])

    def _meet_faults(self, request: Request) -> Fault | None:
        """Execute what is late and due, then see what happens to this request."""
        from flowplan.simulator.faults import faults

        self._execute_late()
        return faults.meet(self._db, request)

    def _late_at(self, now: int) -> int:
        """When the next late request is due, after `now`; the end of time when there is none."""
        row = self._db.execute("SELECT min(due_at) FROM late WHERE due_at > ?", (now,)).fetchone()
        return clock.NEVER if row[0] is None else int(row[0])

    def _execute_late(self) -> None:
        if not self._db.execute("SELECT 1 FROM late LIMIT 1").fetchone():
            return
        from flowplan.simulator.faults import faults

        while (late := faults.take_late(self._db, self._now())) is not None:
            self._answer_or_refuse(late, trusted=True)

    def _spoilt(self, fault: Fault, request: Request) -> Response:
        from flowplan.simulator.faults import faults

        if fault.executes:
            return fault.spoil(self._answer_or_refuse(request))
        lost = fault.spoil(None)
        if fault.late is not None:
            faults.postpone(self._db, request, self._now(), fault.late)
        elif request.method != "GET" and fault.does != "refused":
            with writing(self._db):
                lost_entry = Response(lost.status if not lost.broken else 0, {}, b"")
                self._record(request, request.headers.get("idempotency-key"), lost_entry, executed=False)
        return lost

    def third_party(self, request: Request, lag_seconds: float) -> Response:
        """Execute a request of somebody else in the project: no fault, no ledger. See `Faults.third_party`."""
        with self._lock:
            self._catch_up()
            try:
                route, params = find_route(request.method, request.path)
                with writing(self._db):
                    return self._execute(route, self._call(params, request, user=2), lag_seconds)
            except Refusal as refusal:
                return refusal.response

    def preempt(self, bid: str, seconds: float) -> None:
        """See `Faults.preempt`."""
        from flowplan.simulator.api import bids

        with self._lock:
            self._catch_up()
            with writing(self._db):
                now = self._stored_now()
                bids.take_back(self._db, bid, now, now + round(seconds * clock.SECOND))
                self._settle()

    # --- time ----------------------------------------------------------------------------------------------

    @property
    def _seed(self) -> int:
        """Read each time: another process may have made the data anew."""
        seed: int = self._db.execute("SELECT seed FROM clock").fetchone()[0]
        return seed

    def _stored_now(self) -> int:
        return timekeeping.stored_now(self._db)

    def _now(self) -> int:
        """Where the clock stands (ms): where it was left or, when it runs, further on."""
        return self._clock.now()[0]

    def _settle(self) -> None:
        """While the clock stands, let the round come at once in which what was changed counts: nobody can wait for it.
        So to read never changes anything. Needs a write transaction."""
        if self._clock.runs or not market.is_changed(self._db):
            return
        from flowplan.simulator.auctions import rounds  # reading alone needs no auction

        rounds.settle(self._db, self._stored_now(), self._seed)

    def _is_something_due(self) -> bool:
        if not self._clock.runs:
            return False
        from flowplan.simulator.auctions import rounds

        return rounds.next_due(self._db) <= self._now()

    def _catch_up(self) -> None:
        """Let the time pass that a running clock says has passed."""
        if not self._clock.runs:
            return
        target, generation = self._clock.now()
        while self._stored_now() < target and self._let_pass(generation, until=target):
            pass

    def _store_second(self) -> None:
        """Catch up with a running clock that is in another second than the stored time: an answer is dated by what is
        stored, so that no later one is dated before it, even when this process is killed right after it."""
        if self._clock.runs and self._now() // clock.SECOND > self._stored_now() // clock.SECOND:
            self._catch_up()

    def _let_pass(self, generation: int, *, until: int = 0, more: int = 0) -> int:
        """Let time pass `until` a moment or, advanced by hand, for so many `more` ms; but not past a late request, and
        a day at most: a month is not one transaction. Returns how many ms did, 0 when the data are not those of
        `generation` any more.
        """
        from flowplan.simulator.auctions import rounds

        with writing(self._db):
            now = self._stored_now()
            if timekeeping.read(self._db).generation != generation:
                return 0
            passed = min(more or until - now, clock.DAY, self._late_at(now) - now)
            if passed <= 0:  # another process was there first
                return 0
            rounds.advance(self._db, now + passed, self._seed)
            if more:
                self._db.execute("UPDATE clock SET advanced = advanced + ?", (passed,))
        self._execute_late()
        return passed


def _fill(db: sqlite3.Connection, seed: int, now: int) -> None:
    from flowplan.simulator.auctions.seed import fill

    fill(db, seed, now)
