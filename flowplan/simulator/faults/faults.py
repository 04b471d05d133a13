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

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from attrs import asdict, field, fields, frozen

from flowplan.simulator.api.messages import Broken, Refusal, Request, Response, compact, reply
from flowplan.simulator.api.routes import ROUTES, find_route
from flowplan.simulator.faults.conditions import CONDITIONS, condition
from flowplan.simulator.faults.lag import due, real_time
from flowplan.simulator.store import writing

if TYPE_CHECKING:
    from flowplan.simulator.simulator import Simulator

Does = Literal[
    "status",  # an answer of this status, with `retry_after`, `headers` and `body` as given
    "timeout",  # no answer
    "reset",  # the connection is reset instead of an answer
    "refused",  # no connection (over a socket: as reset)
    "kill",  # SIGKILL to the client, when it runs the simulator in its own process (over a socket: as reset)
    "truncated",  # the true answer breaks off in the middle; one without a body before it begins (as reset)
    "garbled",  # the first half of the true answer, as if it were all: no JSON; one without a body is as it is
    "edited",  # the true answer, every object listed in it (else itself) with the members of `put`, without `drop`
    "slow",  # the true answer after `seconds` of real time
]
_OF_THE_TRUE_ANSWER: Final = ("truncated", "garbled", "edited", "slow")
_NEVER_SENT: Final = ("refused",)
_OF_A_BODY: Final = ("garbled", "edited")
_LISTS: Final = ("data", "series", "instances", "events")  # members with an answer's objects
_LONGEST_BODY: Final = 1 << 28
_MOST: Final = 1 << 30  # of what is counted
_LONGEST: Final = 10 * 366 * 86400  # seconds; anything finite would do


def _names(given: Any) -> tuple[str, ...]:
    """`given` as a tuple; a text alone is left for the check of types to refuse, not taken apart."""
    return given if isinstance(given, str) else tuple(given)  # type: ignore[return-value]


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
    drop: tuple[str, ...] = field(default=(), converter=_names)
    seconds: float = 60

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for what could never happen, so that no test waits for it in vain."""
        self._check_types()
        if self.does not in get_args(Does):
            raise ValueError(f"no such fault: {self.does}; there are: {', '.join(get_args(Does))}")
        concerned = [route for route in ROUTES if self._may_concern(route.method, route.template)]
        if not concerned:
            raise ValueError(f"no request is like {self.on!r}")
        if self.does in _OF_A_BODY and all(route.method == "DELETE" for route in concerned):
            raise ValueError(f"the answer to {self.on} has no body that could be {self.does}")
        if self.does == "edited" and not self.put and not self.drop:
            raise ValueError("nothing to edit: give put or drop")
        if self.after_commit and self.late is not None:
            raise ValueError("after_commit is at once, late is later")
        if self.does in _NEVER_SENT and (self.after_commit or self.late is not None):
            raise ValueError(f"a request that is {self.does} is never executed")
        if self.does in _OF_THE_TRUE_ANSWER and self.late is not None:
            raise ValueError(f"{self.does} needs the answer, which comes at once")

    def _check_types(self) -> None:
        for name, fits, what in _MEMBERS:
            if not fits(getattr(self, name)):
                raise ValueError(f"{name} must be {what}, not {getattr(self, name)!r:.80}")
        if len(self.body or "") * self.repeat > _LONGEST_BODY:
            raise ValueError(f"a body of more than {_LONGEST_BODY} characters")

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
        elif self.does in ("slow", "timeout"):  # no other takes its time
            response.delay = self.seconds
        if self.does == "truncated" and not response.body:
            response.broken = "reset"
        elif self.does in get_args(Broken):
            response.broken = self.does  # type: ignore[assignment]
        return response

    def _answer(self) -> Response:
        bodiless = self.status in (204, 304)
        default = "" if bodiless else compact({"detail": f"Simulated {self.status}"})
        body = default if self.body is None else self.body
        response = Response(self.status, {"content-type": "application/json"}, body.encode() * self.repeat)
        if self.retry_after is not None:
            response.headers["retry-after"] = str(self.retry_after)
        response.headers.update({name.lower(): value for name, value in self.headers.items()})
        return response

    def _edited(self, body: bytes) -> bytes:
        if not body:
            return body
        whole = json.loads(body)
        for row in list(_objects(whole)):
            row.update(self.put)
            for name in self.drop:
                row.pop(name, None)
        return compact(whole).encode("ascii")


def _half(body: bytes) -> bytes:
    return body[: (len(body) + 1) // 2]


def _objects(value: Any, *, outermost: bool = True) -> Iterator[dict[str, Any]]:
    """The objects of an answer, also those listed in one another. What lists them all is none of them."""
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, outermost=False)
    elif isinstance(value, dict):
        # An object of its own (a bid has `instances` too, which are ids) has an id.
        lists = [] if "fid" in value else [value[name] for name in _LISTS if isinstance(value.get(name), list)]
        for rows in lists:
            yield from _objects(rows, outermost=False)
        if not (lists and outermost):
            yield value


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_number(value, 1, _MOST)


def _is_time(value: object) -> bool:
    return _is_number(value, 0, _LONGEST)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


# (member, whether a value fits, what would)
_MEMBERS: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("on", _is_text, 'like "GET /v2/me"'),
    ("nth", _is_count, "a number from 1 on"),
    ("times", lambda value: value is None or _is_count(value), "a number from 1 on, or None"),
    ("after_commit", lambda value: isinstance(value, bool), "true or false"),
    ("late", lambda value: value is None or _is_time(value), "seconds"),
    ("status", lambda value: isinstance(value, int) and _is_number(value, 200, 599), "from 200 to 599"),
    (
        "retry_after",
        lambda value: value is None or _is_header(value) or (isinstance(value, int) and _is_time(value)),
        "seconds or a date",
    ),
    (
        "headers",
        lambda value: isinstance(value, Mapping) and all(map(_is_header, (*value, *value.values()))),
        "names and values",
    ),
    ("body", lambda value: value is None or _is_text(value), "text"),
    ("repeat", _is_count, "a number from 1 on"),
    ("put", lambda value: isinstance(value, Mapping) and all(map(_is_text, value)), "names and values"),
    ("drop", lambda value: isinstance(value, tuple) and all(map(_is_text, value)), "names"),
    ("seconds", _is_time, "seconds"),
)


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
        if list_lag is not None and not _is_time(list_lag):
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
        return [Seen(_read(given), seen, met) for given, seen, met in rows]

    def clear(self) -> None:
        """No more faults; conditions as they were at first. What is late still comes."""
        with self._simulator.exclusive() as db:
            db.execute("DELETE FROM faults")
            db.execute("DELETE FROM conditions")
            db.execute("DELETE FROM stale")

    def third_party(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, lag: float = 0) -> Response:
        """Somebody else of the project (a user of their own) sends a request: executed at once, meeting no fault, in no
        ledger. Lists show what it changes `lag` seconds later, whatever `list_lag` is. Raises ValueError for what is
        no request."""
        if not isinstance(method, str) or not isinstance(path, str) or not _is_time(lag):
            raise ValueError("a request has a method and a path, a lag is seconds")
        data = b"" if body is None else compact(body).encode()
        return self._simulator.third_party(Request.to(method, path, body=data), lag)

    def preempt(self, bid: str, *, seconds: float = 600) -> None:
        """The cloud takes the instances of a bid back: five minutes' notice, and for `seconds` of virtual time the bid
        is not in the auction. Raises ValueError when it holds none, and when `seconds` is no time."""
        if not isinstance(bid, str) or not _is_time(seconds):
            raise ValueError("give a bid's id, and seconds")
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
