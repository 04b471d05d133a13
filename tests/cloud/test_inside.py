"""The simulator in this process tells of an answer, and of a failure, what requests would tell of the same."""

from __future__ import annotations

import gzip
import sqlite3
import time
from typing import Any

import pytest
from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

from flowplan.cloud.http import response
from flowplan.cloud.http.network import answered, unanswered
from flowplan.cloud.http.request import outgoing
from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.wire import Patience
from flowplan.cloud.inside import Inside
from flowplan.simulator import Request, Response
from tests.processes import LONGEST
from tests.simulator.adapter import SimulatorAdapter

PATIENCE = Patience(connect=5, read=0.2, deadline=1)
ASKED = outgoing("POST", "https://simulator.invalid/v2/volumes?project=p%20q", {"a": 1}, {"name": "x"}, "key")


class Canned:
    """A simulator that gives `answer`, or raises it, and keeps what it was asked."""

    def __init__(self, answer: Response | Exception) -> None:
        self.answer, self.asked = answer, list[Request]()

    def handle(self, request: Request) -> Response:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def by_requests(simulator: Canned) -> Reply:
    """As the network is asked, with the simulator under requests."""
    made = PreparedRequest()
    made.method, made.url, made.body = ASKED.method, ASKED.url, ASKED.body
    made.headers = CaseInsensitiveDict(ASKED.headers)
    try:
        found = SimulatorAdapter(simulator).send(made, stream=True, timeout=(PATIENCE.connect, PATIENCE.read))
    except OSError as error:
        return unanswered(error, "own")
    return answered(found, "own")


def told(reply: Reply) -> tuple[Any, ...]:
    headers = {name: reply.headers.get(name) for name in ("content-type", "content-length", "date", "retry-after")}
    return reply.status, headers, reply.body, reply.request_id, reply.fault, reply.why, reply.sent, reply.retry_after


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"broken": "refused"},
        {"broken": "reset"},
        {"broken": "timeout"},
        {"broken": "truncated"},
        {"delay": 0.01},
        {"delay": 30},
        {"status": 503, "headers": {"retry-after": "7", "content-type": "text/html"}, "body": b"<html>"},
        {"headers": {"x-request-id": "req_9", "date": "Sun, 29 Nov 2026 17:00:00 GMT"}},
        {"status": 204, "body": b""},
        {"status": 500, "broken": "truncated"},
        {"body": b"[" + b"1," * 600 + b"1]"},
        {"body": b" " * 1001},
        {"headers": {"content-encoding": "gzip"}},
        {"headers": {"content-encoding": "gzip"}, "body": gzip.compress(b'{"a": 1}', mtime=0)},
        {"headers": {"content-encoding": "br"}},
    ],
    ids=lambda answer: str(answer)[:60],
)
def test_it_is_the_same_reply(answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "RESPONSE_CAP", 1000)
    monkeypatch.setattr(response, "VALUES_CAP", 400)
    given = Response(**{"status": 200, "headers": {"content-type": "application/json"}, "body": b'{"a": 1}', **answer})
    inside, under_requests = Canned(given), Canned(given)
    assert told(Inside(inside).send(ASKED, "own", PATIENCE)) == told(by_requests(under_requests))
    assert inside.asked == under_requests.asked


def test_data_that_cannot_be_used_are_an_error_of_the_server() -> None:
    full = sqlite3.OperationalError("database or disk is full")
    found = Inside(Canned(full)).send(ASKED, "own", PATIENCE)
    assert told(found) == told(by_requests(Canned(full)))
    assert (found.status, b"disk is full" in found.body) == (500, True)


def test_what_the_system_refuses_in_the_middle_leaves_open_what_was_done() -> None:
    """Whoever asked goes on as after a lost answer: an error on its way up would end the run instead."""
    found = Inside(Canned(OSError(24, "Too many open files"))).send(ASKED, "own", PATIENCE)
    assert told(found) == told(by_requests(Canned(OSError(24, "Too many open files"))))
    assert (found.fault, found.sent, found.why) == ("lost", True, "Too many open files")


def test_a_timeout_takes_no_time() -> None:
    begun = time.monotonic()
    reply = Inside(Canned(Response(200, {}, b"", delay=3600))).send(ASKED, "own", PATIENCE)
    assert (reply.fault, reply.sent, time.monotonic() - begun < LONGEST) == ("lost", True, True)
