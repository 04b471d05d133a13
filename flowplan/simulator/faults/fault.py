"""One fault on demand: which requests it happens to, and what the client gets instead of the true answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from attrs import field, fields

from flowplan.classes import frozen
from flowplan.simulator.api.messages import Broken, Response, compact, reply
from flowplan.simulator.api.routes import ROUTES

Does = Literal[
    "status",  # an answer of this status, with `retry_after`, `headers` and `body` as given
    "timeout",  # no answer
    "reset",  # the connection is reset instead of an answer
    "refused",  # no connection (over a socket: as reset)
    "kill",  # SIGKILL to the client, when it runs the simulator in its own process (over a socket: as reset)
    "truncated",  # the true answer breaks off in the middle; one without a body before it begins (as reset)
    "garbled",  # the first half of the true answer, as if it were all: no JSON; one without a body is as it is
    "edited",  # the true answer with `headers`, every object listed in it (else itself) with `put`, without `drop`
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
        if self.does == "edited" and not (self.put or self.drop or self.headers):
            raise ValueError("nothing to edit: give put, drop or headers")
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
        """Whether the request is carried out, whatever the client is told."""
        return self.after_commit or self.does in _OF_THE_TRUE_ANSWER

    def spoil(self, true: Response | None) -> Response:
        """What the client gets; `true`: the answer, when the request was executed."""
        if self.does == "status":
            return self._answer()
        response = true or reply(503, {"detail": "not executed"})
        if self.does in ("garbled", "edited"):
            response.body = self._edited(response.body) if self.does == "edited" else _half(response.body)
            response.headers.update(self._given_headers())
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
        response.headers.update(self._given_headers())
        return response

    def _given_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

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


def is_time(value: object) -> bool:
    """Whether `value` is a number of seconds that something may take: from 0 to the longest that is allowed."""
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
    ("late", lambda value: value is None or is_time(value), "seconds"),
    ("status", lambda value: isinstance(value, int) and _is_number(value, 200, 599), "from 200 to 599"),
    (
        "retry_after",
        lambda value: value is None or _is_header(value) or (isinstance(value, int) and is_time(value)),
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
    ("seconds", is_time, "seconds"),
)


def described(given: Mapping[str, Any]) -> Fault:
    """The fault whose members are `given`. Raises ValueError for what makes no sense."""
    known = {one.name for one in fields(Fault)}
    if strange := sorted(set(given) - known):
        raise ValueError(f"unknown: {', '.join(strange)}")
    try:
        return Fault(**given)
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


@lru_cache(maxsize=256)
def kept_as(given: str) -> Fault:
    """The fault that the data keep as the JSON `given`."""
    return Fault(**json.loads(given))
