"""The embedded simulator, in the place of the network: the same requests and answers, and no byte leaves the process.

It answers at once: timeouts do not apply, and a simulated one is told without waiting for it. A network error that it
simulates comes back as the `Reply` that requests' error for it would come to.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from typing import Protocol

from flowplan.cloud.http.request import Outgoing
from flowplan.cloud.http.response import LOST, UNREACHABLE, Reply, Unreadable, received
from flowplan.cloud.http.wire import Patience
from flowplan.simulator import Request, Response

_REFUSED = "Failed to establish a new connection: [Errno 111] Connection refused"
_LOST = {"reset": "Connection reset by peer", "timeout": "timed out"}


class Answers(Protocol):
    """The simulator, as it is needed here."""

    def handle(self, request: Request) -> Response:
        """Answer one request; `broken` and `delay` of the answer say how it reaches the client. Raises sqlite3.Error,
        having done nothing, where the data cannot be used."""


class Inside:
    """A wire to the simulator, which belongs to who opened it."""

    def __init__(self, simulator: Answers) -> None:
        self._simulator = simulator

    def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        """The simulator's answer, or what became of it on its way."""
        asked = Request.to(request.method, request.url, request.headers, request.body or b"")
        try:
            answer = self._simulator.handle(asked)
        except sqlite3.Error as error:  # the data cannot be read or written, as on a full disk: nothing was done
            detail = f"the simulator's data cannot be used: {error}"
            answer = Response(500, {"content-type": "application/json"}, json.dumps({"detail": detail}).encode())
        except OSError as error:  # the process has no file left, say: what was done by then is not known
            return Reply(None, {}, b"", own_id, LOST, error.strerror or str(error) or type(error).__name__)
        broken = "timeout" if answer.broken is None and answer.delay > patience.read else answer.broken
        if broken == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if broken == "refused":
            why = f"HTTPConnection(host='simulator.invalid', port=80): {_REFUSED}"
            return Reply(None, {}, b"", own_id, UNREACHABLE, why, sent=False)
        if broken in _LOST:
            return Reply(None, {}, b"", own_id, LOST, _LOST[broken])
        if broken is None and answer.delay:
            time.sleep(answer.delay)
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        return received(answer.status, headers, _chunks(answer.body, cut=broken == "truncated"), own_id)

    def close(self) -> None:
        """Nothing to close."""


def _chunks(body: bytes, *, cut: bool) -> Iterator[bytes]:
    """`body`, or the half of it before the connection breaks."""
    half = len(body) // 2
    yield body[:half] if cut else body
    if cut:
        raise Unreadable(LOST, f"IncompleteRead({half} bytes read, {len(body) - half} more expected)")
