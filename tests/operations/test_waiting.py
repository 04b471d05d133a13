"""--wait says the truth at its end; a token that expires is renewed; a number that is none is wrong usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import click
import pytest
import responses

from flowplan.cli import COMMANDS, main
from flowplan.cloud.credentials import Login, find, token
from flowplan.cloud.http.transport import Transport
from flowplan.errors import CloudError, Unauthorized
from tests.conftest import Place, live_ids, many
from tests.operations.jobs import STACK

API = "https://api.example.test"
LOGIN_ENVIRONMENT = {"FOUNDRY_EMAIL": "me@example.test", "FOUNDRY_PASSWORD": "CANARY-password"}
WAIT = ("apply", "--auto-approve", "--wait", "running", "--timeout", "1h")


# ---- --wait -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 501])
def test_a_look_that_fails_is_no_success(place: Place, status: int) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances", "status", status=status, body='{"detail": "no"}', times=None)
    done = place.run(*WAIT)
    assert done.code == 1, done
    said = " ".join(done.err.split())
    assert "placed, but flowplan could not check whether it runs" in said
    assert "hint: the plan itself is carried out: `flowplan status` shows what became of it" in said
    assert len(live_ids(place)) == 1
    assert "bid.task-000" in place.ok("state", "list")


@pytest.mark.parametrize("json_to", ["stdout", "a file"])
def test_a_job_that_is_tried_again_waits_for_what_it_placed_before(place: Place, json_to: str) -> None:
    """A plan that changes nothing has no step for the bid: the events call it what is done, waiting."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances", "status", status=403, body='{"detail": "no"}', times=None)
    done = place.run(*WAIT, "--json" if json_to == "stdout" else "--json=events")
    assert done.code == 1, done
    lines = done.out if json_to == "stdout" else (place.path / "events").read_text()
    events = [json.loads(line) for line in lines.splitlines()]
    errored = [(one["address"], one["action"]) for one in events if one["type"] == "apply_errored"]
    assert errored == [("bid.task-000", "waiting")]
    assert (events[-1]["type"], events[-1]["failed"], events[-1]["exit_code"]) == ("summary", 1, 1)
    assert "hint: the plan itself is carried out" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ({"status": "Terminated", "deactivated_at": "2026-11-02T09:00:00Z"}, "somebody cancelled it"),
        ({"status": "Cancelled", "deactivated_at": "2026-11-02T09:00:00Z"}, "somebody cancelled it"),
        ({"status": "Paused"}, "somebody paused it"),
    ],
)
def test_what_will_not_run_is_not_waited_for(place: Place, put: dict[str, str], says: str) -> None:
    """An hour would be waited for otherwise."""
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "edited", nth=2, put=put, times=None)
    done = place.run(*WAIT)
    assert done.code == 1, done
    assert says in " ".join(done.err.split())


def test_a_bid_that_no_list_shows_yet_is_asked_for_by_its_id(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=3600)
    done = place.run("apply", "--auto-approve", "--wait", "allocated", "--timeout", "1h")
    assert done.code == 0, done


@pytest.mark.parametrize("how", ["--wait", "until"])
def test_a_bid_that_shows_nowhere_yet_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """What answers lags, be it asked for a list or for the id."""
    monkeypatch.setattr("flowplan.apply.waits._INTERVAL", 0.01)
    monkeypatch.setattr("flowplan.apply.gates.SHORTEST", 0.01)
    place.write(many(1) if how == "--wait" else STACK.replace("terminated", "allocated"))
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=3600)
        missing = '{"detail": "Bid not found"}'
        simulator.faults.add("GET /v2/spot/bids/*", "status", status=404, body=missing, times=2)
    options = ("--wait", "allocated") if how == "--wait" else ()
    done = place.run("apply", "--auto-approve", *options, "--timeout", "1h")
    assert done.code == 0, done
    if how == "until":
        waits = "bid.train waits for bid.preprocess, which is not shown yet, to be allocated"
        moves = "; in the simulator, `flowplan simulator advance` moves the time"  # or half an hour passes for nothing
        assert waits + moves in " ".join(done.err.split())


# ---- tokens ---------------------------------------------------------------------------------------------------


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def expiring(net: responses.RequestsMock, valid: str = "bearer-2") -> None:
    """Each login gives the next token; only `valid` is accepted."""
    count = iter(range(1, 100))

    def login(_: object) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps({"access_token": f"bearer-{next(count)}"})

    def answer(request: object) -> tuple[int, dict[str, str], str]:
        accepted = request.headers["Authorization"] == f"Bearer {valid}"  # type: ignore[attr-defined]
        return (200, {}, "{}") if accepted else (401, {}, '{"detail": "token expired"}')

    net.add_callback("POST", f"{API}/login", callback=login)
    for method in ("GET", "POST", "DELETE"):
        net.add_callback(method, f"{API}/v2/spot/bids", callback=answer)


def sent(net: responses.RequestsMock, path: str) -> int:
    return sum(str(call.request.url).endswith(path) for call in net.calls)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_token_that_expires_is_renewed_and_the_call_repeated(net: responses.RequestsMock, method: str) -> None:
    expiring(net)
    asked: list[str] = []
    api = Transport(API, token(find(LOGIN_ENVIRONMENT), API, environ={}), environ={})
    body = {"name": "x"} if method == "POST" else None
    api.call(method, "/v2/spot/bids", body=body, before=lambda: asked.append("lock"))
    assert (sent(net, "/login"), sent(net, "/v2/spot/bids"), len(asked)) == (2, 2, 2)
    first, second = (call.request for call in net.calls if str(call.request.url).endswith("/bids"))
    assert first.body == second.body
    assert {"bearer-1", "bearer-2"} <= set(api.hidden)


def test_many_workers_renew_it_once(net: responses.RequestsMock) -> None:
    expiring(net)
    api = Transport(API, token(find(LOGIN_ENVIRONMENT), API, environ={}), environ={}, parallelism=8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.call("GET", "/v2/spot/bids"), range(32)))
    assert sent(net, "/login") == 2


def test_a_fresh_token_that_is_refused_ends_it(net: responses.RequestsMock) -> None:
    expiring(net, valid="none of them")
    api = Transport(API, token(find(LOGIN_ENVIRONMENT), API, environ={}), environ={})
    with pytest.raises(Unauthorized):
        api.call("POST", "/v2/spot/bids", body={})
    assert (sent(net, "/login"), sent(net, "/v2/spot/bids")) == (2, 2)


def test_a_renewal_that_fails_says_so_and_sends_nothing_again(net: responses.RequestsMock) -> None:
    net.add("POST", f"{API}/login", json={"access_token": "bearer-1"})
    net.add("POST", f"{API}/login", status=403, json={"detail": "locked CANARY-password"})
    net.add("POST", f"{API}/v2/spot/bids", status=401, json={"detail": "expired"})
    api = Transport(API, token(find(LOGIN_ENVIRONMENT), API, environ={}), environ={})
    with pytest.raises(CloudError, match="login failed") as caught:
        api.call("POST", "/v2/spot/bids", body={})
    assert "CANARY" not in str(caught.value)
    assert sent(net, "/v2/spot/bids") == 1


def test_an_api_key_is_never_renewed(net: responses.RequestsMock) -> None:
    net.add("GET", f"{API}/v2/spot/bids", status=401, json={"detail": "no"})
    found = token(find({"FOUNDRY_API_KEY": "fkey_x"}), API, environ={})
    assert not isinstance(found, Login)
    with pytest.raises(Unauthorized):
        Transport(API, found, environ={}).call("GET", "/v2/spot/bids")
    assert len(net.calls) == 1


# ---- numbers --------------------------------------------------------------------------------------------------

NUMBERS = ("nan", "inf", "-inf", "-1", "1e999", "", "x")
ARGUMENTS = {
    ("import",): ["bid.x", "bid_x"],
    ("force-unlock",): ["x"],
    ("state", "show"): ["bid.x"],
    ("state", "rm"): ["bid.x"],
    ("state", "mv"): ["bid.x", "bid.y"],
    ("state", "push"): ["f.json"],
    ("simulator", "advance"): ["1h"],
}
DURATIONS = ("lock_timeout", "timeout", "horizon", "history", "what_if")


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from (((name, one), sub) for one, sub in command.commands.items())
        else:
            yield (name,), command


def numbers() -> list[tuple[tuple[str, ...], str]]:
    """Every option of every command that takes a number or a length of time."""
    return [
        (name, parameter.opts[0])
        for name, command in commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.is_flag
        if parameter.name in DURATIONS or isinstance(parameter.type, click.types.FloatParamType)
    ]


def test_the_options_that_take_numbers_are_found() -> None:
    assert {option for _, option in numbers()} >= {"--settle-window", "--timeout", "--lock-timeout", "--horizon"}


@pytest.mark.parametrize(
    ("command", "option"), numbers(), ids=lambda one: one if isinstance(one, str) else " ".join(one)
)
def test_a_number_that_is_none_is_wrong_usage_everywhere(place: Place, command: tuple[str, ...], option: str) -> None:
    place.write(many(1))
    more = ARGUMENTS.get(command, [])
    for value in NUMBERS:
        done = place.run(*command, *more, f"{option}={value}")
        assert done.code == 64, (value, done)
    assert place.ledger() == []


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "x"])
def test_a_settle_window_of_the_environment_is_held_to_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    place.write(many(1))
    monkeypatch.setenv("FLOWPLAN_SETTLE_WINDOW", value)
    assert place.run("apply", "--auto-approve").code == 64
    assert place.ledger() == []
