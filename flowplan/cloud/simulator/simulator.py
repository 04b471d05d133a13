"""`Simulator`: one embedded FCP. Everything that uses it comes in here."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from flowplan.cloud.simulator import clock, market, rounds
from flowplan.cloud.simulator.messages import Call, Refusal, Request, Response
from flowplan.cloud.simulator.projects import user_fid
from flowplan.cloud.simulator.routes import Route, find_route
from flowplan.cloud.simulator.store import open_database, reading, remake, writing

if TYPE_CHECKING:
    from flowplan.cloud.simulator.adapter import SimulatorAdapter

SIMULATOR_URL = "https://simulator.invalid"  # where clients in the same process find it
SIMULATOR_KEY = "fkey_simulator"


class LedgerEntry(NamedTuple):
    """One mutating request that was received. `subject` is the id it created or changed.

    `executed` is false for refusals (status 4xx) and for answers repeated because of their idempotency key.
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
            if self._speed:
                with writing(self._db):
                    self._catch_up()
            self._db.close()

    def reset(self) -> None:
        """Delete all data and make them anew, from the seed they were made with."""
        with self._lock:
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
        with self._lock, writing(self._db):
            self._catch_up()
            rounds.advance(self._db, self._stored_now() + passed // timedelta(milliseconds=1), self._seed)

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

    def adapter(self) -> SimulatorAdapter:
        """A requests transport adapter: mount it at SIMULATOR_URL."""
        from flowplan.cloud.simulator.adapter import SimulatorAdapter

        return SimulatorAdapter(self)

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises for what is in the request."""
        with self._lock:
            self._answered += 1
            try:
                route, params = find_route(request.method, request.path)
                if not route.public:
                    self._authorise(request)
                response = self._answer(route, params, request)
            except Refusal as refusal:
                response = refusal.response
            response.headers["date"] = clock.http_date(self._now() // clock.SECOND)
            response.headers["x-request-id"] = f"req_{self._answered:012d}"
            return response

    # --- one request ---------------------------------------------------------------------------------------

    def _authorise(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refusal(401, "Not authenticated", {"www-authenticate": "Bearer"})
        good = key.strip() == self._api_key if self._api_key else key.strip().startswith("fkey_")
        if not good:
            raise Refusal(401, "Invalid API key", {"www-authenticate": "Bearer"})

    def _answer(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        if route.mutates:
            return self._change(route, params, request)
        if self._is_something_due():
            with writing(self._db):
                self._catch_up()
                rounds.settle(self._db, self._stored_now(), self._seed)
        with reading(self._db):
            return route.answer(self._call(params, request))

    def _change(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        """One transaction: what the request does, its ledger entry, and its answer for the case it comes again."""
        key = request.headers.get("idempotency-key") or None
        try:
            with writing(self._db):
                self._catch_up()
                replayed = self._replay(route, request, key)
                response = replayed or route.answer(self._call(params, request))
                self._record(request, key, response, executed=replayed is None)
                if route.replays and key and not replayed:
                    self._db.execute(
                        "INSERT INTO replays VALUES (?, ?, ?, ?, ?)",
                        (key, request.path, response.status, response.subject, response.body.decode("ascii")),
                    )
                return response
        except Refusal as refusal:
            with writing(self._db):
                self._record(request, key, refusal.response, executed=False)
            raise

    def _replay(self, route: Route, request: Request, key: str | None) -> Response | None:
        """The original answer to a create with this key, if there was one."""
        if not route.replays or not key:
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
        return Call(self._db, request, params, self._now(), self._seed, self._user)

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

    def _is_something_due(self) -> bool:
        if market.is_changed(self._db):
            return True
        due = rounds.next_due(self._db) if self._speed else None
        return due is not None and due <= self._now()

    def _catch_up(self) -> None:
        """Let the time pass that a running clock says has passed. Needs a write transaction."""
        if self._speed:
            rounds.advance(self._db, self._now(), self._seed)


def _fill(db: sqlite3.Connection, seed: int, now: int) -> None:
    from flowplan.cloud.simulator.seed import fill

    fill(db, seed, now)
