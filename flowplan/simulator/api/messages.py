"""What goes in and out of the simulator: `Request`, `Response`, and `Refusal` for every answer that is a refusal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import field

from flowplan.classes import define, frozen

SIMULATOR_URL = "https://simulator.invalid"  # where clients in the same process find it
Query = Mapping[str, list[str]]
Broken = Literal["reset", "timeout", "truncated", "refused", "kill"]


@frozen
class Request:
    """One HTTP request. `path` is decoded and without the query; the names of `headers` are in lower case; `origin` is
    the URL that was asked, up to the path."""

    method: str
    path: str
    query: Query = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    origin: str = SIMULATOR_URL

    @classmethod
    def to(cls, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Request:
        """The request to `url` (absolute, or a path with a query)."""
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True) if parts.query else {}
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else SIMULATOR_URL
        return cls(method.upper(), unquote(parts.path, errors="replace"), query, lowered, body, origin)


@define
class Response:
    """One HTTP response. `subject` is the id of what was created or changed (for the ledger).

    `broken` asks the transport to lose or cut the answer, `delay` to send it so many seconds later (of a timeout: to
    hold the connection so long): the fault injection's way to a network error.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    subject: str | None = None
    broken: Broken | None = None
    delay: float = 0

    @property
    def json(self) -> Any:
        """The body as a JSON value. Raises ValueError for one that is none."""
        return json.loads(self.body)


class Call(NamedTuple):
    """What a handler gets: the request, its path parameters, the database in a transaction, and the time.

    `now` is virtual time in milliseconds since 1970 UTC; `user` the fid of whose key it is.
    """

    db: sqlite3.Connection
    request: Request
    params: Mapping[str, str]
    now: int
    seed: int
    user: str


class Refusal(Exception):
    """The request is refused with `status` and `{"detail": detail}`; nothing it did is kept."""

    def __init__(self, status: int, detail: str | list[dict[str, Any]], headers: Mapping[str, str] | None = None):
        super().__init__(status, detail)
        self.response = reply(status, {"detail": detail})
        self.response.headers.update(headers or {})


def reply(status: int, value: Any, subject: str | None = None) -> Response:
    """An answer with `value` as JSON."""
    return reply_text(status, compact(value), subject)


def reply_text(status: int, text: str, subject: str | None = None) -> Response:
    """An answer whose JSON is already written. It is ASCII, as `compact` makes it."""
    return Response(status, {"content-type": "application/json"}, text.encode("ascii"), subject)


def no_content(subject: str | None = None) -> Response:
    """204; `subject` is the id that the ledger names."""
    return Response(204, {}, b"", subject)


def compact(value: Any) -> str:
    """`value` as JSON without spaces, in ASCII. Raises ValueError for what JSON cannot hold (NaN, infinity)."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
