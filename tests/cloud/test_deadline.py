"""An attempt ends at its deadline, in whichever part of the answer the server drips."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowplan.cloud.http import deadline
from flowplan.errors import Ambiguous, CloudError, Unreachable
from tests.cloud.server import BIDS, OK, TOKEN, Script, Server, failure, tls, transport
from tests.processes import LONGEST

SHORT = 0.3  # seconds
PACE = 0.02


def dripping(before: bytes, drop: bytes) -> Script:
    """Sends `before`, then `drop` for much longer than an attempt may take, and never an end. Goes with the client."""
    gone = threading.Event()

    def script(connection: socket.socket) -> None:
        connection.sendall(before)
        for _ in range(500):
            connection.sendall(drop)
            gone.wait(PACE)

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "header": dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "100 Continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunk size": dripping(CHUNKED, b"0"),
    "chunk extension": dripping(CHUNKED + b"2;x=", b"x"),
    "trailer": dripping(CHUNKED + b"2\r\n[]\r\n0\r\n", b"X: y\r\n"),
    "body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[", b" "),
    "body until it closes": dripping(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]", b" "),
    "the body of a refusal": dripping(b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n[", b" "),
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("script", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_ends_at_the_deadline(
    serve: Callable[..., Server], times: Any, script: Script, method: str
) -> None:
    """The server would go on for ten seconds, and then close: only the deadline says "timed out" or breaks off here."""
    server = serve(script)
    api = transport(times, server.url, deadline=SHORT, budget=0)
    error = failure(api, method, kind=Ambiguous if method == "POST" else CloudError, body={"name": "x"})
    assert any(says in str(error) for says in ("timed out", "unavailable"))
    assert server.connections == 1


def test_what_is_not_sent_when_a_machine_falls_asleep_is_not_sent_when_it_wakes(
    serve: Callable[..., Server], times: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then another machine may have the lock, and have placed it. The clock that Python counts timeouts by stands
    still meanwhile."""
    slept = 0.0
    connect = deadline._Http._new_conn

    def connected(connection: Any) -> socket.socket:
        nonlocal slept
        made = connect(connection)
        slept += 3600  # a laptop is closed
        return made

    told = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: told(clock) + slept)
    monkeypatch.setattr(deadline._Http, "_new_conn", connected)
    server = serve(OK)
    api = transport(times, server.url, budget=0)
    assert "timed out" in str(failure(api, "POST", kind=Ambiguous, body={"name": "x"}))
    api.close()
    assert not any(b"POST" in request for request in server.requests)


def test_a_connection_that_is_used_again_has_a_deadline_of_its_own(serve: Callable[..., Server], times: Any) -> None:
    def twice(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        connection.recv(65536)
        dripping(b"HTTP/1.1 200 ", b"O")(connection)

    server = serve(twice)
    api = transport(times, server.url, deadline=SHORT, budget=0)
    assert api.call("GET", BIDS).data == []
    assert "timed out" in str(failure(api, "POST", kind=Ambiguous))
    assert server.connections == 1


def test_an_encrypted_answer_that_drips_ends_at_the_deadline(
    certificates: Path, serve: Callable[..., Server], times: Any
) -> None:
    server = serve(DRIPS["header"], tls=tls(certificates, "localhost"))
    environ = {"SSL_CERT_FILE": str(certificates / "localhost.pem")}
    api = transport(times, f"https://localhost:{server.port}", deadline=SHORT, budget=0, environ=environ)
    assert "timed out" in str(failure(api, "POST", kind=Ambiguous, body={}))
    assert b"POST" in server.requests[0]


SLOW_HELLO = dripping(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", b"\0")  # a ServerHello of 16 KB


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_handshake_that_drips_sends_nothing(serve: Callable[..., Server], times: Any, method: str) -> None:
    server = serve(SLOW_HELLO, reads=False)
    api = transport(times, f"https://localhost:{server.port}", deadline=SHORT, budget=0)
    error = failure(api, method, body={}, kind=Unreachable)
    assert f"cannot reach localhost:{server.port}: timed out" in str(error)


def test_a_proxy_that_drips_its_answer_to_connect_is_not_waited_for(serve: Callable[..., Server], times: Any) -> None:
    proxy = serve(DRIPS["header"])
    environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    error = failure(transport(times, deadline=SHORT, budget=0, environ=environ), "POST", body={}, kind=Unreachable)
    assert "cannot reach api.example.test: timed out" in str(error)
    assert proxy.requests[0].startswith(b"CONNECT ")


def test_a_handshake_that_drips_inside_an_encrypted_proxy_is_not_waited_for(
    certificates: Path, serve: Callable[..., Server], times: Any
) -> None:
    def tunnel(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        SLOW_HELLO(connection)

    proxy = serve(tunnel, tls=tls(certificates, "localhost"))
    environ = {
        "HTTPS_PROXY": f"https://localhost:{proxy.port}",
        "SSL_CERT_FILE": str(certificates / "localhost.pem"),
    }
    error = failure(transport(times, deadline=SHORT, budget=0, environ=environ), "POST", body={}, kind=Unreachable)
    assert "cannot reach api.example.test: timed out" in str(error)
    assert proxy.requests[0].startswith(b"CONNECT ")


ADDRESSES = [f"127.0.0.{n}" for n in range(1, 7)]


@pytest.fixture
def full() -> Iterator[int]:
    """A port that listens at each of ADDRESSES, with a full queue: connecting there waits."""
    with contextlib.ExitStack() as opened:
        port = 0
        for address in ADDRESSES:
            port = opened.enter_context(hanging(address, port))
        yield port


@contextlib.contextmanager
def hanging(address: str, port: int) -> Iterator[int]:
    """Connecting there waits; 0: at any port."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((address, port), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((address, port))
        yield port


def test_the_addresses_of_a_name_share_one_deadline(full: int, times: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    from urllib3.util import connection

    real, found = connection.create_connection, socket.getaddrinfo

    def connect(address: Any, *args: Any, **named: Any) -> socket.socket:
        asked.append(address[0])
        return real(address, *args, **named)

    many = [(2, 1, 6, "", (address, full)) for address in ADDRESSES]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *a, **k: many if name == "api.example.test" else found(name, *a, **k)
    )
    monkeypatch.setattr(connection, "create_connection", connect)
    error = failure(
        transport(times, f"https://api.example.test:{full}", deadline=0.2, budget=0), "POST", body={}, kind=Unreachable
    )
    assert "cannot reach api.example.test" in str(error)
    assert asked[0] == "127.0.0.1"
    assert len(asked) <= len(ADDRESSES)


def test_addresses_that_hang_keep_nobody_from_the_one_that_answers(
    serve: Callable[..., Server], times: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of IPv6 do in some networks. From then on the one that answers is asked first."""
    from urllib3.util import connection

    server, asked = serve(OK), list[str]()
    real, found = connection.create_connection, socket.getaddrinfo

    def connect(address: Any, *args: Any, **named: Any) -> socket.socket:
        asked.append(address[0])
        return real(address, *args, **named)

    monkeypatch.setattr(deadline, "_MOMENT", 0.01)
    monkeypatch.setattr(deadline, "_worked", {})
    monkeypatch.setattr(connection, "create_connection", connect)
    order = [*ADDRESSES[1:], ADDRESSES[0]]
    many = [(2, 1, 6, "", (address, server.port)) for address in order]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *a, **k: many if a == (server.port,) else found(name, *a, **k)
    )
    with contextlib.ExitStack() as opened:
        for address in ADDRESSES[1:]:
            opened.enter_context(hanging(address, server.port))
        api = transport(times, f"http://localhost:{server.port}", deadline=2.0, budget=0)
        assert api.call("POST", BIDS, body={"name": "x"}).data == []
        assert asked == order
        assert api.call("POST", BIDS, body={"name": "y"}).data == []
    assert asked == [*order, ADDRESSES[0]]
    assert [request.count(b"POST") for request in server.requests] == [1, 1]


def test_an_address_that_refuses_is_passed_over_for_the_next(
    serve: Callable[..., Server], times: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(OK)
    found = socket.getaddrinfo
    both = [(2, 1, 6, "", (address, server.port)) for address in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *a, **k: both if a else found(name, *a, **k))
    assert transport(times, f"http://localhost:{server.port}").call("GET", BIDS).data == []


def test_a_resolver_that_never_answers_is_left_behind(times: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [over.wait(LONGEST)][:0])
    try:
        error = failure(transport(times, deadline=SHORT, budget=0), "POST", body={}, kind=Unreachable)
        assert "cannot reach api.example.test: timed out" in str(error)
    finally:
        over.set()


def test_verification_is_on_in_every_context_that_connections_are_made_with() -> None:
    from flowplan.cloud.http.deadline import tls_context

    context = tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert TOKEN.reveal()
