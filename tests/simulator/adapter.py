"""The simulator under requests, in the same process: `session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))`."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from http.client import responses
from typing import Protocol

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectionError, ReadTimeout
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from flowplan.simulator.api.messages import Request
from flowplan.simulator.api.messages import Response as Answer


class Answers(Protocol):
    """The simulator, as an adapter needs it."""

    def handle(self, request: Request) -> Answer:
        """Answer one request; `broken` and `delay` of the answer say how it reaches the client. Raises sqlite3.Error,
        having done nothing, where the data cannot be used."""


class SimulatorAdapter(BaseAdapter):
    """Answers at once: timeouts do not apply, and a simulated one is raised without waiting for it."""

    def __init__(self, simulator: Answers) -> None:
        super().__init__()
        self._simulator = simulator

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        try:
            answer = self._simulator.handle(_read(request))
        except sqlite3.Error as error:  # the data cannot be read or written, as on a full disk: nothing was done
            detail = f"the simulator's data cannot be used: {error}"
            answer = Answer(500, {"content-type": "application/json"}, json.dumps({"detail": detail}).encode())
        if answer.broken or answer.delay:
            _break(request, answer, timeout[1] if isinstance(timeout, tuple) else timeout)
        return self._write(request, answer)

    def close(self) -> None:
        """Nothing to close: the simulator belongs to who opened it."""

    def _write(self, request: PreparedRequest, answer: Answer) -> Response:
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        body = answer.body[: len(answer.body) // 2] if answer.broken == "truncated" else answer.body
        response = Response()
        response.status_code = answer.status
        response.reason = responses.get(answer.status, "")
        response.headers = CaseInsensitiveDict(headers)
        response.url = request.url or ""
        response.encoding = "utf-8"
        response.request = request
        response.raw = HTTPResponse(
            io.BytesIO(body), headers, answer.status, preload_content=False, request_method=request.method
        )
        return response


def _break(request: PreparedRequest, answer: Answer, patience: float | None) -> None:
    """Raise what requests raises for a network error like this one; wait for an answer that is only slow."""
    if answer.broken == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if answer.broken == "refused":
        raise ConnectionError(_refused(request), request=request)
    if answer.broken == "reset":
        reset = ConnectionResetError(104, "Connection reset by peer")
        raise ConnectionError(ProtocolError("Connection aborted.", reset), request=request)
    if answer.broken == "timeout" or (patience is not None and answer.delay > patience):
        raise ReadTimeout(f"Read timed out. (read timeout={patience})", request=request)
    if answer.broken is None:
        time.sleep(answer.delay)


def _refused(request: PreparedRequest) -> MaxRetryError:
    connection = HTTPConnection("simulator.invalid")
    reason = NewConnectionError(connection, "Failed to establish a new connection: [Errno 111] Connection refused")
    return MaxRetryError(HTTPConnectionPool("simulator.invalid"), request.path_url, reason)


def _read(request: PreparedRequest) -> Request:
    body = request.body
    if body is None:
        data = b""
    elif isinstance(body, str):
        data = body.encode()
    elif isinstance(body, bytes):
        data = body
    else:
        data = b"".join(body)
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    return Request.to(request.method or "GET", request.url or "", headers, data)
