"""Faults on demand: what goes wrong, with which request, how often. `Simulator.faults`.

    faults.add("POST /v2/spot/bids", "timeout", after_commit=True)    the bid is placed, its answer lost
    faults.add("POST /v2/spot/bids", "timeout", late=2)               it is placed two seconds later
    faults.add("GET *", "status", status=503, nth=2, times=3)         calls 2, 3 and 4
    faults.set(list_lag=5, duplicate_names=True, idempotency=False)   until further notice
    faults.third_party("DELETE", "/v2/volumes/vol_x")                 somebody else does it, now
    faults.preempt("bid_x")                                           the cloud takes its instances back, now

They are kept in the simulator's data, so that a process that opens the same file later meets them too. A kill
between two requests loses none and repeats none.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from attrs import asdict, field, fields, frozen

from flowplan.cloud.simulator.conditions import CONDITIONS, condition
from flowplan.cloud.simulator.lag import due, real_time
from flowplan.cloud.simulator.messages import Refusal, Request, Response, compact, reply
from flowplan.cloud.simulator.routes import ROUTES, find_route
from flowplan.cloud.simulator.store import writing

if TYPE_CHECKING:
    from flowplan.cloud.simulator.simulator import Simulator

Does = Literal[
    "status",  # an answer of this status, with `retry_after`, `headers` and `body` as given
    "timeout",  # no answer
    "reset",  # the connection is closed instead of an answer
    "refused",  # no connection (over a socket: as reset)
    "kill",  # SIGKILL to the client, when it runs the simulator in its own process (over a socket: as reset)
    "truncated",  # the true answer breaks off in the middle
    "garbled",  # the first half of the true answer, as if it were all: no JSON
    "edited",  # the true answer, every object of it with the members of `put` and without those of `drop`
    "slow",  # the true answer after `seconds` of real time
]
_OF_THE_TRUE_ANSWER: Final = ("truncated", "garbled", "edited", "slow")
_NEVER_SENT: Final = ("refused",)


@frozen
class Fault:
    """`does` happens to calls of `on` ("METHOD /path", each may hold `*`; a path also as its template), from the
    `nth` on that is seen after the fault was added, `times` times (None: always).

    The request is not executed unless `after_commit`, or `late` seconds afterwards (of virtual or of real time,
    whichever passes first). Faults of the true answer imply `after_commit`. `seconds`: how long a slow answer takes,
    and how long a timeout holds a real connection open. A `body` is sent `repeat` times in a row.
    """

    on: str
    does: Does
    nth: int = 1
    times: int | None = 1
    after_commit: bool = False
    late: float | None = None
    status: int = 503
    retry_after: int | str | None = None
    headers: Mapping[str, str] = field(factory=dict)
    body: str | None = None
    repeat: int = 1
    put: Mapping[str, Any] = field(factory=dict)
    drop: tuple[str, ...] = field(default=(), converter=tuple)
    seconds: float = 60

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for what could never happen, so that no test waits for it in vain."""
        if self.does not in get_args(Does):
            raise ValueError(f"no such fault: {self.does}; there are: {', '.join(get_args(Does))}")
        if not any(self._may_concern(route.method, route.template) for route in ROUTES):
            raise ValueError(f"no request is like {self.on!r}")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")
        if self.does in _NEVER_SENT and (self.after_commit or self.late is not None):
            raise ValueError(f"a request that is {self.does} is never executed")
        if self.does in _OF_THE_TRUE_ANSWER and self.late is not None:
            raise ValueError(f"{self.does} needs the answer, which comes at once")

    def concerns(self, method: str, template: str, path: str) -> bool:
        """Whether a request is one of those that are counted."""
        wanted, _, pattern = self.on.partition(" ")
        return fnmatchcase(method, wanted) and (pattern == template or fnmatchcase(path, pattern))

    def _may_concern(self, method: str, template: str) -> bool:
        """Whether `on` is, or may be, of this route."""
        path = self.on.partition(" ")[2]
        parts, given = template.split("/"), path.split("/")
        named = len(parts) == len(given) and all(a == b or a[:1] == "{" for a, b in zip(parts, given, strict=True))
        return self.concerns(method, template, path if named else template)

    @property
    def executes(self) -> bool:
        return self.after_commit or self.does in _OF_THE_TRUE_ANSWER

    def spoil(self, true: Response | None) -> Response:
        """What the client gets; `true`: the answer, when the request was executed."""
        if self.does == "status":
            return self._answer()
        response = true or reply(503, {"detail": "not executed"})
        if self.does in ("garbled", "edited"):
            response.body = self._edited(response.body) if self.does == "edited" else _half(response.body)
        elif self.does == "slow":
            response.delay = self.seconds
        else:
            response.broken, response.delay = self.does, self.seconds  # type: ignore[assignment]
        return response

    def _answer(self) -> Response:
        body = compact({"detail": f"Simulated {self.status}"}) if self.body is None else self.body
        response = Response(self.status, {"content-type": "application/json"}, body.encode() * self.repeat)
        if self.retry_after is not None:
            response.headers["retry-after"] = str(self.retry_after)
        response.headers.update({name.lower(): value for name, value in self.headers.items()})
        return response

    def _edited(self, body: bytes) -> bytes:
        if not body:
            return body
        whole = json.loads(body)
        rows = whole if isinstance(whole, list) else whole.get("data", whole)
        for row in rows if isinstance(rows, list) else [rows]:
            row.update(self.put)
            for name in self.drop:
                row.pop(name, None)
        return compact(whole).encode("ascii")


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2] or b"{"


class Seen(NamedTuple):
    """A fault, the calls of its kind that came since it was added, and those of them that it happened to."""

    fault: Fault
    seen: int
    met: int


class Faults:
    """The faults of one simulator. Of several that fit a request the oldest happens, and all count it."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def add(self, on: str, does: Does, **given: Any) -> Fault:
        """One more fault. Raises ValueError for what makes no sense."""
        return self.add_described({"on": on, "does": does, **given})

    def add_described(self, given: Mapping[str, Any]) -> Fault:
        """The fault whose members are `given` (as JSON has them). Raises ValueError for what makes no sense."""
        fault = _described(given)
        with self._simulator.exclusive() as db:
            db.execute("INSERT INTO faults (given) VALUES (?)", (compact(asdict(fault)),))
        return fault

    def set(
        self,
        *,
        list_lag: float | None = None,
        duplicate_names: bool | None = None,
        idempotency: bool | None = None,
    ) -> None:
        """Conditions that hold until they are set otherwise; None leaves one as it is.

        `list_lag`: bids and volumes are listed as they were so many seconds (virtual or real) ago. `duplicate_names`:
        a name may be used twice. `idempotency`: whether a repeated Idempotency-Key gives the first answer.
        """
        given = {"list_lag": list_lag, "duplicate_names": duplicate_names, "idempotency": idempotency}
        with self._simulator.exclusive() as db:
            for name, value in given.items():
                if value is not None:
                    db.execute("INSERT OR REPLACE INTO conditions VALUES (?, ?)", (name, float(value)))

    def conditions(self) -> dict[str, float]:
        with self._simulator.exclusive() as db:
            return {name: condition(db, name) for name in CONDITIONS}

    def seen(self) -> list[Seen]:
        """All faults added since the last `clear`, the oldest first."""
        with self._simulator.exclusive() as db:
            rows = db.execute("SELECT given, seen, met FROM faults ORDER BY seq").fetchall()
        return [Seen(_read(given), seen, met) for given, seen, met in rows]

    def clear(self) -> None:
        """No more faults; conditions as they were at first. What is late still comes."""
        with self._simulator.exclusive() as db:
            db.execute("DELETE FROM faults")
            db.execute("DELETE FROM conditions")
            db.execute("DELETE FROM stale")

    def third_party(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        """Somebody else of the project sends a request: executed at once, meeting no fault, in no ledger."""
        data = b"" if body is None else compact(body).encode()
        return self._simulator.third_party(Request.to(method, path, body=data))

    def preempt(self, bid: str, *, seconds: float = 600) -> None:
        """The cloud takes the instances of a bid back: five minutes' notice, and for `seconds` of virtual time the bid
        is not in the auction. Raises ValueError when it holds none."""
        self._simulator.preempt(bid, seconds)


# --- what a request meets --------------------------------------------------------------------------------------


def meet(db: sqlite3.Connection, request: Request) -> Fault | None:
    """Count the request, and tell what happens to it. Durable before anything else happens."""
    rows = db.execute("SELECT seq, given, seen FROM faults WHERE spent = 0 ORDER BY seq").fetchall()
    found = [(seq, fault, seen + 1) for seq, fault, seen in _concerned(rows, request)]
    if not found:
        return None
    happens = next((seq for seq, fault, seen in found if seen >= fault.nth), None)
    with writing(db):
        for seq, fault, seen in found:
            db.execute("UPDATE faults SET seen = ?, met = met + ? WHERE seq = ?", (seen, seq == happens, seq))
            db.execute("UPDATE faults SET spent = 1 WHERE seq = ? AND met >= ?", (seq, fault.times or 1 << 60))
    return next((fault for seq, fault, _ in found if seq == happens), None)


def _concerned(rows: list[tuple[int, str, int]], request: Request) -> Iterator[tuple[int, Fault, int]]:
    try:
        template = find_route(request.method, request.path)[0].template
    except Refusal:
        template = ""
    for seq, given, seen in rows:
        fault = _read(given)
        if fault.concerns(request.method, template, request.path):
            yield seq, fault, seen


@lru_cache(maxsize=256)
def _read(given: str) -> Fault:
    return Fault(**json.loads(given))


def _described(given: Mapping[str, Any]) -> Fault:
    known = {one.name for one in fields(Fault)}
    if strange := sorted(set(given) - known):
        raise ValueError(f"unknown: {', '.join(strange)}")
    try:
        return Fault(**given)
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


# --- late ------------------------------------------------------------------------------------------------------


def postpone(db: sqlite3.Connection, request: Request, now: int, seconds: float) -> None:
    """Keep a request (without its credentials) until its time comes."""
    headers = {name: value for name, value in request.headers.items() if name == "idempotency-key"}
    kept = [request.method, request.path, dict(request.query), headers, request.body.decode("utf-8", "replace")]
    with writing(db):
        db.execute("INSERT INTO late (request, due_at, real_at) VALUES (?, ?, ?)", (compact(kept), *due(now, seconds)))


def take_late(db: sqlite3.Connection, now: int) -> Request | None:
    """The first late request whose time has come; it is late no more."""
    row = db.execute(
        "DELETE FROM late WHERE seq = (SELECT seq FROM late WHERE due_at <= ? OR real_at <= ? ORDER BY seq LIMIT 1)"
        " RETURNING request",
        (now, real_time()),
    ).fetchone()
    if row is None:
        return None
    method, path, query, headers, body = json.loads(row[0])
    return Request(method, path, query, headers, body.encode())
