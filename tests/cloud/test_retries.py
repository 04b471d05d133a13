"""What is tried again, after how long, and what is not: 429 and 5xx."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import responses

from flowplan.cloud.http import response as replies
from flowplan.cloud.http import transport as http
from flowplan.cloud.http.request import Outgoing
from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.throttle import Gate
from flowplan.cloud.http.transport import Caller, Timing, Transport
from flowplan.cloud.http.wire import Patience
from flowplan.errors import Ambiguous, Refused
from tests.cloud.server import API, BIDS, IDEMPOTENT, PAID, TOKEN, Time, answers, failure, local_answer, transport

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


@pytest.mark.parametrize(("value", "refusals", "ends"), [("1", 4, True), ("1", 5, False), ("9", 2, False)])
def test_what_is_tried_twice_gets_its_turn_in_a_crowd_and_is_not_waited_for_long(
    net: responses.RequestsMock, api: Transport, value: str, refusals: int, ends: bool
) -> None:
    """A bill is one of eight lists that are read side by side: a server that takes two calls a second refuses most."""
    refused = {"status": 429, "headers": {"Retry-After": value}}
    answers(net, "GET", *[refused] * refusals, {"json": []})
    if ends:
        assert api.call("GET", BIDS, most=2).status == 200
    else:
        assert failure(api, "GET", kind=Refused, most=2).status == 429
    assert len(net.calls) == refusals + ends


def test_what_is_tried_twice_is_tried_no_more_often_for_another_reason(
    net: responses.RequestsMock, api: Transport
) -> None:
    answers(net, "GET", {"status": 429, "headers": {"Retry-After": "1"}}, {"status": 503}, {"json": []})
    assert failure(api, "GET", most=2).status == 503
    assert len(net.calls) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("value", ["61", "120", "9" * 400])
def test_429_with_more_than_a_minute_fails_at_once_and_names_it(
    net: responses.RequestsMock, api: Transport, times: Time, method: str, value: str
) -> None:
    answers(net, method, {"status": 429, "headers": {"Retry-After": value}})
    error = failure(api, method, kind=Refused)
    assert not times.waits
    assert len(net.calls) == 1
    assert f"asks you to wait {min(float(value), 1e9):.0f} s" in str(error)


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


@pytest.mark.parametrize(("seconds", "told"), [(30, 1), (3, 0)])
def test_who_waits_because_the_api_asks_for_it_is_told_once(
    net: responses.RequestsMock, times: Time, seconds: int, told: int
) -> None:
    answers(net, "GET", *[{"status": 429, "headers": {"Retry-After": str(seconds)}}] * 3, {"json": []})
    said = list[str]()
    api = transport(times, note=said.append)
    for _ in range(2):
        assert api.call("GET", BIDS).status == 200
    wait = (
        f"the API says that it is asked too often (429), and to wait {seconds} s: flowplan waits, and goes on by itself"
    )
    assert said == [wait] * told


@pytest.mark.parametrize(("seconds", "told"), [(12.0, 1), (9.0, 0)])
def test_who_waits_for_attempts_in_vain_is_told_once(times: Time, seconds: float, told: int) -> None:
    """An answer that drips takes half a minute, three times, call by call: it looked as if nothing went on."""

    class Slow:
        def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
            times.now += seconds
            return local_answer(503, b"{}")

        def close(self) -> None:
            pass

    said = list[str]()
    api = transport(times, note=said.append, wire=Slow())
    for _ in range(2):
        failure(api, "GET")
    assert said == [f"GET {BIDS} failed after {seconds:.0f} s: flowplan asks again"] * told


class Limited:
    """A server in this process that takes `rate` requests a second and refuses the others."""

    def __init__(self, clock: Callable[[], float], rate: float) -> None:
        self.clock, self.rate = clock, rate
        self.tokens, self.last, self.lock = rate, clock(), threading.Lock()
        self.executed: list[bytes] = []

    def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        with self.lock:
            now = self.clock()
            self.tokens = min(self.rate, self.tokens + (now - self.last) * self.rate)
            self.last = now
            if self.tokens >= 1:
                self.tokens -= 1
                self.executed.append(request.body or b"")
                answer = local_answer(201, b"{}")
            else:
                answer = local_answer(429, b"{}", {"retry-after": "1"})
        time.sleep(0.005)  # the way back: others are under way meanwhile
        return answer

    def close(self) -> None:
        pass


def test_429_ten_workers_share_a_narrow_door_and_every_post_is_executed_once() -> None:
    def clock() -> float:
        return time.monotonic() * 20  # 20 times faster than life

    server = Limited(clock, rate=2)
    api = Transport(
        API,
        TOKEN,
        wire=server,
        caller=Caller(wait=lambda seconds: time.sleep(seconds / 20)),
        timing=Timing(clock=clock),
    )
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


def test_who_sends_nothing_takes_no_turn(times: Time) -> None:
    """After a 429 turns are few: of ten deletions that wait too long for theirs, eight would use up those of others."""
    gate = Gate(times.clock, times.wait)
    gate.close(5)
    for _ in range(10):
        with pytest.raises(ConnectionError), gate:
            raise ConnectionError("nothing was sent")
    with gate:
        assert times.now == 1005
    with gate:
        assert times.now > 1005


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
    assert "asks you to wait 3600 s" in str(failure(api, "PUT"))


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
