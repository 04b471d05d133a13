"""The simulator on a loopback port, through Werkzeug: `flowplan simulator serve`, and tests that want a socket."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import sqlite3
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import werkzeug
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from flowplan.simulator.api.messages import Request, Response
from flowplan.simulator.faults import control
from flowplan.simulator.simulator import Simulator

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
TICK, BREATH = 1, 0.002  # seconds between two steps of a running clock: at its time, and behind it
BACKLOG = 128  # connections that wait to be accepted
LONGEST_BODY = 16 * 1024 * 1024
_ANSWER = "flowplan.answer"  # key of the WSGI environment: a list that gets the simulator's own Response


def application(simulator: Simulator) -> WSGIApplication:
    """The table of routes as a WSGI application: every method and path goes to `Simulator.handle`."""

    @werkzeug.Request.application
    def answer(given: werkzeug.Request) -> werkzeug.Response:
        query = parse_qs(given.query_string.decode("ascii", "replace"), keep_blank_values=True)
        headers = {name.lower(): value for name, value in given.headers.items()}
        request = Request(given.method, given.path, query, headers, given.get_data(), given.host_url.rstrip("/"))
        controls = request.path.startswith(control.PREFIX)
        response = control.answer(simulator, request) if controls else simulator.handle(request)
        given.environ.get(_ANSWER, []).append(response)
        sent = werkzeug.Response(response.body, response.status)
        del sent.headers["Content-Type"]
        sent.headers.update(response.headers)
        return sent

    return answer


class KeepAliveHandler(WSGIRequestHandler):
    """Werkzeug's handler, keeping the connection open: its own closes it after every answer.

    Answers leave in one piece: unbuffered, header and body are two packets, and Nagle's algorithm holds the second
    back for 40 ms.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Read the whole request, answer it, and keep the connection; what the answer says of that counts."""
        environ = self.make_environ()
        if not self._read_body(environ):
            return self.send_error(400, "Bad body")
        answers: list[Response] = []
        environ[_ANSWER] = answers
        try:
            body, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except sqlite3.Error as error:  # the data cannot be read or written: it is logged, and the client hears of it
            return self.send_error(500, str(error))
        data = b"".join(body)
        broken = answers[0].broken if answers else None
        if answers and answers[0].delay and broken in (None, "timeout"):
            self._wait(answers[0].delay)
        if broken not in (None, "truncated"):
            return self._hang_up(reset=broken != "timeout")
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        if data or int(code) != 204:
            headers["Content-Length"] = str(len(data))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if broken == "truncated" else data)
        if broken:
            self.close_connection = True
        return None

    def _read_body(self, environ: dict[str, Any]) -> bool:
        """Take the whole body from the connection, wanted or not: what follows it is the next request.

        False, and the connection is to be closed, when where it ends cannot be told, or it is too long.
        """
        try:
            if environ.get("wsgi.input_terminated"):
                data = environ["wsgi.input"].read(LONGEST_BODY + 1)
                length = len(data)
            else:
                length = int(environ.get("CONTENT_LENGTH") or 0)
                data = self.rfile.read(length) if 0 <= length <= LONGEST_BODY else b""
        except (ValueError, OSError):
            return False
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(data), str(len(data))
        return 0 <= length <= LONGEST_BODY

    def _wait(self, seconds: float) -> None:
        """Hold the connection, but no longer than the client does."""
        select.select([self.connection], [], [], seconds)

    def _hang_up(self, *, reset: bool) -> None:
        """Close without an answer; `reset`: with an RST instead of a FIN."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Here and for good: the server would send a FIN first. A socket is open as long as a file made of it is.
            for one in (self.connection, self.rfile, self.wfile):
                one.close()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Silent."""


class Server:
    """A served simulator. `with Server(simulator) as server: ... server.url`, or `serve_forever()`."""

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        """Listens on `port` of the loopback address (0: a free one). Raises OSError when it is taken."""
        with socket.socket() as bound:  # werkzeug would end the process where the port is taken
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((HOST, port))
            bound.listen(BACKLOG)
            self._server: BaseWSGIServer = make_server(
                HOST, port, application(simulator), threaded=True, request_handler=KeepAliveHandler, fd=bound.fileno()
            )
        self._simulator = simulator
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where it is served, on loopback, without a slash at the end."""
        return f"http://{HOST}:{self._server.port}"

    def serve_forever(self) -> None:
        """Serve in this thread, until interrupted."""
        self._start(self._keep_up)
        with contextlib.suppress(KeyboardInterrupt):
            self._server.serve_forever(poll_interval=0.1)
        self._stop()

    def __enter__(self) -> Server:
        self._start(self._keep_up)
        self._start(lambda: self._server.serve_forever(0.05))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._stop()

    def _start(self, task: Callable[[], None]) -> None:
        thread = threading.Thread(target=task, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _stop(self) -> None:
        self._stopped.set()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def _keep_up(self) -> None:
        """Let the time of a running clock pass while nobody asks: or the first answer after a quiet week would have to
        wait for it. Requests get in between two steps."""
        behind = False
        while self._simulator.is_running and not self._stopped.wait(BREATH if behind else TICK):
            behind = self._simulator.keep_up()
