"""Refusals, and redirects, which are errors: each has its kind, its words and a hint."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from flowplan.cloud.http import response as replies
from flowplan.cloud.http.transport import Transport
from flowplan.errors import Ambiguous, Held, NameTaken, NotFound, Refused, Unauthorized
from tests.cloud.server import BIDS, CANARY, IDEMPOTENT, OK, PAID, Server, Time, answers, failure, says, transport

# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", IDEMPOTENT + PAID)
def test_401_is_unauthorized_and_names_the_variables(net: responses.RequestsMock, api: Transport, method: str) -> None:
    answers(net, method, {"status": 401, "json": {"detail": f"no such key {CANARY}"}})
    error = failure(api, method, kind=Unauthorized)
    assert len(net.calls) == 1
    assert "FLOWPLAN_API_KEY" in error.hint
    assert "no such key ********" in str(error)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_409_needs_reauth_is_unauthorized(net: responses.RequestsMock, api: Transport, method: str) -> None:
    answers(net, method, {"status": 409, "json": {"detail": "needs_reauth"}})
    failure(api, method, kind=Unauthorized)


def test_403_needs_permission_with_the_detail_escaped(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"status": 403, "json": {"detail": "not yours\x1b]0;pwned\x07\u202e\u200b"}})
    error = failure(api, "POST", kind=Refused)
    assert "permission denied: not yours" in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "POST"])
@pytest.mark.parametrize("answer", [{"json": {"detail": "Bid not found"}}, {"json": {"detail": "no bid_x"}}])
def test_404_is_not_found(net: responses.RequestsMock, api: Transport, method: str, answer: dict[str, Any]) -> None:
    answers(net, method, {"status": 404, **answer})
    error = failure(api, method, kind=NotFound)
    assert error.status == 404
    assert len(net.calls) == 1


def test_404_on_delete_after_a_lost_answer_is_not_found(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "DELETE", {"body": requests.exceptions.ReadTimeout()}, {"status": 404, "json": {"detail": "gone"}})
    failure(api, "DELETE", kind=NotFound)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_404_from_somebody_else_does_not_pass_for_gone(
    net: responses.RequestsMock, api: Transport, method: str
) -> None:
    answers(net, method, {"status": 404, "body": "<html>Not here", "content_type": "text/html"})
    assert "<html>Not here" in str(failure(api, method))


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 409, "json": {"detail": "Volume exists"}},
        {"status": 409},
        {"status": 400, "json": {"detail": "Name already used in this project"}},
        {"status": 400, "json": {"detail": "bid name already exists"}},
        {"status": 400, "json": {"detail": "Duplicate name"}},
        {"status": 400, "json": {"detail": "A bid with this name is already in use"}},
    ],
)
def test_409_or_400_name_already_used_on_post_is_name_taken(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any]
) -> None:
    answers(net, "POST", answer)
    failure(api, "POST", kind=NameTaken)
    assert len(net.calls) == 1


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("DELETE", {"status": 409, "json": {"detail": "volume is attached"}}),
        ("PATCH", {"status": 409}),
        ("PATCH", {"status": 400, "json": {"detail": "bid name already exists"}}),
        ("POST", {"status": 400, "json": {"detail": "hostname already has a fixed region"}}),
    ],
)
def test_other_conflicts_are_refused(
    net: responses.RequestsMock, api: Transport, method: str, answer: dict[str, Any]
) -> None:
    answers(net, method, answer)
    failure(api, method, kind=Refused)


def test_422_lists_the_fields(net: responses.RequestsMock, api: Transport) -> None:
    items = [
        {"loc": ["body", "limit_price"], "msg": "value is not a price", "type": "value_error"},
        {"loc": ["body", "launch_specification", "volumes", 0], "msg": "no such\x9b volume", "type": "value_error"},
        {"loc": ["body"], "msg": "empty", "type": "missing"},
        "odd",
    ]
    answers(net, "POST", {"status": 422, "json": {"detail": items}})
    error = failure(api, "POST", kind=Refused)
    lines = error.detail.split("\n")
    assert lines[0] == "limit_price: value is not a price"
    assert lines[1].startswith("launch_specification.volumes.0: no such")
    assert lines[2:] == ["body: empty", "odd"]
    assert all(line.isprintable() for line in lines)
    assert len(net.calls) == 1


@pytest.mark.parametrize(
    ("status", "text", "hint"),
    [
        (400, "Spot quota exceeded for h100", "quota"),
        (403, "Quota exceeded", "quota"),
        (400, "Limit price below minimum", "utility_threshold_price"),
        (400, "Bid price below minimum ($2.00)", "utility_threshold_price"),
        (400, "SSH key is required", "SSH key"),
        (400, "no ssh keys", "SSH key"),
        (400, "Billing is not set up", "payment method"),
        (402, "nope", "payment method"),
        (400, "whatever", None),
    ],
)
def test_refusals_the_user_can_do_something_about_have_a_hint(
    net: responses.RequestsMock, api: Transport, status: int, text: str, hint: str | None
) -> None:
    answers(net, "POST", {"status": status, "json": {"detail": text}})
    error = failure(api, "POST", kind=Refused)
    assert text in str(error)
    assert len(net.calls) == 1, "no retry"
    assert hint in error.hint if hint else error.hint is None


@pytest.mark.parametrize("detail", [None, 7, {"a": 1}, [], [None], [{"loc": 3, "msg": None}]])
def test_a_refusal_of_another_shape_is_still_a_refusal(
    net: responses.RequestsMock, api: Transport, detail: object
) -> None:
    answers(net, "POST", {"status": 422, "json": {"detail": detail}})
    failure(api, "POST", kind=Refused)


@pytest.mark.parametrize("method", PAID)
def test_202_held_names_the_proposal(net: responses.RequestsMock, api: Transport, method: str) -> None:
    held = {"proposal_id": "prop_7\x1b[2J", "expires_at": "2026-11-25T00:00:00Z"}
    answers(net, method, {"status": 202, "json": {"held": held}})
    error = failure(api, method, kind=Held)
    assert "prop_7" in str(error)
    assert str(error).isprintable()
    assert len(net.calls) == 1


def test_202_of_another_kind_is_an_answer(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"status": 202})
    assert api.call("POST", BIDS).data is None


# -- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", IDEMPOTENT + PAID)
def test_redirect_is_an_error_that_names_the_host(
    net: responses.RequestsMock, api: Transport, method: str, status: int
) -> None:
    net.add(method, "https://evil.test/steal", json={})
    answers(net, method, {"status": status, "headers": {"Location": "https://user:pw@evil.test/steal"}})
    error = failure(api, method)
    assert "unexpected redirect to evil.test" in str(error)
    assert len(net.calls) == 1, "nothing was sent there"


def test_redirect_303_says_that_a_post_was_executed(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"status": 303, "headers": {"Location": "/elsewhere"}})
    assert "redirect to api.example.test" in str(failure(api, "POST", kind=Ambiguous))


@pytest.mark.parametrize("location", ["http://[", "//\x1b[31m/", ""])
def test_a_broken_redirect_is_still_one(net: responses.RequestsMock, api: Transport, location: str) -> None:
    answers(net, "GET", {"status": 302, "headers": {"Location": location}})
    assert "unexpected redirect" in str(failure(api, "GET"))


def test_redirect_and_netrc_together_lead_nowhere(
    serve: Callable[..., Server], times: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password hunter2\ndefault login thief password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    other = serve(OK)
    server = serve(says(f"307 Temporary Redirect\r\nLocation: {other.url}/v2\r\nContent-Length: 0"))
    failure(transport(times, server.url), "POST", body={"name": "x"})
    assert f"Authorization: Bearer {CANARY}".encode() in server.requests[0]
    assert other.connections == 0


def test_an_endless_redirect_body_is_capped(
    serve: Callable[..., Server], times: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "RESPONSE_CAP", 1 << 20)

    def redirect(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    assert "evil.test" in str(failure(transport(times, serve(redirect).url), "GET"))
