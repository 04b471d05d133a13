"""The transport: each cell of the fault matrix that concerns a single call, on strange answers and on real sockets."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from flowplan.cloud.http import endpoint as origin
from flowplan.cloud.http import response as replies
from flowplan.cloud.http import transport as http
from flowplan.cloud.http.redaction import forms_of, without
from flowplan.cloud.http.throttle import Gate
from flowplan.cloud.http.transport import Transport, encode, segment
from flowplan.errors import (
    Ambiguous,
    CloudError,
    Held,
    NameTaken,
    NotFound,
    Refused,
    Unauthorized,
    Unreachable,
    UsageProblem,
)
from flowplan.printable import Secret

API = "https://api.example.test"
BIDS = "/v2/spot/bids"
CANARY = "fkey_CANARY+/wZ7q==x9"
TOKEN = Secret(CANARY)
IDEMPOTENT = ["GET", "PUT", "DELETE"]
PAID = ["POST", "PATCH"]


class Time:
    """A clock that only `wait` moves; `waits` are the seconds waited."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def times() -> Time:
    return Time()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def api(times: Time, log: list[str]) -> Transport:
    return transport(times, log=log.append)


def transport(times: Time, url: str = API, token: Any = TOKEN, **options: Any) -> Transport:
    options = {"clock": times.clock, "wait": times.wait, "jitter": lambda: 0.5, "environ": {}, **options}
    return Transport(url, token, **options)


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def answers(net: responses.RequestsMock, method: str, *given: dict[str, Any], path: str = BIDS) -> None:
    """`given` in this order; the last one stays."""
    for answer in given:
        net.add(method, API + path, **answer)


def failure(api: Transport, method: str, path: str = BIDS, kind: type[CloudError] = CloudError, **kwargs: Any) -> Any:
    """What the call raises: exactly a `kind`, whose texts hold no credential."""
    with pytest.raises(CloudError) as caught:
        api.call(method, path, **kwargs)
    assert type(caught.value) is kind, repr(caught.value)
    texts = "".join(traceback.format_exception(caught.value)) + f"{caught.value.hint}{caught.value.detail}"
    assert CANARY not in texts
    return caught.value


# -- what is sent ----------------------------------------------------------------------------------------------------


def test_a_call_sends_what_the_api_expects(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"json": {"fid": "bid_1"}, "status": 201, "headers": {"X-Request-Id": "req-1"}})
    answer = api.call("POST", BIDS, body={"name": "train", "limit_price": "$1.00"}, key="flow-1")
    assert (answer.status, answer.data, answer.request_id) == (201, {"fid": "bid_1"}, "req-1")
    sent = net.calls[0].request
    assert sent.body == b'{"limit_price":"$1.00","name":"train"}'
    assert sent.headers["Authorization"] == f"Bearer {CANARY}"
    assert sent.headers["Idempotency-Key"] == "flow-1"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["User-Agent"].startswith("flowplan/")
    assert re.fullmatch(r"[0-9a-f-]{36}", sent.headers["X-Client-Request-Id"])
    assert "Cache-Control" not in sent.headers


def test_reads_are_never_cached_and_leave_out_empty_parameters(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"json": []})
    api.call("GET", BIDS, query={"project": "proj 1&x", "status": None, "limit": 100})
    assert net.calls[0].request.url == f"{API}{BIDS}?project=proj+1%26x&limit=100"
    assert net.calls[0].request.headers["Cache-Control"] == "no-cache"
    assert "Content-Length" not in net.calls[0].request.headers


def test_bytes_are_sent_as_they_are(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"json": {}, "status": 201})
    api.call("POST", BIDS, body=b'{ "as": "hashed" }')
    assert net.calls[0].request.body == b'{ "as": "hashed" }'


def test_equal_bodies_have_equal_bytes() -> None:
    assert encode({"b": 1, "a": [None, "é"]}) == encode({"a": [None, "é"], "b": 1}) == b'{"a":[null,"\\u00e9"],"b":1}'


def test_each_attempt_has_its_own_request_id_and_the_same_key(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"status": 429}, {"json": {}, "status": 201})
    api.call("POST", BIDS, body={}, key="k")
    first, second = (call.request.headers for call in net.calls)
    assert first["X-Client-Request-Id"] != second["X-Client-Request-Id"]
    assert first["Idempotency-Key"] == second["Idempotency-Key"] == "k"


@pytest.mark.parametrize("headers", [{"X-Correlation-Id": "corr"}, {"X-Request-Id": "corr", "X-Correlation-Id": "no"}])
def test_the_servers_request_id_is_in_the_error(
    net: responses.RequestsMock, api: Transport, headers: dict[str, str]
) -> None:
    answers(net, "GET", {"status": 403, "headers": headers})
    error = failure(api, "GET", kind=Refused)
    assert error.request_id == "corr"
    assert "request corr" in str(error)


def test_without_a_servers_request_id_it_is_our_own(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"status": 403})
    assert failure(api, "GET", kind=Refused).request_id == net.calls[0].request.headers["X-Client-Request-Id"]


@pytest.mark.parametrize(
    "path", ["v2/me", "//evil.test/v2", "/v2/../login", "/v2/x?y=1", "/v2/a b", "/v2/x#y", "/v2/x\r\n", "/v2/", "@evil"]
)
def test_nothing_is_sent_to_a_path_that_is_none(net: responses.RequestsMock, api: Transport, path: str) -> None:
    assert "not a path" in str(failure(api, "GET", path))
    assert not net.calls


def test_an_id_is_one_segment() -> None:
    assert segment("bid_1/../x?") == "bid_1%2F..%2Fx%3F"


def test_a_bad_idempotency_key_is_a_bug(api: Transport) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        api.call("POST", BIDS, key="a\nb")


def test_the_token_is_asked_for_at_each_attempt(net: responses.RequestsMock, times: Time) -> None:
    tokens = iter([Secret("token-1"), Secret("token-2")])
    answers(net, "GET", {"status": 503}, {"json": []})
    transport(times, token=lambda: next(tokens)).call("GET", BIDS)
    assert [call.request.headers["Authorization"] for call in net.calls] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "übel", "nul\0"])
def test_a_token_no_header_can_carry_is_refused_unseen(net: responses.RequestsMock, times: Time, token: str) -> None:
    error = failure(transport(times, token=Secret(token)), "GET", kind=Unauthorized)
    assert not net.calls
    assert token == "" or token not in str(error)


# -- what comes back -------------------------------------------------------------------------------------------------


def test_fractions_are_decimals(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"body": b'{"hourly_price": 0.1, "n": 3}'})
    assert api.call("GET", BIDS).data == {"hourly_price": Decimal("0.1"), "n": 3}


def test_no_content_is_no_data(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "DELETE", {"status": 204})
    assert api.call("DELETE", BIDS).data is None


def test_gzip_is_unpacked(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"body": gzip.compress(b"[1]"), "headers": {"Content-Encoding": "gzip"}})
    assert api.call("GET", BIDS).data == [1]


def test_the_servers_time_is_remembered(net: responses.RequestsMock, api: Transport) -> None:
    assert api.server_time is None
    answers(
        net,
        "GET",
        {"json": [], "headers": {"Date": "Tue, 24 Nov 2026 08:00:05 GMT"}},
        {"json": [], "headers": {"Date": "yesterday"}},
    )
    api.call("GET", BIDS)
    api.call("GET", BIDS)
    assert api.server_time == datetime(2026, 11, 24, 8, 0, 5, tzinfo=UTC)


# -- 429 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", IDEMPOTENT + PAID)
def test_429_with_retry_after_waits_at_least_that_long(
    net: responses.RequestsMock, api: Transport, times: Time, method: str
) -> None:
    answers(net, method, {"status": 429, "headers": {"Retry-After": "7"}}, {"json": {}})
    assert api.call(method, BIDS).status == 200
    assert len(times.waits) == 1
    assert 7 <= times.waits[0] <= 7.25


def test_429_with_a_date_waits_by_the_servers_clock(net: responses.RequestsMock, api: Transport, times: Time) -> None:
    headers = {"Date": "Tue, 24 Nov 2020 08:00:00 GMT", "Retry-After": "Tue, 24 Nov 2020 08:00:09 GMT"}
    answers(net, "GET", {"status": 429, "headers": headers}, {"json": []})
    api.call("GET", BIDS)
    assert 9 <= times.waits[0] <= 9.25


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "value", [None, "", "soon", "-5", "1.5", "0", "٣", "Tue, 24 Nov 2020 08:00:00 GMT", "Tue, 99 Nov 99999 08:00:00"]
)
def test_429_without_a_usable_header_backs_off(
    net: responses.RequestsMock, times: Time, method: str, value: str | None
) -> None:
    headers = {} if value is None else {"Retry-After": value}
    answers(net, method, {"status": 429, "headers": headers}, {"status": 429, "headers": headers}, {"json": {}})
    transport(times, jitter=lambda: 0.0).call(method, BIDS)
    assert len(times.waits) == 2
    assert min(times.waits) >= http.BACKOFF_FLOOR, "never a spin"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("value", ["61", "120", "9" * 400])
def test_429_with_more_than_a_minute_fails_at_once_and_names_it(
    net: responses.RequestsMock, api: Transport, times: Time, method: str, value: str
) -> None:
    answers(net, method, {"status": 429, "headers": {"Retry-After": value}})
    error = failure(api, method, kind=Refused)
    assert not times.waits
    assert len(net.calls) == 1
    assert f"asks to wait {min(float(value), 1e9):.0f} s" in str(error)


def test_429_for_ever_ends_after_five_tries_as_not_executed(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "POST", {"status": 429})
    error = failure(api, "POST", kind=Refused)
    assert len(net.calls) == 5
    assert error.status == 429
    assert "5 tries" in str(error)


def test_429_pauses_all_workers(net: responses.RequestsMock, api: Transport, times: Time) -> None:
    answers(net, "POST", {"status": 429, "headers": {"Retry-After": "30"}})
    answers(net, "GET", {"json": []})
    failure(api, "POST", kind=Refused)  # out of budget
    times.waits.clear()
    with ThreadPoolExecutor(1) as other:
        other.submit(api.call, "GET", BIDS).result()
    assert 30 <= sum(times.waits) <= 31, "the other worker waited until the gate opened again"


class Limited(BaseAdapter):
    """A server in this process that takes `rate` requests a second and refuses the others."""

    def __init__(self, clock: Callable[[], float], rate: float) -> None:
        super().__init__()
        self.clock, self.rate = clock, rate
        self.tokens, self.last, self.lock = rate, clock(), threading.Lock()
        self.executed: list[bytes] = []

    def send(self, request: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        with self.lock:
            now = self.clock()
            self.tokens = min(self.rate, self.tokens + (now - self.last) * self.rate)
            self.last = now
            if self.tokens >= 1:
                self.tokens -= 1
                self.executed.append(request.body)
                answer = local_answer(201, b"{}")
            else:
                answer = local_answer(429, b"{}", {"Retry-After": "1"})
        time.sleep(0.005)  # the way back: others are under way meanwhile
        return answer

    def close(self) -> None:
        pass


def local_answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> requests.Response:
    """As the simulator in this process answers: no `raw`."""
    answer = requests.Response()
    answer.status_code = status
    answer.headers = CaseInsensitiveDict(headers or {})
    answer._content = body
    return answer


def test_429_ten_workers_share_a_narrow_door_and_every_post_is_executed_once() -> None:
    def clock() -> float:
        return time.monotonic() * 20  # 20 times faster than life

    server = Limited(clock, rate=2)
    api = Transport(API, TOKEN, adapter=server, clock=clock, wait=lambda seconds: time.sleep(seconds / 20))
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: api.call("POST", BIDS, body=str(n).encode()), range(24)))
    assert sorted(server.executed) == sorted(str(n).encode() for n in range(24))


def test_429_while_a_worker_waits_makes_it_wait_again(times: Time) -> None:
    def wait(seconds: float) -> None:
        times.wait(seconds)
        if len(times.waits) == 1:
            gate.close(9)  # another worker was refused in the meantime

    gate = Gate(times.clock, wait)
    gate.close(5)
    with gate:
        assert times.now == 1014


# -- 5xx -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("method", IDEMPOTENT)
def test_5xx_burst_is_survived_by_what_may_be_repeated(
    net: responses.RequestsMock, api: Transport, times: Time, method: str, status: int
) -> None:
    answers(net, method, *[{"status": status}] * 4, {"json": {}})
    assert api.call(method, BIDS).status == 200
    assert times.waits == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("method", IDEMPOTENT)
def test_5xx_for_ever_fails_with_tries_and_request_id(net: responses.RequestsMock, api: Transport, method: str) -> None:
    answers(net, method, {"status": 502, "headers": {"X-Request-Id": "req-9"}, "body": "<html>bad\x1b[31m gateway"})
    error = failure(api, method)
    assert len(net.calls) == 5
    assert str(error) == f"{method} {BIDS}: the API is unavailable (502, request req-9) (5 tries)"
    assert error.detail.startswith("<html>bad")
    assert "\x1b" not in error.detail


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 501])
@pytest.mark.parametrize("method", PAID)
def test_5xx_on_post_is_ambiguous_at_once(
    net: responses.RequestsMock, api: Transport, times: Time, method: str, status: int
) -> None:
    answers(net, method, {"status": status, "headers": {"Retry-After": "1", "X-Request-Id": "r"}}, {"json": {}})
    error = failure(api, method, kind=Ambiguous)
    assert len(net.calls) == 1
    assert not times.waits
    assert (error.status, error.request_id) == (status, "r")


def test_5xx_retry_after_is_a_floor_and_has_the_same_limit(
    net: responses.RequestsMock, api: Transport, times: Time
) -> None:
    answers(net, "GET", {"status": 503, "headers": {"Retry-After": "40"}}, {"json": []})
    api.call("GET", BIDS)
    assert 40 <= times.waits[0] <= 40.25
    answers(net, "PUT", {"status": 503, "headers": {"Retry-After": "3600"}})
    assert "asks to wait 3600 s" in str(failure(api, "PUT"))


def test_the_budget_of_a_call_is_two_minutes(net: responses.RequestsMock, api: Transport, times: Time) -> None:
    answers(net, "GET", {"status": 503, "headers": {"Retry-After": "50"}})
    started = times.now
    failure(api, "GET")
    assert times.now - started <= 120
    assert len(net.calls) == 3


def test_backoff_is_full_jitter_with_a_cap(api: Transport) -> None:
    reply = replies.Reply(503, {}, b"", "r")
    assert [api._pause(reply, tries) for tries in range(1, 9)] == [0.5, 1, 2, 4, 8, 10, 10, 10]


def test_501_is_not_repeated(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"status": 501})
    failure(api, "GET")
    assert len(net.calls) == 1


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
    assert "needs permission: not yours" in str(error)
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


# -- bodies that cannot be read --------------------------------------------------------------------------------------

UNREADABLE: list[dict[str, Any]] = [
    {"body": b'{"data": ['},
    {"body": b"<html>\x1b[31mLog in", "content_type": "text/html"},
    {"body": b""},
    {"body": b'{"n": NaN}'},
    {"body": b"\xff\xfe[\x00]\x00"},
    {"body": b"[" * 100_000},
    {"body": b'{"n": ' + b"9" * 5000 + b"}"},
    {"body": b"not gzip", "headers": {"Content-Encoding": "gzip"}},
    {"body": b"[]", "headers": {"Content-Encoding": "br"}},
]


@pytest.mark.parametrize("answer", UNREADABLE)
def test_invalid_json_or_html_on_get_is_tried_three_times(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any]
) -> None:
    answers(net, "GET", answer)
    error = failure(api, "GET")
    assert len(net.calls) == 3
    assert "invalid response" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_html_on_get_shows_its_beginning_and_suspects_a_proxy(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"body": f"<html>Sign in, {CANARY} " + "x" * 5000, "content_type": "text/html"})
    error = failure(api, "GET")
    assert "<html>Sign in, ******** xxx" in str(error)
    assert "proxy" in error.hint


@pytest.mark.parametrize("answer", UNREADABLE)
@pytest.mark.parametrize("method", PAID)
def test_2xx_with_unreadable_body_on_post_is_ambiguous(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any], method: str
) -> None:
    answers(net, method, {"status": 201, **answer})
    failure(api, method, kind=Ambiguous)
    assert len(net.calls) == 1


@pytest.mark.parametrize("answer", UNREADABLE)
def test_2xx_with_any_body_on_delete_is_success(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any]
) -> None:
    answers(net, "DELETE", answer)
    assert api.call("DELETE", BIDS).data is None


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("packed", [False, True])
def test_response_over_the_cap(
    net: responses.RequestsMock, api: Transport, monkeypatch: pytest.MonkeyPatch, method: str, packed: bool
) -> None:
    monkeypatch.setattr(replies, "RESPONSE_CAP", 1 << 20)
    body = bomb(80 << 20) if packed else b" " * (2 << 20)
    assert not packed or len(body) < 1 << 20
    answers(net, method, {"body": body, "headers": {"Content-Encoding": "gzip"} if packed else {}})
    if method == "DELETE":
        assert api.call(method, BIDS).status == 200
        return
    error = failure(api, method, kind=Ambiguous if method == "POST" else CloudError)
    assert "larger than" in str(error)
    assert len(net.calls) == 1


def test_the_cap_is_64_mb() -> None:
    assert replies.RESPONSE_CAP == 64 * 1024 * 1024


def test_a_gzip_bomb_is_not_unpacked_beyond_the_cap(api: Transport) -> None:
    unpack = replies._unpacker("gzip")
    assert len(unpack(bomb(200 << 20))) == replies.RESPONSE_CAP + 1


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


# -- pages -----------------------------------------------------------------------------------------------------------


def page(rows: list[Any], cursor: object = None) -> dict[str, Any]:
    return {"json": {"data": rows, "next_cursor": cursor}}


def rows(*names: str) -> list[dict[str, str]]:
    return [{"fid": name} for name in names]


def test_pages_follow_the_cursor_and_drop_repeated_rows(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", page(rows("a", "b"), "c 1"), page(rows("b", "c"), 2), page([{"other": 1}, {"other": 1}], ""))
    found = list(api.pages(BIDS, {"project": "p"}))
    assert found == [rows("a", "b"), rows("c"), [{"other": 1}, {"other": 1}]]
    asked = [call.request.url.split("?")[1] for call in net.calls]
    assert asked == ["project=p", "project=p&next_cursor=c+1", "project=p&next_cursor=2"]


def test_a_bare_list_is_one_page(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"json": rows("a")})
    assert list(api.pages(BIDS)) == [rows("a")]


def test_rows_may_have_another_name(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"json": {"instances": rows("a"), "next_cursor": None}})
    assert list(api.pages(BIDS, rows="instances")) == [rows("a")]


@pytest.mark.parametrize("cursors", [["x", "x"], ["x", "y", "x"]])
def test_cursor_loop_fails(net: responses.RequestsMock, api: Transport, cursors: list[str]) -> None:
    answers(net, "GET", *[page(rows(str(n)), cursor) for n, cursor in enumerate(cursors)])
    with pytest.raises(CloudError, match="a page repeats"):
        list(api.pages(BIDS))
    assert len(net.calls) == len(cursors)


def test_a_cursor_is_never_followed_as_an_address(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", page([], "https://evil.test/?x=1"), page([]))
    list(api.pages(BIDS))
    assert net.calls[1].request.url == f"{API}{BIDS}?next_cursor=https%3A%2F%2Fevil.test%2F%3Fx%3D1"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": {}}, "data is not a list"),
        ({}, "data is not a list"),
        ("text", "it is not a list"),
        ({"data": [{"fid": "a"}, 3]}, r"data\[1\] is not an object"),
        ({"data": [], "next_cursor": True}, "next_cursor"),
        ({"data": [], "next_cursor": {"a": 1}}, "next_cursor"),
    ],
)
def test_wrong_schema_of_a_page_names_field_and_path(
    net: responses.RequestsMock, api: Transport, body: object, says: str
) -> None:
    answers(net, "GET", {"json": body})
    with pytest.raises(CloudError, match=f"GET {BIDS}: invalid response: {says}"):
        list(api.pages(BIDS))


# -- real sockets ----------------------------------------------------------------------------------------------------

Script = Callable[[socket.socket], None]


class Server:
    """A server on loopback: the n-th connection is handled by the n-th script, further ones by the last.

    `requests` holds what each connection received until its script began, `connections` counts them.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, reads: bool = True) -> None:
        self.scripts, self.tls, self.reads = scripts, tls, reads
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection, script), daemon=True).start()

    def _handle(self, connection: socket.socket, script: Script) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as plain:
                if self.reads:
                    self.requests.append(received(plain))
                script(plain)

    def close(self) -> None:
        self.stopped.set()
        self.listener.close()


def received(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (chunk := connection.recv(65536)):
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(text: str, *more: bytes) -> Script:
    """Sends an answer's head with `text` for status and headers, then `more`, then closes."""

    def script(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {text}\r\nConnection: close\r\n\r\n".encode())
        for part in more:
            connection.sendall(part)

    return script


OK = says("200 OK\r\nContent-Length: 2", b"[]")


def silent(connection: socket.socket) -> None:
    """Never answers; goes when the client goes."""
    connection.recv(1)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


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


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*scripts: Script, **options: Any) -> Server:
        servers.append(Server(*scripts, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


LOST: list[Script] = [
    silent,
    reset,
    says("nonsense"),
    lambda connection: None,
    reset_in_body,
    says("200 OK\r\nContent-Length: 1000", b"["),
    says("200 OK\r\nTransfer-Encoding: chunked", b"5\r\n[1,2"),
    says("200 OK\r\nTransfer-Encoding: chunked", b"zz\r\n"),
    says("200 OK\r\nContent-Encoding: gzip", gzip.compress(b"[1, 2, 3]")[:15]),
]
LOST_NAMES = [
    *("read_timeout", "reset", "no_http", "closed", "reset_mid_body", "truncated"),
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


def test_read_timeout_for_ever_fails_after_five_tries(serve: Callable[..., Server], times: Time) -> None:
    server = serve(silent)
    error = failure(transport(times, server.url, deadline=0.05), "GET")
    assert server.connections == 5
    assert str(error) == f"GET {BIDS}: no answer: timed out (5 tries)"


@pytest.mark.parametrize("script", [drip, drip_chunk])
def test_a_slow_endless_body_ends_at_the_deadline(serve: Callable[..., Server], script: Script) -> None:
    server = serve(script)
    started = time.monotonic()
    api = Transport(server.url, TOKEN, deadline=0.2, environ={}, wait=lambda seconds: None)
    failure(api, "POST", kind=Ambiguous)
    assert time.monotonic() - started < 10  # the script drips for ever


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


def test_connect_refused_is_tried_again_for_every_method(times: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for method in IDEMPOTENT + PAID:
        started = times.now
        times.waits.clear()
        error = failure(transport(times, f"http://127.0.0.1:{port}"), method, kind=Unreachable)
        assert str(error) == "cannot reach 127.0.0.1: Connection refused (5 tries)"
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
    started = times.now
    error = failure(transport(times), method, kind=Unreachable)
    assert "cannot reach api.example.test: timed out (2 tries)" in str(error)
    assert times.now - started < 30


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


# -- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with self-signed certificates: localhost.pem and wrong.pem, each with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("localhost", "localhost"), ("wrong", "other.test")):
        command = (
            f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={host} -addext subjectAltName=DNS:{host}"
        )
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return folder


def tls(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("name", "trusted"), [("localhost", None), ("wrong", "wrong")], ids=["self_signed", "wrong_host"]
)
def test_tls_error_is_not_repeated_and_sends_nothing(
    certificates: Path, serve: Callable[..., Server], times: Time, method: str, name: str, trusted: str | None
) -> None:
    server = serve(OK, tls=tls(certificates, name))
    environ = {"SSL_CERT_FILE": str(certificates / f"{trusted}.pem")} if trusted else {}
    error = failure(
        transport(times, f"https://localhost:{server.port}", environ=environ), method, body={}, kind=Unreachable
    )
    assert "cannot trust localhost: " in str(error)
    assert ("self" if trusted is None else "ostname") in str(error)
    assert "insecure" not in error.hint
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


# -- the environment, the origin, the proxy --------------------------------------------------------------------------


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


def test_cookies_are_not_kept(serve: Callable[..., Server], times: Time) -> None:
    server = serve(says("200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2", b"[]"))
    api = transport(times, server.url)
    api.call("GET", BIDS)
    api.call("GET", BIDS)
    assert b"ookie" not in server.requests[1]


def test_the_proxy_of_the_environment_is_used_for_https(serve: Callable[..., Server], times: Time) -> None:
    proxy = serve(says("407 Proxy Authentication Required\r\nContent-Length: 0"))
    url = f"http://me:{CANARY.replace('/', '%2F')}@127.0.0.1:{proxy.port}"
    error = failure(
        transport(times, token=Secret("another-token"), environ={"HTTPS_PROXY": url}), "POST", body={}, kind=Unreachable
    )
    assert "cannot reach api.example.test" in str(error)
    assert proxy.requests[0].startswith(b"CONNECT api.example.test:443 HTTP/1.")
    assert b"another-token" not in b"".join(proxy.requests)


@pytest.mark.parametrize("no_proxy", ["*", "example.test", ".example.test", "a, API.example.test ,b"])
def test_no_proxy_exempts_hosts(no_proxy: str) -> None:
    environ = {"https_proxy": "proxy.test:3128", "NO_PROXY": no_proxy}
    assert origin.proxies(environ, "api.example.test") == {}
    assert origin.proxies({**environ, "NO_PROXY": "ample.test"}, "api.example.test") == {
        "https": "http://proxy.test:3128"
    }


def test_loopback_needs_no_proxy() -> None:
    assert [origin.proxies({"HTTPS_PROXY": "http://p.test"}, host) for host in ("localhost", "127.0.0.1", "::1")] == [
        {}
    ] * 3


@pytest.mark.parametrize("url", ["socks5://p.test", "http://", "http://p.test:port", "ftp://p.test"])
def test_a_bad_proxy_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageProblem, match="HTTPS_PROXY"):
        Transport(API, TOKEN, environ={"HTTPS_PROXY": url})


def test_the_proxies_of_the_process_are_not_read_behind_our_back(
    serve: Callable[..., Server], times: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert transport(times, serve(OK).url, environ=None).call("GET", BIDS).data == []


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.mithril.ai", "https://api.mithril.ai"),
        ("https://API.mithril.ai/", "https://api.mithril.ai"),
        ("https://api.mithril.ai/v2", "https://api.mithril.ai"),
        ("https://api.mithril.ai/v2/", "https://api.mithril.ai"),
        ("https://proxy.test:8443/fcp/v2", "https://proxy.test:8443/fcp"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("http://localhost:5000", "http://localhost:5000"),
    ],
)
def test_the_base_url_has_one_form(url: str, base: str) -> None:
    assert Transport(url, TOKEN, environ={}).base_url == base


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.mithril.ai", "ftp://api.mithril.ai", "http://api.mithril.ai", "http://10.0.0.1", "http://0.0.0.0"),
        *("http://127.1", "http://2130706433", "http://localhost.evil.test", "https://", "https://[::1", "https://a:b"),
        *("https://a b", "https://a\n.test", "https://ä.test", "https://a_b.test\\@evil.test", "https://a.test?x=1"),
        *(
            "https://a.test/#x",
            "https://a.test/?",
            "https://a.test/../x y",
            "https://-a.test",
            f"https://{'a' * 64}.test",
        ),
    ],
)
def test_other_base_urls_are_wrong_usage(url: str) -> None:
    with pytest.raises(UsageProblem, match="API's URL"):
        Transport(url, TOKEN, environ={})


def test_a_base_url_with_a_password_is_refused_unseen() -> None:
    with pytest.raises(UsageProblem) as caught:
        Transport(f"https://me:{CANARY}@api.mithril.ai", TOKEN, environ={})
    assert CANARY not in f"{caught.value} {caught.value.hint}"


def test_localhost_must_be_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)), (2, 1, 6, "", ("10.1.2.3", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: elsewhere)
    with pytest.raises(UsageProblem, match="for this machine only"):
        Transport("http://localhost:1", TOKEN, environ={})


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_the_log_has_one_line_an_attempt_and_no_query_values(
    net: responses.RequestsMock, api: Transport, log: list[str]
) -> None:
    path = f"{BIDS}/bid_abc123"
    answers(net, "GET", {"status": 503}, {"json": [1], "headers": {"X-Request-Id": "r\x1b1"}}, path=path)
    api.call("GET", path, query={"name": "secret-name"})
    assert len(log) == 2
    assert log[0].startswith("GET /v2/spot/bids/{fid} -> 503 request_id=")
    assert re.fullmatch(
        r"GET /v2/spot/bids/\{fid\} -> 200 request_id=r\S+1 sent=0 B received=3 B elapsed=0.000 s", log[1]
    )
    assert "\x1b" not in log[1]
    assert "secret-name" not in "".join(log)


def test_the_canary_appears_nowhere(net: responses.RequestsMock, api: Transport, log: list[str]) -> None:
    plain = CANARY
    encoded = requests.utils.quote(CANARY, safe="")
    basic = base64.b64encode(f"user:{CANARY}".encode()).decode()
    echo = f"{plain} {encoded} {basic} {json.dumps(CANARY)}"
    for status in (200, 202, 302, 400, 401, 403, 404, 409, 422, 429, 500):
        for body in (echo, json.dumps({"detail": echo}), json.dumps({"held": {"proposal_id": echo}})):
            for method in ("GET", "POST"):
                net.reset()
                headers = {"X-Request-Id": plain, "Location": f"https://{plain}/", "Retry-After": plain}
                answers(net, method, {"status": status, "body": body, "headers": headers})
                with contextlib.suppress(CloudError):
                    try:
                        answer = api.call(method, BIDS)
                        assert_clean(repr(answer).replace(answer.request_id, ""))
                    except CloudError as error:
                        assert_clean(*shown_of(error))
                        raise
    for raised in (requests.exceptions.ConnectionError(echo), requests.exceptions.SSLError(echo)):
        net.reset()
        answers(net, "POST", {"body": raised})
        with pytest.raises(CloudError) as caught:
            api.call("POST", BIDS)
        assert_clean(*shown_of(caught.value))
    assert_clean(*log, repr(api), str(api))


def shown_of(error: CloudError) -> list[str]:
    chain: list[str] = []
    inner: BaseException | None = error
    while inner is not None:
        chain += [str(inner), repr(inner)]
        inner = inner.__cause__ or inner.__context__
    return [*chain, str(error.hint), str(error.detail), *traceback.format_exception(error)]


def assert_clean(*texts: str) -> None:
    basic = base64.b64encode(f"user:{CANARY}".encode()).decode()
    for text in texts:
        assert CANARY not in text
        assert requests.utils.quote(CANARY, safe="") not in text
        assert basic[8:-6] not in text


def test_further_secrets_are_hidden_too(net: responses.RequestsMock, times: Time) -> None:
    answers(net, "POST", {"status": 422, "json": {"detail": [{"loc": ["body", "password"], "msg": "is hunter2!"}]}})
    error = failure(transport(times, token=None, secrets=[Secret("hunter2")]), "POST", kind=Refused)
    assert error.detail == "password: is ********!"
    assert "Authorization" not in net.calls[0].request.headers


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_redaction_knows_base64_at_any_offset(before: str) -> None:
    text = base64.b64encode(f"{before}{CANARY}:after".encode()).decode()
    assert "********" in without(text, forms_of(CANARY))


def test_redaction_leaves_short_values_alone() -> None:
    assert forms_of("abc") == forms_of("") == []


# -- cost ------------------------------------------------------------------------------------------------------------


class Instant(BaseAdapter):
    def send(self, request: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        return local_answer(201, b'{"fid":"bid_1"}')

    def close(self) -> None:
        pass


def test_a_call_in_process_is_the_same_call(times: Time) -> None:
    api = transport(times, "http://localhost", adapter=Instant())
    assert api.in_process
    assert api.call("POST", BIDS, body={"name": "x"}, key="k").data == {"fid": "bid_1"}


def test_many_threads_may_call_at_once(times: Time) -> None:
    api = transport(times, adapter=Instant())
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda n: api.call("POST", BIDS, body={"n": n}).data, range(500)))
    assert found == [{"fid": "bid_1"}] * 500


def test_requests_is_imported_on_the_first_call_only() -> None:
    code = (
        "import sys; from flowplan.cloud.http.transport import Transport; from flowplan.printable import Secret;"
        "Transport('https://api.mithril.ai', Secret('x' * 9), environ={});"
        "sys.exit(any(name in sys.modules for name in ('requests', 'urllib3', 'ssl', 'http.client')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_wait_may_abandon_a_call(net: responses.RequestsMock, times: Time) -> None:
    class Stop(Exception):
        pass

    def wait(seconds: float) -> None:
        raise Stop

    answers(net, "GET", {"status": 503})
    with pytest.raises(Stop):
        transport(times, wait=wait).call("GET", BIDS)
    assert len(net.calls) == 1
