"""`Simulator`: one embedded FCP. Everything that uses it comes in here."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from flowplan.cloud.simulator import clock, market
from flowplan.cloud.simulator.conditions import condition
from flowplan.cloud.simulator.messages import Call, Refusal, Request, Response
from flowplan.cloud.simulator.projects import user_fid
from flowplan.cloud.simulator.routes import Route, find_route
from flowplan.cloud.simulator.store import open_database, reading, remake, writing

if TYPE_CHECKING:
    from flowplan.cloud.simulator.adapter import SimulatorAdapter
    from flowplan.cloud.simulator.faults import Fault, Faults
    from flowplan.cloud.simulator.view import AuctionView

SIMULATOR_URL = "https://simulator.invalid"  # where clients in the same process find it
SIMULATOR_KEY = "fkey_simulator"


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

    def __init__(self, db: sqlite3.Connection, speed: float, api_key: str | None, start: int) -> None:
        self._db = db
        self._lock = threading.RLock()
        self._api_key = api_key
        self._start = start
        self._speed = speed
        self._answered = 0
        self._real = time.monotonic()
        self._virtual: int
        self._seed: int
        self._virtual, self._seed = db.execute("SELECT now, seed FROM clock").fetchone()
        self._user = user_fid(self._seed)

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
        made. Virtual time stands still but for `advance`, or runs `speed` times as fast as real time. Any
        `fkey_...` is a good key unless `api_key` names the one. Raises FlowplanError for a file of another kind.
        """
        start_ms = clock.to_ms(start)
        return cls(open_database(path, lambda db: _fill(db, seed, start_ms)), speed, api_key, start_ms)

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
        """Delete all data and make them anew, from `seed` or from the one they were made with."""
        with self._lock:
            self._seed = self._seed if seed is None else seed
            self._user = user_fid(self._seed)
            remake(self._db, lambda db: _fill(db, self._seed, self._start))
            self._real, self._virtual = time.monotonic(), self._start

    def now(self) -> datetime:
        """Virtual time."""
        with self._lock:
            return clock.to_datetime(self._now())

    def advance(self, seconds: float | timedelta) -> None:
        """Let virtual time pass, with everything that happens in it."""
        passed = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        if passed < timedelta(0):
            raise ValueError("time does not go back")
        with self._lock:
            self._catch_up()
            self._run_to(self._stored_now() + passed // timedelta(milliseconds=1))

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
        from flowplan.cloud.simulator.faults import Faults

        return Faults(self)

    def market(self, instance_type: str | None = None, region: str | None = None) -> list[AuctionView]:
        """The auctions with their books, own bids marked, and prices: of a type (id or name), in a region."""
        from flowplan.cloud.simulator.view import auction_views

        with self._lock:
            self._catch_up()
            with writing(self._db):
                self._settle()
                return list(auction_views(self._db, self._seed, self._stored_now(), instance_type, region))

    def adapter(self) -> SimulatorAdapter:
        """A requests transport adapter: mount it at SIMULATOR_URL."""
        from flowplan.cloud.simulator.adapter import SimulatorAdapter

        return SimulatorAdapter(self)

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises for what is in the request."""
        with self._lock:
            self._answered += 1
            fault = self._meet_faults(request) if self._has_faults() else None
            response = self._spoilt(fault, request) if fault else self._answer_or_refuse(request)
            response.headers["date"] = clock.http_date(self._now() // clock.SECOND)
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
        good = secret == self._api_key if self._api_key else secret.startswith("fkey_")
        if self._db.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone():
            from flowplan.cloud.simulator.api_keys import is_good

            made_here = is_good(self._db, secret, self._now())
            good = good if made_here is None else made_here
        if not good:
            raise Refusal(401, "Invalid API key", {"www-authenticate": "Bearer"})

    def _answer(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        if route.mutates:
            return self._change(route, params, request)
        if self._is_something_due():
            self._catch_up()
            with writing(self._db):
                self._settle()
        with reading(self._db):
            response = route.answer(self._call(params, request))
            if route.lists and condition(self._db, "list_lag"):
                from flowplan.cloud.simulator.lag import as_it_was

                return as_it_was(self._db, route.lists, response, self._now())
            return response

    def _change(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        """One transaction: what the request does, its ledger entry, and its answer for the case it comes again."""
        key = request.headers.get("idempotency-key") or None
        self._catch_up()
        try:
            with writing(self._db):
                replayed = self._replay(route, request, key)
                response = replayed or self._execute(route, params, request)
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

    def _execute(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        seconds = condition(self._db, "list_lag")
        if not seconds:
            return route.answer(self._call(params, request))
        from flowplan.cloud.simulator import lag

        before = lag.shown(self._db, next(iter(params.values()), ""))
        response = route.answer(self._call(params, request))
        lag.remember(self._db, response.subject or "", before, self._stored_now(), seconds)
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
        headers = {"content-type": "application/json", "idempotency-replayed": "true"}
        return Response(row[0], headers, row[2].encode("ascii"), row[1])

    def _record(self, request: Request, key: str | None, response: Response, *, executed: bool) -> None:
        self._db.execute(
            "INSERT INTO ledger (at, method, path, key, status, subject, executed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._stored_now(), request.method, request.path, key, response.status, response.subject, executed),
        )

    def _call(self, params: Mapping[str, str], request: Request) -> Call:
        """Time is the stored time: what a running clock has on top of it has nothing due in it."""
        return Call(self._db, request, params, self._stored_now(), self._seed, self._user)

    # --- faults ---------------------------------------------------------------------------------------------

    def _has_faults(self) -> bool:
        """Whether there is any fault or late request. Cheap: two indexes that are almost always empty."""
        sql = "SELECT EXISTS(SELECT 1 FROM faults WHERE spent = 0) OR EXISTS(SELECT 1 FROM late)"
        return bool(self._db.execute(sql).fetchone()[0])

    def _meet_faults(self, request: Request) -> Fault | None:
        """Execute what is late and due, then see what happens to this request."""
        from flowplan.cloud.simulator import faults

        self._execute_late()
        return faults.meet(self._db, request)

    def _late_at(self, now: int) -> int:
        """When the next late request is due, after `now`; the end of time when there is none."""
        row = self._db.execute("SELECT min(due_at) FROM late WHERE due_at > ?", (now,)).fetchone()
        return clock.NEVER if row[0] is None else int(row[0])

    def _execute_late(self) -> None:
        if not self._db.execute("SELECT 1 FROM late LIMIT 1").fetchone():
            return
        from flowplan.cloud.simulator import faults

        while (late := faults.take_late(self._db, self._now())) is not None:
            self._answer_or_refuse(late, trusted=True)

    def _spoilt(self, fault: Fault, request: Request) -> Response:
        from flowplan.cloud.simulator import faults

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

    def third_party(self, request: Request) -> Response:
        """Execute a request of somebody else in the project: no fault, no lag, no ledger. See `Faults.third_party`."""
        with self._lock:
            self._catch_up()
            try:
                route, params = find_route(request.method, request.path)
                with writing(self._db):
                    response = route.answer(self._call(params, request))
                    self._settle()
                    return response
            except Refusal as refusal:
                return refusal.response

    def preempt(self, bid: str, seconds: float) -> None:
        """See `Faults.preempt`."""
        from flowplan.cloud.simulator import bids

        with self._lock, writing(self._db):
            now = self._stored_now()
            self._settle()
            bids.take_back(self._db, bid, now, now + round(seconds * clock.SECOND))
            self._settle()

    # --- time ----------------------------------------------------------------------------------------------

    def _stored_now(self) -> int:
        now: int = self._db.execute("SELECT now FROM clock").fetchone()[0]
        return now

    def _now(self) -> int:
        """Where the clock stands (ms): where it was left or, when it runs, further on."""
        stored = self._stored_now()
        if not self._speed:
            return stored
        real = time.monotonic()
        running = self._virtual + round((real - self._real) * self._speed * clock.SECOND)
        if stored > running:  # another process has advanced it: run on from there
            self._real, self._virtual = real, stored
        return max(stored, running)

    def _settle(self) -> None:
        """Clear the auctions whose books have changed. Needs a write transaction."""
        from flowplan.cloud.simulator import rounds  # reading alone needs no auction

        rounds.settle(self._db, self._stored_now(), self._seed)

    def _is_something_due(self) -> bool:
        if market.is_changed(self._db):
            return True
        if not self._speed:
            return False
        from flowplan.cloud.simulator import rounds

        return rounds.next_due(self._db) <= self._now()

    def _catch_up(self) -> None:
        """Let the time pass that a running clock says has passed."""
        if self._speed:
            self._run_to(self._now())

    def _run_to(self, target: int) -> None:
        """Let time pass until `target` (ms), a day in a transaction: a month is not one."""
        from flowplan.cloud.simulator import rounds

        while (now := self._stored_now()) < target:
            with writing(self._db):
                rounds.advance(self._db, min(target, now + clock.DAY, self._late_at(now)), self._seed)
            self._execute_late()


def _fill(db: sqlite3.Connection, seed: int, now: int) -> None:
    from flowplan.cloud.simulator.seed import fill

    fill(db, seed, now)
