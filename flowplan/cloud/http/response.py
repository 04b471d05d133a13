"""What one attempt brought, whichever way it came: a status, headers, and a body that is unpacked and not too large.

Nothing here decides what a reply means for the call: that is `meaning`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import urlsplit

from attrs import field

from flowplan.classes import frozen
from flowplan.patterns import regex

RESPONSE_CAP = 64 * 1024 * 1024  # bytes, on the wire and unpacked
VALUES_CAP = 5_000_000  # JSON values: a list of nothing but [] takes thirty times its bytes in memory
MEMBERS_CAP = 1_000  # of one gzip body

# What may be wrong with a reply: its `fault`.
UNREACHABLE, TLS, LOST, TOO_BIG, GARBLED = "unreachable", "TLS failure", "lost", "too big", "garbled"


@frozen(eq=False)
class Reply:
    """What one attempt brought. `status` is None without an answer; `headers` finds names in lower case; `fault` says
    what is wrong with its body, or why there is none, and `why` says it in words. `sent`: the request may have reached
    the server. Its text shows neither headers nor body: the answer to a login holds a token."""

    status: int | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    request_id: str
    fault: str | None = None
    why: str = ""
    sent: bool = True

    @property
    def leaves_open(self) -> bool:
        """Whether the request may have been executed, or not, as far as the status says: there is none, or that of a
        server in trouble, of one that is not done yet (1xx), 408, and 303, which says that the result is elsewhere."""
        if self.status is None:
            return self.sent
        return self.status in (303, 408) or not 200 <= self.status < 500

    @property
    def sent_on_to(self) -> str | None:
        """The host that a redirect names, in words if it names none; None: it is the same host."""
        try:
            return urlsplit(self.headers.get("location", "")).hostname
        except ValueError:
            return "an invalid address"

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks to wait, or None. A date counts from the server's own clock."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), 1e9)
        when = http_date(text)
        now = http_date(self.headers.get("date")) or datetime.now(UTC)
        return None if when is None or when <= now else (when - now).total_seconds()


class Unreadable(Exception):
    """Why there is no body to go by; `fault` is the reply's."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def received(status: int, headers: Mapping[str, str], chunks: Iterable[bytes], own_id: str) -> Reply:
    """An answer whose body comes in `chunks`, packed as the headers say, which raise Unreadable where the rest of it is
    lost. `own_id` is the id of a request whose answer has none."""
    body, fault, why = b"", None, ""
    try:
        body = _content(headers.get("content-encoding", ""), chunks)
    except Unreadable as error:
        fault, why = error.fault, str(error)
    request_id = headers.get("x-request-id") or headers.get("x-correlation-id") or own_id
    return Reply(status, headers, body, request_id, fault, why)


# The one form in which servers may send a date (RFC 9110, 5.6.7), and all do. The others are read by
# `email`, whose import is a fiftieth of a small plan.
_FIXDATE = regex(
    r"[A-Z][a-z]{2}, (?P<day>\d\d) (?P<month>[A-Z][a-z]{2}) (?P<year>[1-9]\d{3})"
    r" (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) GMT",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(text: str | None) -> datetime | None:
    """The moment that a header like `Date` names, in UTC; None if it names none."""
    found = _FIXDATE.fullmatch(text or "")
    if found is not None:
        with suppress(ValueError):  # of a day or an hour that there is not
            month = _MONTHS.index(found["month"]) + 1
            day, year, hour, minute, second = map(int, found.group("day", "year", "hour", "minute", "second"))
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(text or "")
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # a zone may lead out of all years
        return None


# -- the body --------------------------------------------------------------------------------------------------------


def _content(encoding: str, chunks: Iterable[bytes]) -> bytes:
    """The body, unpacked. Raises Unreadable."""
    unpack = _unpacker(encoding)
    unpacked, size = bytearray(), 0
    for chunk in chunks:
        size += len(chunk)
        unpacked += unpack(chunk)
        _check_size(max(size, len(unpacked)))
    return _few_values(bytes(unpacked))


def _few_values(body: bytes) -> bytes:
    """`body`, unless as JSON it may hold more than VALUES_CAP values."""
    if len(body) > VALUES_CAP and sum(map(body.count, (b",", b"[", b"{"))) > VALUES_CAP:
        raise Unreadable(TOO_BIG, f"it has more than {VALUES_CAP:,} values")
    return body


def _check_size(size: int) -> None:
    if size > RESPONSE_CAP:
        raise Unreadable(TOO_BIG, f"it is larger than {RESPONSE_CAP // 1024**2} MB")


def _unpacker(encoding: str) -> Callable[[bytes], bytes]:
    """Undoes `encoding`, chunk by chunk. Never gives more than a byte over the cap; an early end shows in the JSON."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda chunk: chunk
    if encoding not in ("gzip", "x-gzip"):
        return _refuse_encoding
    return _Gunzip()


class _Gunzip:
    """Undoes gzip, chunk by chunk: also of several members, one behind the other, which together are one body."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._members = 1

    def __call__(self, chunk: bytes) -> bytes:
        unpacked, chunk = b"", self._rest(chunk)
        try:
            while chunk and len(unpacked) <= RESPONSE_CAP:
                if self._inflate.eof:
                    self._next()
                unpacked += self._inflate.decompress(chunk, RESPONSE_CAP + 1 - len(unpacked))
                chunk = self._rest(self._inflate.unused_data)
        except zlib.error:
            raise Unreadable(GARBLED, "its gzip data are damaged") from None
        return unpacked

    def _rest(self, data: bytes) -> bytes:
        """`data` without the padding that may stand between members and behind the last."""
        return data.lstrip(b"\0") if self._inflate.eof else data

    def _next(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._members += 1
        if self._members > MEMBERS_CAP:
            raise Unreadable(TOO_BIG, f"it has more than {MEMBERS_CAP} gzip members")


def _refuse_encoding(chunk: bytes) -> NoReturn:
    raise Unreadable(GARBLED, "it has an encoding that was not asked for")
