"""Faults on demand: what goes wrong, with which request, how often. `Simulator.faults`.

    faults.add("POST /v2/spot/bids", "timeout", after_commit=True)    the bid is placed, its answer lost
    faults.add("POST /v2/spot/bids", "timeout", late=2)               it is placed two seconds later
    faults.add("GET *", "status", status=503, nth=2, times=3)         calls 2, 3 and 4
    faults.set(list_lag=5, duplicate_names=True, idempotency=False)   until further notice
    faults.third_party("DELETE", "/v2/volumes/vol_x")                 somebody else does it, now
    faults.third_party("DELETE", "/v2/volumes/vol_x", lag=60)         and lists show it a minute later
    faults.preempt("bid_x")                                           the cloud takes its instances back, now

They are kept in the simulator's data, so that a process that opens the same file later meets them too. A kill
between two requests loses none and repeats none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from attrs import asdict

from flowplan.simulator.api.messages import Request, Response, compact
from flowplan.simulator.faults.conditions import CONDITIONS, condition
from flowplan.simulator.faults.fault import Does, Fault, described, is_time, kept_as


class Faulty(Protocol):
    """The simulator, as its faults need it."""

    def exclusive(self) -> AbstractContextManager[sqlite3.Connection]:
        """The database in a transaction that nobody else writes beside."""

    def third_party(self, request: Request, lag_seconds: float) -> Response:
        """Answer a request of another user, which meets no fault. Looks show what it changed `lag_seconds` later."""

    def preempt(self, bid: str, seconds: float) -> None:
        """Take the instances of a bid (its id) back, and keep it out of the auction for `seconds` of virtual time.
        Raises ValueError where it holds none."""

    def end(self, bid: str) -> None:
        """End a bid (its id) for good, as no user. Raises ValueError where it is over already."""


class Seen(NamedTuple):
    """A fault, the calls of its kind that came since it was added, and those of them that it happened to."""

    fault: Fault
    seen: int
    met: int


class Faults:
    """The faults of one simulator. Of several that fit a request the oldest happens, and all count it."""

    def __init__(self, simulator: Faulty) -> None:
        self._simulator = simulator

    def add(self, on: str, does: Does, **given: Any) -> Fault:
        """One more fault. Raises ValueError for what makes no sense."""
        return self.add_described({"on": on, "does": does, **given})

    def add_described(self, given: Mapping[str, Any]) -> Fault:
        """The fault whose members are `given` (as JSON has them). Raises ValueError for what makes no sense."""
        fault = described(given)
        try:
            kept = compact(asdict(fault))
        except TypeError as error:  # ValueError is what compact raises besides
            raise ValueError(str(error)) from None
        with self._simulator.exclusive() as db:
            db.execute("INSERT INTO faults (given) VALUES (?)", (kept,))
        return fault

    def set(
        self,
        *,
        list_lag: float | None = None,
        duplicate_names: bool | None = None,
        idempotency: bool | None = None,
    ) -> None:
        """Conditions that hold until they are set otherwise; None leaves one as it is.

        `list_lag`: what a request changes is listed as it was for another so many seconds (virtual or real): bids,
        instances, volumes, SSH keys. `duplicate_names`: a name may be used twice. `idempotency`: whether a repeated
        Idempotency-Key gives the first answer. Raises ValueError for what makes no sense.
        """
        if list_lag is not None and not is_time(list_lag):
            raise ValueError(f"list_lag must be seconds, not {list_lag!r:.80}")
        for name, switch in (("duplicate_names", duplicate_names), ("idempotency", idempotency)):
            if switch is not None and not isinstance(switch, bool):
                raise ValueError(f"{name} must be true or false, not {switch!r:.80}")
        given = {"list_lag": list_lag, "duplicate_names": duplicate_names, "idempotency": idempotency}
        with self._simulator.exclusive() as db:
            for name, value in given.items():
                if value is not None:
                    db.execute("INSERT OR REPLACE INTO conditions VALUES (?, ?)", (name, float(value)))
            if list_lag == 0:
                db.execute("DELETE FROM stale")

    def conditions(self) -> dict[str, float | bool]:
        """What holds now, as `set` takes it."""
        with self._simulator.exclusive() as db:
            held = {name: condition(db, name) for name in CONDITIONS}
        return {name: value if name == "list_lag" else bool(value) for name, value in held.items()}

    def seen(self) -> list[Seen]:
        """All faults added since the last `clear`, the oldest first."""
        with self._simulator.exclusive() as db:
            rows = db.execute("SELECT given, seen, met FROM faults ORDER BY seq").fetchall()
        return [Seen(kept_as(given), seen, met) for given, seen, met in rows]

    def clear(self) -> None:
        """No more faults; conditions as they were at first. What is late still comes."""
        with self._simulator.exclusive() as db:
            db.execute("DELETE FROM faults")
            db.execute("DELETE FROM conditions")
            db.execute("DELETE FROM stale")

    def third_party(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, lag: float = 0) -> Response:
        """Somebody else of the project (a user of their own) sends a request: executed at once, meeting no fault, in no
        ledger. Looks show what it changes `lag` seconds later, whatever `list_lag` is. Raises ValueError for what is
        no request."""
        if not isinstance(method, str) or not isinstance(path, str) or not is_time(lag):
            raise ValueError("a request has a method and a path, a lag is seconds")
        data = b"" if body is None else compact(body).encode()
        return self._simulator.third_party(Request.to(method, path, body=data), lag)

    def preempt(self, bid: str, *, seconds: float = 600) -> None:
        """The cloud takes the instances of a bid back: five minutes' notice, and for `seconds` of virtual time the bid
        is not in the auction. Raises ValueError when it holds none, and when `seconds` is no time."""
        if not isinstance(bid, str) or not is_time(seconds):
            raise ValueError("give a bid's id, and seconds")
        self._simulator.preempt(bid, seconds)

    def end(self, bid: str) -> None:
        """The cloud ends a bid for good: its history names no user. Raises ValueError where it is over already."""
        self._simulator.end(bid)
