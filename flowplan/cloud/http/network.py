"""The network, as what sends requests: requests, with a deadline for each attempt; and what its failures prove.

Imported on the first call.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from traceback import walk_tb

import requests
import urllib3.exceptions as lower
from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from flowplan.cloud.http.deadline import DeadlineAdapter, within
from flowplan.cloud.http.request import Outgoing
from flowplan.cloud.http.response import LOST, TLS, UNREACHABLE, Reply, Unreadable, received
from flowplan.cloud.http.wire import Patience


class Network:
    """Sends what goes out by HTTP; safe for several threads. `verify`: True, or a file or a directory with the
    certificate authorities to trust instead of those that come with requests. `pool`: connections that are kept."""

    def __init__(self, verify: bool | str, proxies: Mapping[str, str], pool: int) -> None:
        self._verify, self._proxies = verify, dict(proxies)
        trusted = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        self._adapter = DeadlineAdapter(trusted, pool_connections=1, pool_maxsize=pool, max_retries=0)

    def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        """Sends once. Whatever the network does comes back as a `Reply`."""
        made = PreparedRequest()
        made.method, made.url, made.body = request.method, request.url, request.body
        made.headers = CaseInsensitiveDict(request.headers)
        with within(patience.deadline):
            try:
                response = self._adapter.send(
                    made,
                    stream=True,
                    timeout=(patience.connect, patience.read),
                    verify=self._verify,
                    proxies=self._proxies,
                )
            except (OSError, lower.HTTPError) as error:  # requests' own exceptions are OSErrors
                return unanswered(error, own_id)
            return answered(response, own_id)

    def close(self) -> None:
        """Closes the idle connections."""
        self._adapter.close()


def answered(response: Response, own_id: str) -> Reply:
    """`response`, read to its end or to the deadline of the attempt (`deadline.within`), and closed. Behind an interim
    one (1xx) the true one may still come, which would be read as the answer to the next request: nothing of it is read,
    so that its connection is closed, and not given back."""
    try:
        chunks = _chunks(response) if response.status_code >= 200 else ()
        return received(response.status_code, response.headers, chunks, own_id)
    finally:
        # A body read to its end has given the connection back already; any other connection is not reusable.
        response.close()


def _chunks(response: Response) -> Iterator[bytes]:
    """The body as it comes in, packed as it was sent. Raises Unreadable where it breaks off."""
    try:
        while chunk := response.raw.read1(65536, decode_content=False):
            yield chunk
    except (OSError, lower.HTTPError) as error:
        raise Unreadable(LOST, _reason(error)) from error


def unanswered(error: BaseException, request_id: str) -> Reply:
    """What the failure of an attempt proves: `sent` is False only if no byte of the request can have left."""
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
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return any(f.f_code.co_name == "connect" and f.f_globals.get("__name__") == "urllib3.connection" for f in frames)


def _reason(error: BaseException) -> str:
    """The innermost cause in words; the wrappers' texts hold memory addresses."""
    cause = list(_causes(error))[-1]
    if isinstance(cause, TimeoutError) or "timed out" in str(cause).lower():
        return "timed out"
    words = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
    return str(words) or type(cause).__name__
