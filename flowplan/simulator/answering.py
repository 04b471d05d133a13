"""How one request is answered, without the faults it may meet: who asks, what it does, and what is kept of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from flowplan.simulator.api.messages import Call, Refusal, Request, Response, reply_text
from flowplan.simulator.api.projects import login_token, user_fid
from flowplan.simulator.api.routes import Route, find_route
from flowplan.simulator.faults.conditions import condition
from flowplan.simulator.store import reading, writing
from flowplan.simulator.timekeeping import Passage


class Answering:
    """The API over `db`, at the time that `time` keeps. `api_key`: the one good key; None: any `fkey_...` is good. The
    caller holds the simulator's lock."""

    def __init__(self, db: sqlite3.Connection, time: Passage, api_key: str | None) -> None:
        self._db = db
        self._time = time
        self._api_key = api_key

    def answer_or_refuse(self, request: Request, *, trusted: bool = False) -> Response:
        """The true answer. `trusted`: without a look at the credentials."""
        try:
            route, params = find_route(request.method, request.path)
            if not route.public and not trusted:
                self._authorise(request)
            return self._answer(route, params, request)
        except Refusal as refusal:
            return refusal.response

    def of_a_third_party(self, request: Request, lag_seconds: float) -> Response:
        """Execute a request of somebody else in the project: no ledger. Looks show what it changes `lag_seconds`
        later."""
        try:
            route, params = find_route(request.method, request.path)
            with writing(self._db):
                return self._execute(route, self._call(params, request, user=2), lag_seconds)
        except Refusal as refusal:
            return refusal.response

    def lost(self, request: Request, status: int) -> None:
        """Enter a mutating request that was lost on its way in the ledger. `status`: of what the client got, or 0."""
        with writing(self._db):
            self._record(request, request.headers.get("idempotency-key"), Response(status, {}, b""), executed=False)

    def _authorise(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refusal(401, "Not authenticated", {"www-authenticate": "Bearer"})
        secret = key.strip()
        good = secret in (self._api_key, login_token(self._time.seed)) if self._api_key else secret.startswith("fkey_")
        if self._db.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone():
            from flowplan.simulator.api.api_keys import is_good

            made_here = is_good(self._db, secret, self._time.now())
            good = good if made_here is None else made_here
        if not good:
            raise Refusal(401, "Invalid API key", {"www-authenticate": "Bearer"})

    def _answer(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        if route.mutates:
            return self._change(route, params, request)
        if self._time.is_something_due():
            self._time.catch_up()
        if route.lags and self._db.execute("SELECT 1 FROM stale LIMIT 1").fetchone():
            from flowplan.simulator.faults.lag import as_it_was

            with as_it_was(self._db, self._time.now()):
                return route.answer(self._call(params, request))
        with reading(self._db):
            return route.answer(self._call(params, request))

    def _change(self, route: Route, params: Mapping[str, str], request: Request) -> Response:
        """One transaction: what the request does, its ledger entry, and its answer for the case it comes again."""
        key = request.headers.get("idempotency-key") or None
        self._time.catch_up()
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
            self._time.settle(call.now, call.seed)
            return response
        from flowplan.simulator.faults import lag

        before = lag.rows_of(self._db, next(iter(call.params.values()), ""))
        response = route.answer(call)
        self._time.settle(call.now, call.seed)
        lag.remember(self._db, response.subject or "", before, call.now, lag_seconds)
        return response

    def _replay(self, route: Route, request: Request, key: str | None) -> Response | None:
        """The original answer to a create with this key, if there was one."""
        if not route.replays or not key:
            return None
        row = self._db.execute(
            "SELECT status, subject, body FROM replays WHERE key = ? AND path = ?", (key, request.path)
        ).fetchone()
        if row is None or not condition(self._db, "idempotency"):
            return None
        return reply_text(row[0], row[2], row[1])

    def _record(self, request: Request, key: str | None, response: Response, *, executed: bool) -> None:
        self._db.execute(
            "INSERT INTO ledger (at, method, path, key, status, subject, executed) "
            "SELECT now, ?, ?, ?, ?, ?, ? FROM clock",
            (request.method, request.path, key, response.status, response.subject, executed),
        )

    def _call(self, params: Mapping[str, str], request: Request, user: int = 1) -> Call:
        """Time is the stored time: what a running clock has on top of it has nothing due in it."""
        now, seed = self._db.execute("SELECT now, seed FROM clock").fetchone()
        return Call(self._db, request, params, now, seed, user_fid(seed, user))
