"""The bytes of a request: what is the same in all of them, and what one call puts on it. requests is imported on the
first call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from flowplan import __version__
from flowplan.patterns import regex
from flowplan.printable import shown

if TYPE_CHECKING:
    from requests import PreparedRequest

_KEY = regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)


def encode(body: object) -> bytes:
    """The bytes sent for `body`: sorted, compact JSON, so that equal bodies have equal digests."""
    return json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def segment(text: str) -> str:
    """`text` (an id) as one segment of a path."""
    return quote(text, safe="", errors="surrogateescape")  # an argument need not be text


def template() -> PreparedRequest:
    """What all requests have in common."""
    from requests import PreparedRequest
    from requests.structures import CaseInsensitiveDict

    made = PreparedRequest()
    made.headers = CaseInsensitiveDict(
        {"User-Agent": f"flowplan/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
    )
    return made


def filled(
    template: PreparedRequest, method: str, url: str, query: Mapping[str, object], body: object, key: str | None
) -> PreparedRequest:
    """The request without what changes from attempt to attempt: the credential and the client's request id. Raises
    ValueError for a `key` that is none."""
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError(f"not an idempotency key: {shown(key)}")
    request = template.copy()
    request.method = method
    request.url = url
    asked = {name: value for name, value in query.items() if value is not None}
    if asked:
        request.url += "?" + urlencode(asked, errors="surrogateescape")
    if method in ("GET", "HEAD"):
        request.headers["Cache-Control"] = "no-cache"
    if body is not None:
        request.body = body if isinstance(body, bytes) else encode(body)
        request.headers["Content-Type"] = "application/json"
    if method not in ("GET", "HEAD", "DELETE") or body is not None:
        request.headers["Content-Length"] = str(len(request.body or b""))
    if key is not None:
        request.headers["Idempotency-Key"] = key
    return request
