"""What a call sends, what it gives back, and what it costs."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import responses

from flowplan.cloud.asking import Asking
from flowplan.cloud.http.request import Outgoing, encode, segment
from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.transport import Transport
from flowplan.cloud.http.wire import Patience
from flowplan.errors import Refused, Unauthorized
from flowplan.secret import Secret
from tests.cloud.server import API, BIDS, CANARY, Time, answers, failure, local_answer, transport

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


def test_a_gateway_that_fails_does_not_say_what_time_it_is(net: responses.RequestsMock, api: Transport) -> None:
    late, now = {"Date": "Wed, 25 Nov 2026 08:00:05 GMT"}, {"Date": "Tue, 24 Nov 2026 08:00:05 GMT"}
    answers(net, "GET", *[{"status": 503, "headers": late}] * 3, {"json": [], "headers": now})
    api.call("GET", BIDS)
    assert api.server_time == datetime(2026, 11, 24, 8, 0, 5, tzinfo=UTC)


def test_without_a_date_the_time_is_this_machines_and_that_is_said(net: responses.RequestsMock, api: Transport) -> None:
    notes: list[str] = []
    asking = Asking(api, note=notes.append)
    assert abs((asking.time() - datetime.now(UTC)).total_seconds()) < 60 and notes == []  # nobody has been asked
    answers(net, "GET", {"json": []}, {"json": [], "headers": {"Date": "Tue, 24 Nov 2026 08:00:05 GMT"}})
    api.call("GET", BIDS)
    times = [asking.time(), asking.time()]
    assert all(abs((time - datetime.now(UTC)).total_seconds()) < 60 for time in times)
    assert notes == ["the API's answers have no Date header: what depends on the time goes by this machine's clock"]
    api.call("GET", BIDS)
    assert asking.time() == datetime(2026, 11, 24, 8, 0, 5, tzinfo=UTC)


# -- cost ------------------------------------------------------------------------------------------------------------


class Instant:
    def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        return local_answer(201, b'{"fid":"bid_1"}')

    def close(self) -> None:
        pass


def test_a_call_in_process_is_the_same_call(times: Time) -> None:
    api = transport(times, "http://localhost", wire=Instant())
    assert api.in_process
    assert api.call("POST", BIDS, body={"name": "x"}, key="k").data == {"fid": "bid_1"}


def test_many_threads_may_call_at_once(times: Time) -> None:
    api = transport(times, wire=Instant())
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda n: api.call("POST", BIDS, body={"n": n}).data, range(500)))
    assert found == [{"fid": "bid_1"}] * 500


def test_requests_is_imported_on_the_first_call_only() -> None:
    code = (
        "import sys; from flowplan.cloud.http.transport import Transport; from flowplan.secret import Secret;"
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
