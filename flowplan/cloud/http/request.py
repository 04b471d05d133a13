"""The bytes of a request: what is the same in all of them, and what one call puts on it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from attrs import field

from flowplan import __version__
from flowplan.classes import define
from flowplan.patterns import regex
from flowplan.printable import shown

_KEY = regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)


def encode(body: object) -> bytes:
    """The bytes sent for `body`: sorted, compact JSON, so that equal bodies have equal digests."""
    return json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def segment(text: str) -> str:
    """`text` (an id) as one segment of a path."""
    return quote(text, safe="", errors="surrogateescape")  # an argument need not be text


@define
class Outgoing:
    """One request: the whole URL, the headers as they are sent, and the bytes of the body; None: it has none. Its text
    shows neither: the headers hold the credential, and a startup script may hold others."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def copy(self) -> Outgoing:
        """Another one that is equal, with headers of its own."""
        return Outgoing(self.method, self.url, dict(self.headers), self.body)


def outgoing(method: str, url: str, query: Mapping[str, object], body: object, key: str | None) -> Outgoing:
    """The request without what changes from attempt to attempt: the credential and the client's request id. Raises
    ValueError for a `key` that is none."""
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError(f"not an idempotency key: {shown(key)}")
    headers = {"User-Agent": f"flowplan/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
    request = Outgoing(method, url, headers)
    asked = {name: value for name, value in query.items() if value is not None}
    if asked:
        request.url += "?" + urlencode(asked, errors="surrogateescape")
    if method in ("GET", "HEAD"):
        headers["Cache-Control"] = "no-cache"
    if body is not None:
        request.body = body if isinstance(body, bytes) else encode(body)
        headers["Content-Type"] = "application/json"
    if method not in ("GET", "HEAD", "DELETE") or body is not None:
        headers["Content-Length"] = str(len(request.body or b""))
    if key is not None:
        headers["Idempotency-Key"] = key
    return request
