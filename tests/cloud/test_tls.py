"""Who cannot prove to be the API is sent nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import responses

from flowplan.cloud.http.transport import Transport
from flowplan.errors import Ambiguous, Unreachable, UsageProblem
from tests.cloud.server import BIDS, OK, Script, Server, Time, answers, failure, reset, silent, tls, transport


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("name", "trusted", "why", "hint"),
    [
        ("localhost", None, "self-signed", "if a proxy signs TLS itself, add its authority"),
        ("wrong", "wrong", "ostname mismatch", "check the host in the URL"),
        ("expired", "expired", "has expired", "look at this machine's clock; if it is right, the server needs"),
    ],
    ids=["self_signed", "wrong_host", "expired"],
)
def test_tls_error_is_not_repeated_and_sends_nothing(
    certificates: Path,
    serve: Callable[..., Server],
    times: Time,
    method: str,
    name: str,
    trusted: str | None,
    why: str,
    hint: str,
) -> None:
    server = serve(OK, tls=tls(certificates, name))
    environ = {"SSL_CERT_FILE": str(certificates / f"{trusted}.pem")} if trusted else {}
    error = failure(
        transport(times, f"https://localhost:{server.port}", environ=environ), method, body={}, kind=Unreachable
    )
    assert f"cannot trust localhost:{server.port}: " in str(error)
    assert why in str(error)
    assert (error.hint or "").startswith(hint)
    assert server.connections == 1
    assert not server.requests
    assert not times.waits


@pytest.mark.parametrize(
    "variables", [["REQUESTS_CA_BUNDLE"], ["SSL_CERT_FILE"], ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"]]
)
def test_tls_authorities_come_from_a_file(
    certificates: Path, serve: Callable[..., Server], times: Time, variables: list[str]
) -> None:
    server = serve(OK, tls=tls(certificates, "localhost"))
    files = [str(certificates / "localhost.pem"), str(certificates / "wrong.pem")]
    environ = dict(zip(variables, files, strict=False))
    assert transport(times, f"https://localhost:{server.port}", environ=environ).call("GET", BIDS).data == []


def test_tls_authorities_that_are_none_are_wrong_usage(times: Time, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="REQUESTS_CA_BUNDLE"):
        transport(times, environ={"REQUESTS_CA_BUNDLE": str(tmp_path)})


def test_tls_with_a_server_that_speaks_plain_http_sends_nothing(serve: Callable[..., Server], times: Time) -> None:
    hello: list[bytes] = []
    server = serve(lambda connection: (hello.append(connection.recv(65536)), OK(connection)), reads=False)
    error = failure(transport(times, f"https://localhost:{server.port}"), "POST", body={}, kind=Unreachable)
    assert "cannot trust localhost" in str(error)
    assert error.hint == "check the URL: what answers there does not speak TLS"
    assert len(hello) == 1
    assert b"POST" not in hello[0]


def reset_after_hello(connection: socket.socket) -> None:
    connection.recv(65536)
    reset(connection)


@pytest.mark.parametrize("script", [silent, reset_after_hello], ids=["timeout", "reset"])
def test_tls_handshake_that_never_ends_proves_that_nothing_was_sent(
    serve: Callable[..., Server], times: Time, script: Script
) -> None:
    server = serve(script, reads=False)
    error = failure(
        transport(times, f"https://localhost:{server.port}", deadline=0.1), "POST", body={}, kind=Unreachable
    )
    assert "cannot reach localhost" in str(error)
    assert server.connections > 1, "so it may be tried again"


def test_tls_error_after_the_request_leaves_a_post_ambiguous(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"body": requests.exceptions.SSLError("bad record mac")})
    failure(api, "POST", kind=Ambiguous)
    assert len(net.calls) == 1
