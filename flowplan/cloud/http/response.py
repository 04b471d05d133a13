"""What one attempt brought: the reply as it is read from the connection, or what the failure of the network proves.

Nothing here decides what a reply means for the call: that is `meaning`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from flowplan.classes import frozen

if TYPE_CHECKING:
    from requests import Response

RESPONSE_CAP = 64 * 1024 * 1024  # bytes, on the wire and unpacked
VALUES_CAP = 5_000_000  # JSON values: a list of nothing but [] takes thirty times its bytes in memory
MEMBERS_CAP = 1_000  # of one gzip body

# What may be wrong with a reply: its `fault`.
UNREACHABLE, TLS, LOST, TOO_BIG, GARBLED = "unreachable", "TLS failure", "lost", "too big", "garbled"


@frozen(eq=False)
class Reply:
    """What one attempt brought. `status` is None without an answer; `headers` finds names in lower case; `fault` says
    what is wrong with its body, or why there is none, and `why` says it in words. `sent`: the request may have reached
    the server."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    fault: str | None = None
    why: str = ""
    sent: bool = True

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks to wait, or None. A date counts from the server's own clock."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), 1e9)
        when = http_date(text)
        now = http_date(self.headers.get("date")) or datetime.now(UTC)
        return None if when is None or when <= now else (when - now).total_seconds()


def answered(response: Response, own_id: str) -> Reply:
    """`response`, read to its end or to the deadline of the attempt (`deadline.within`), and closed."""
    from urllib3.exceptions import HTTPError

    headers = response.headers
    body, fault, why = b"", None, ""
    try:
        body = _content(response)
    except _Unreadable as error:
        fault, why = error.fault, str(error)
    except (OSError, HTTPError) as error:
        fault, why = LOST, _reason(error)
    finally:
        # A body read to its end has given the connection back already; any other connection is not reusable.
        response.close()
    request_id = headers.get("X-Request-Id") or headers.get("X-Correlation-Id") or own_id
    return Reply(response.status_code, headers, body, request_id, fault, why)


def unanswered(error: BaseException, request_id: str) -> Reply:
    """What the failure of an attempt proves: `sent` is False only if no byte of the request can have left."""
    import ssl

    import requests
    import urllib3.exceptions as lower

    causes = list(_causes(error))
    never_connected = (
        lower.NewConnectionError,
        lower.ConnectTimeoutError,
        lower.ProxyError,
        requests.exceptions.ConnectTimeout,
        requests.exceptions.ProxyError,
    )
    unsent = any(isinstance(cause, never_connected) or _while_connecting(cause) for cause in causes)
    broken_tls = (ssl.SSLError, lower.SSLError, requests.exceptions.SSLError)
    fault = UNREACHABLE if unsent else LOST
    if any(isinstance(cause, broken_tls) for cause in causes):
        fault = TLS
    return Reply(None, {}, b"", request_id, fault, _reason(error), sent=not unsent)


def http_date(text: str | None) -> datetime | None:
    """The moment that a header like `Date` names, in UTC; None if it names none."""
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(text or "")
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # a zone may lead out of all years
        return None


# -- the body --------------------------------------------------------------------------------------------------------


class _Unreadable(Exception):
    """Why there is no body to go by; `fault` is the reply's."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def _content(response: Response) -> bytes:
    """The body, unpacked. Raises _Unreadable, or what the socket raised."""
    if response.raw is None:  # an adapter in this process, whose body is there already
        body = response.content or b""
        _check_size(len(body))
        return _few_values(body)
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    unpacked, received = bytearray(), 0
    while chunk := response.raw.read1(65536, decode_content=False):
        received += len(chunk)
        unpacked += unpack(chunk)
        _check_size(max(received, len(unpacked)))
    return _few_values(bytes(unpacked))


def _few_values(body: bytes) -> bytes:
    """`body`, unless as JSON it may hold more than VALUES_CAP values."""
    if len(body) > VALUES_CAP and sum(map(body.count, (b",", b"[", b"{"))) > VALUES_CAP:
        raise _Unreadable(TOO_BIG, f"it has more than {VALUES_CAP:,} values")
    return body


def _check_size(size: int) -> None:
    if size > RESPONSE_CAP:
        raise _Unreadable(TOO_BIG, f"it is larger than {RESPONSE_CAP // 1024**2} MB")


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
            raise _Unreadable(GARBLED, "its gzip data are damaged") from None
        return unpacked

    def _rest(self, data: bytes) -> bytes:
        """`data` without the padding that may stand between members and behind the last."""
        return data.lstrip(b"\0") if self._inflate.eof else data

    def _next(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._members += 1
        if self._members > MEMBERS_CAP:
            raise _Unreadable(TOO_BIG, f"it has more than {MEMBERS_CAP} gzip members")


def _refuse_encoding(chunk: bytes) -> NoReturn:
    raise _Unreadable(GARBLED, "it has an encoding that was not asked for")


# -- failures of the network -----------------------------------------------------------------------------------------


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it wraps, outermost first (requests and urllib3 nest in three different ways)."""
    seen: set[int] = set()
    inner: object = error
    while isinstance(inner, BaseException) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [getattr(inner, "reason", None), inner.__cause__, *inner.args]
        inner = next((item for item in wrapped if isinstance(item, BaseException)), None)


def _while_connecting(error: BaseException) -> bool:
    """Whether `error` was raised inside urllib3's `connect`, TLS and the proxy's CONNECT included.

    The request is written after that. Types do not tell: a handshake that times out or is reset looks just like
    an answer that does. setup.cfg bounds urllib3 for it.
    """
    from traceback import walk_tb

    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return any(f.f_code.co_name == "connect" and f.f_globals.get("__name__") == "urllib3.connection" for f in frames)


def _reason(error: BaseException) -> str:
    """The innermost cause in words; the wrappers' texts hold memory addresses."""
    cause = list(_causes(error))[-1]
    if isinstance(cause, TimeoutError) or "timed out" in str(cause).lower():
        return "timed out"
    words = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
    return str(words) or type(cause).__name__
