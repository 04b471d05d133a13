"""Connections that break, stall or never come about, on real sockets."""

from __future__ import annotations

import gzip
import itertools
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from flowplan.clock import since_boot
from flowplan.cloud.http import deadline
from flowplan.cloud.http import response as replies
from flowplan.cloud.http.transport import Caller, Timing, Transport
from flowplan.errors import Ambiguous, CloudError, NotFound, Unreachable
from tests.cloud.server import (
    BIDS,
    IDEMPOTENT,
    OK,
    PAID,
    TOKEN,
    Script,
    Server,
    Time,
    failure,
    received,
    reset,
    says,
    silent,
    transport,
)
from tests.processes import until


def reset_in_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[")
    time.sleep(0.02)
    reset(connection)


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n[")
    for _ in range(500):
        connection.sendall(b" ")
        time.sleep(0.01)


def drip_chunk(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n")
    for _ in range(500):
        connection.sendall(b" ")
        time.sleep(0.01)


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n[")
    while True:
        connection.sendall(b" " * 65536)


LOST: list[Script] = [
    silent,
    reset,
    says("nonsense"),
    lambda connection: None,
    reset_in_body,
    says("200 OK\r\nContent-Length: 1000", b"["),
    says("200 OK\r\nContent-Length: 1000", b"[1]"),
    says("200 OK\r\nTransfer-Encoding: chunked", b"5\r\n[1,2"),
    says("200 OK\r\nTransfer-Encoding: chunked", b"zz\r\n"),
    says("200 OK\r\nContent-Encoding: gzip", gzip.compress(b"[1, 2, 3]")[:15]),
]
LOST_NAMES = [
    *("read_timeout", "reset", "no_http", "closed", "reset_mid_body", "truncated", "truncated_json"),
    *("truncated_chunk", "bad_chunk", "truncated_gzip"),
]


@pytest.mark.parametrize("script", LOST, ids=LOST_NAMES)
def test_a_lost_answer_to_a_get_is_asked_for_again(serve: Callable[..., Server], times: Time, script: Script) -> None:
    server = serve(script, OK)
    assert transport(times, server.url, deadline=0.3).call("GET", BIDS).data == []
    assert server.connections == 2
    assert times.waits == [0.5]


@pytest.mark.parametrize("script", LOST, ids=LOST_NAMES)
@pytest.mark.parametrize("method", PAID)
def test_a_lost_answer_to_a_post_is_ambiguous_and_never_sent_again(
    serve: Callable[..., Server], times: Time, script: Script, method: str
) -> None:
    server = serve(script, OK)
    failure(transport(times, server.url, deadline=0.3), method, kind=Ambiguous, body={"name": "x"})
    assert server.connections == 1
    assert not times.waits


@pytest.mark.parametrize("script", LOST, ids=LOST_NAMES)
def test_a_lost_answer_to_a_delete_is_repeated_unless_its_status_came(
    serve: Callable[..., Server], times: Time, script: Script
) -> None:
    server = serve(script, says("404 Not Found\r\nContent-Length: 27", b'{"detail": "Bid not found"}'))
    api = transport(times, server.url, deadline=0.3)
    if LOST_NAMES[LOST.index(script)] in ("read_timeout", "reset", "no_http", "closed"):
        failure(api, "DELETE", kind=NotFound)
    else:
        assert api.call("DELETE", BIDS).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_that_comes_after_an_interim_one_is_never_that_to_the_next_call(
    serve: Callable[..., Server], times: Time, method: str
) -> None:
    """A gateway may send 103 before the answer. Python takes that for the answer: what follows would be read as the
    answer to whatever is asked next on this connection."""

    def interim(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
        if connection.recv(65536):  # the next call
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["first"]')

    api = transport(times, serve(interim, OK).url)
    if method == "POST":
        failure(api, "POST", kind=Ambiguous, body={"name": "x"})
    assert api.call("GET", BIDS).data == []


def test_read_timeout_for_ever_fails_after_five_tries(serve: Callable[..., Server], times: Time) -> None:
    server = serve(silent)
    error = failure(transport(times, server.url, deadline=0.2), "GET")
    assert str(error) == f"GET {BIDS}: no answer: timed out (5 tries)"
    until(lambda: server.connections == 5)  # it may take a connection up after its client has given it up


@pytest.mark.parametrize("script", [drip, drip_chunk])
def test_a_slow_endless_body_ends_at_the_deadline(serve: Callable[..., Server], script: Script) -> None:
    server = serve(script)
    api = Transport(
        server.url, TOKEN, environ={}, caller=Caller(wait=lambda seconds: None), timing=Timing(deadline=0.2)
    )
    failure(api, "POST", kind=Ambiguous)  # the script drips for ever


def test_an_endless_body_ends_at_the_cap(
    serve: Callable[..., Server], times: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "RESPONSE_CAP", 4 << 20)
    assert "larger than 4 MB" in str(failure(transport(times, serve(endless).url), "GET"))


def test_endless_gzip_of_nothing_ends_at_the_cap(
    serve: Callable[..., Server], times: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "RESPONSE_CAP", 1 << 20)
    packer = zlib.compressobj(wbits=31)
    start = packer.compress(b"[") + packer.flush(zlib.Z_SYNC_FLUSH)
    nothing = b"\x00\x00\x00\xff\xff" * 10_000  # empty stored blocks
    server = serve(says("200 OK\r\nContent-Encoding: gzip", start, *itertools.repeat(nothing, 100)))
    assert "larger than 1 MB" in str(failure(transport(times, server.url), "GET"))


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_a_refusal_whose_body_is_lost_is_still_a_refusal(
    serve: Callable[..., Server], times: Time, status: int
) -> None:
    server = serve(says(f"{status} No\r\nContent-Length: 1000", b'{"deta'))
    with pytest.raises(CloudError) as caught:
        transport(times, server.url).call("POST", BIDS)
    assert not isinstance(caught.value, Ambiguous)
    assert caught.value.status == status


def test_connections_are_reused(times: Time, serve: Callable[..., Server]) -> None:
    def twice(connection: socket.socket) -> None:
        for _ in range(2):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            received(connection)

    server = serve(twice)
    api = transport(times, server.url)
    assert [api.call("GET", BIDS).data, api.call("GET", BIDS).data] == [[], []]
    api.close()
    assert server.connections == 1


@pytest.mark.parametrize("method", ["GET", *PAID])
def test_a_connection_that_rested_long_is_not_used_again(
    times: Time, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """While somebody read the plan, a NAT may have forgotten it: it resets what comes, or drops it without a word."""
    later = [0.0]
    monkeypatch.setattr(deadline, "since_boot", lambda: since_boot() + later[0])

    def forgotten(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        if connection.recv(65536):
            reset(connection)

    server = serve(forgotten, OK)
    api = transport(times, server.url)
    assert api.call("GET", BIDS).data == []
    later[0] = 31.0
    assert api.call(method, BIDS, body={"name": "x"}).data == []
    assert server.connections == 2
    assert not times.waits


def test_connect_refused_is_tried_again_for_every_method(times: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for method in IDEMPOTENT + PAID:
        started = times.now
        times.waits.clear()
        error = failure(transport(times, f"http://127.0.0.1:{port}"), method, kind=Unreachable)
        assert str(error) == f"cannot reach 127.0.0.1:{port}: Connection refused (5 tries)"
        assert "VPN" in error.hint
        assert "PROXY" in error.hint
        assert len(times.waits) == 4
        assert times.now - started < 30


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_dns_failure_is_tried_again_for_every_method(times: Time, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def lookup(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    error = failure(transport(times), method, kind=Unreachable)
    assert str(error) == "cannot reach api.example.test: Name or service not known (5 tries)"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_connect_timeouts_end_within_thirty_seconds(times: Time, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def connect(*args: object, **kwargs: object) -> None:
        times.now += 10
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.0.2.1", 443))])
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    started, answered = times.now, transport(times)
    answered._answered = True  # by an earlier call
    error = failure(answered, method, kind=Unreachable)
    assert "cannot reach api.example.test: timed out (2 tries)" in str(error)
    assert times.now - started < 30
    started = times.now
    assert str(failure(transport(times), method, kind=Unreachable)) == "cannot reach api.example.test: timed out"
    assert times.now - started == 10


def test_before_the_first_answer_nobody_waits_long(times: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was changed by then, and the URL may be wrong. Once somebody answered, a hitch is waited for."""
    limits: list[float] = []

    def connect(address: Any, timeout: float, *args: Any, **kwargs: Any) -> socket.socket:
        limits.append(timeout)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.0.2.1", 443))])
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    api, started = transport(times, jitter=lambda: 0.999), times.now
    assert "(5 tries)" in str(failure(api, "GET", kind=Unreachable))
    assert 3.9 < times.now - started < 4
    assert max(limits) <= 5
    api._answered, started = True, times.now
    assert "(5 tries)" in str(failure(api, "GET", kind=Unreachable))
    assert 14 < times.now - started < 16
    assert 5 < max(limits) <= 10


def test_connect_refused_then_served_is_one_post(
    times: Time, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib3.util import connection

    server = serve(says("201 Created\r\nContent-Length: 2", b"{}"))
    real, refusals = connection.create_connection, iter([ConnectionRefusedError(111, "Connection refused")])

    def connect(*args: Any, **kwargs: Any) -> socket.socket:
        for refusal in refusals:
            raise refusal
        return real(*args, **kwargs)

    monkeypatch.setattr(connection, "create_connection", connect)
    assert transport(times, server.url).call("POST", BIDS, body={}).status == 201
    assert server.connections == 1
