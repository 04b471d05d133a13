"""Success that did nothing, and ids that come back: what is done is what is seen to be done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
import pytest
import responses

from flowplan.apply.creates import Creates, HalfDone
from flowplan.apply.options import Options
from flowplan.apply.patience import Patience
from flowplan.apply.updates import Updates
from flowplan.backends.local import LocalStore
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.meaning import Answer
from flowplan.cloud.http.transport import Transport
from flowplan.errors import CloudError, FlowplanError, Refused, StateError, Unauthorized
from flowplan.model.address import Address
from flowplan.operations import recover
from flowplan.secret import Secret
from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL
from tests.builders import bid, bound, change
from tests.conftest import APPLY, BID, DESTROY, VOLUME, Place, Result, bid_id, live_ids, lose_addresses, many

API = "https://api.example.test"
ONE_BID, ONE_VOLUME = "/v2/spot/bids/bid_*", "/v2/volumes/vol_*"
NOTHING = {"status": 200, "body": "{}"}
PAUSED = many(1) + "paused: true\n"


@pytest.fixture(autouse=True)
def _patience_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.apply.patience.ENDING", 0.2)


def lies(place: Place, route: str, does: str = "status", **fault: Any) -> None:
    """From now on `route` is answered so, and nothing is done."""
    with place.simulator() as simulator:
        simulator.faults.add(route, does, **{"times": None, **fault})  # type: ignore[arg-type]


def is_honest_again(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.clear()


def told(result: Result) -> str:
    return " ".join(f"{result.out} {result.err}".split())


def volumes(place: Place) -> list[str]:
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    return [one["fid"] for one in json.loads(place.call("GET", f"/v2/volumes?project={project}").body)]


def placed(place: Place) -> dict[str, Any]:
    [found] = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    assert isinstance(found, dict)
    return found


def held(place: Place) -> dict[str, Any]:
    """What the state has applied, by address."""
    body = json.loads((place.path / "flowplan.state.json").read_text())
    return {one["address"]: one["applied"] for one in body["resources"]}


# ---- deletions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_deletion_that_is_only_answered_leaves_the_volume_in_the_state(applied: Place, status: int) -> None:
    """It would be stored, and paid for, and no plan would know of it."""
    lies(applied, f"DELETE {ONE_VOLUME}", status=status, body="")
    done = applied.run(*DESTROY)
    assert done.code == 1, done
    assert "answered with success, but it is not listed as deleted" in told(done)
    assert VOLUME in held(applied)
    assert len(volumes(applied)) == 1
    is_honest_again(applied)
    assert applied.run(*DESTROY).code == 0
    assert volumes(applied) == [] and held(applied) == {}


def test_a_deletion_that_is_only_answered_once_is_told_again(applied: Place) -> None:
    lies(applied, f"DELETE {ONE_VOLUME}", status=204, times=1)
    assert applied.run(*DESTROY).code == 0
    assert volumes(applied) == [] and held(applied) == {}


def test_a_project_that_is_not_found_after_a_lie_is_no_deleted_volume(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies(applied, f"DELETE {ONE_VOLUME}", status=204, body="")
    real = Fcp.deleted_volumes

    def look(cloud: Fcp) -> frozenset[str]:
        found = real(cloud)
        lies(applied, "GET /v2/volumes", status=404, body='{"detail": "Project not found"}')
        return found

    monkeypatch.setattr(Fcp, "deleted_volumes", look)
    done = applied.run(*DESTROY)
    assert (done.code, "not found (404" in told(done)) == (1, True), done
    assert VOLUME in held(applied)


def test_what_took_the_volume_after_a_lie_keeps_it(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first deletion and the second, a colleague began to use it."""
    lies(applied, f"DELETE {ONE_VOLUME}", status=204, times=1)
    real, mine = Fcp.delete_volume, placed(applied)
    body = {name: mine[name] for name in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    body |= {"name": "theirs", "launch_specification": mine["launch_specification"] | {"startup_script": "#!/bin/sh"}}

    def delete(cloud: Fcp, id: str, **how: Any) -> None:
        real(cloud, id, **how)
        if volumes(applied):
            assert applied.call("POST", "/v2/spot/bids", json.dumps(body).encode()).status == 201

    monkeypatch.setattr(Fcp, "delete_volume", delete)
    done = applied.run(*DESTROY)
    assert done.code == 1, done
    assert "uses it now" in told(done)
    assert len(volumes(applied)) == 1 and VOLUME in held(applied)


def test_a_replacement_begins_only_once_the_old_volume_is_gone(applied: Place) -> None:
    [old] = volumes(applied)
    lies(applied, f"DELETE {ONE_VOLUME}", status=204)
    done = applied.run(*APPLY, "--replace", VOLUME, "--allow-volume-destroy", "*")
    assert done.code == 1, done
    assert volumes(applied) == [old] and VOLUME in held(applied)
    assert live_ids(applied) == []


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_cancellation_that_is_only_answered_leaves_the_bid_in_the_state(applied: Place, status: int) -> None:
    lies(applied, f"DELETE {ONE_BID}", status=status, body="")
    assert applied.run(*DESTROY, "--timeout", "1s").code == 1
    assert BID in held(applied)


def test_a_cancellation_that_is_only_answered_once_is_told_again(applied: Place) -> None:
    """A login page with 200, say: the bid would run, and cost money, until somebody destroys it again."""
    lies(applied, f"DELETE {ONE_BID}", status=200, body="<html>Please log in</html>", times=1)
    assert applied.run(*DESTROY, "--timeout", "10s").code == 0
    assert live_ids(applied) == [] and held(applied) == {}


def test_a_second_cancellation_that_is_refused_is_no_failure(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ending, and the API may say that to whoever asks again."""
    real, calls = Fcp.cancel_bid, list[str]()

    def cancel(cloud: Fcp, id: str, *, before: Callable[[], None]) -> None:
        calls.append(id)
        if len(calls) == 3:
            real(cloud, id)
        elif len(calls) == 2:
            raise Refused("it is ending", status=409)

    monkeypatch.setattr(Fcp, "cancel_bid", cancel)
    assert applied.run(*DESTROY, "--timeout", "10s").code == 0
    assert live_ids(applied) == [] and len(calls) == 3


@pytest.mark.parametrize("command", ["destroy", "recover"])
def test_bids_that_are_slow_to_end_hold_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The first two end only once the third is cancelled, too: each costs money until somebody asks for its end."""
    place.write(many(3))
    place.ok(*APPLY)
    real, waiting = Fcp.cancel_bid, list[str]()

    def cancel(cloud: Fcp, id: str, *, before: Callable[[], None]) -> None:
        waiting.append(id)
        before()
        for one in waiting if len(waiting) == 3 else ():
            real(cloud, one)

    monkeypatch.setattr(Fcp, "cancel_bid", cancel)
    monkeypatch.setattr("flowplan.apply.patience.POLLS", (0.01,))
    if command == "recover":
        ids = live_ids(place)
        lose_addresses(place, *(f"{kind}.task-00{n}" for kind in ("bid", "ports") for n in range(3)))
        monkeypatch.setattr(recover, "Options", partial(Options, parallelism=1, timeout=10.0))
        done = place.run("recover", *(word for id in ids for word in ("--cancel", id)))
        assert (done.code, live_ids(place)) == (0, []), done
        return
    done = place.run(*DESTROY, "--parallelism", "1", "--timeout", "10s")
    assert (done.code, live_ids(place), held(place)) == (0, [], {}), done


# ---- changes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        NOTHING,
        {"status": 200, "body": '{"detail": "ok"}'},
        {"status": 200, "body": "[]"},
        {"status": 202, "body": '{"fid": "bid_other", "status": "Paused"}'},
        {"status": 204, "body": ""},
    ],
)
def test_a_bid_that_was_to_be_paused_and_runs_on_is_no_success(place: Place, lie: dict[str, Any]) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    place.write(PAUSED)
    lies(place, f"PATCH {ONE_BID}", **lie)
    done = place.run(*APPLY)
    assert done.code == 1, done
    assert "answered with success, but paused is false, not true" in told(done)
    assert held(place)["bid.task-000"]["paused"] is False
    is_honest_again(place)
    place.ok(*APPLY)
    assert placed(place)["status"] == "Paused"


def test_a_bid_that_is_placed_to_be_paused_and_runs_is_no_success(place: Place) -> None:
    place.write(PAUSED)
    lies(place, f"PATCH {ONE_BID}", **NOTHING)
    done = place.run(*APPLY)
    assert done.code == 1, done
    assert "placed, but it could not be paused" in told(done)
    assert held(place)["bid.task-000"]["paused"] is False


def test_a_bid_that_was_to_run_again_and_stands_is_no_success(place: Place) -> None:
    place.write(PAUSED)
    place.ok(*APPLY)
    place.write(many(1))
    lies(place, f"PATCH {ONE_BID}", **NOTHING)
    done = place.run(*APPLY)
    assert done.code == 1, done
    assert "paused is true, not false" in told(done)


def test_a_limit_that_was_not_changed_is_no_success(place: Place) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    place.write(many(1, price="9.50"))
    lies(place, f"PATCH {ONE_BID}", **NOTHING)
    done = place.run(*APPLY)
    assert done.code == 1, done
    assert "limit_price is 17.92, not 9.50" in told(done)


def test_an_answer_with_another_limit_is_looked_at_again(place: Place) -> None:
    """It may be a cached one: the bid itself tells. When that agrees with the answer, nobody approved of it."""
    place.write(many(1))
    place.ok(*APPLY)
    place.write(many(1, price="18.00"))
    lies(place, f"PATCH {ONE_BID}", "edited", put={"limit_price": "$99.00"})
    place.ok(*APPLY)
    place.write(many(1, price="19.00"))
    lies(place, f"GET {ONE_BID}", "edited", put={"limit_price": "$99.00"})
    done = place.run(*APPLY)
    assert done.code == 1, done
    assert "limit_price is 99.00, not 19.00" in told(done)


def test_a_change_whose_answers_are_lost_is_not_done_because_the_bid_does_not_tell(place: Place) -> None:
    """Its volumes were to go. A launch specification that is missing reads as if it had none."""
    place.write(many(1))
    place.ok(*APPLY)
    id = placed(place)["fid"]
    lies(place, f"PATCH {ONE_BID}", "timeout")
    lies(place, f"GET {ONE_BID}", "edited", put={"launch_specification": {"ssh_keys": [], "volumes": None}})
    cloud = Fcp(Transport(SIMULATOR_URL, Secret(SIMULATOR_KEY), wire=place.wire()), parallelism=1)
    before, after = bid("task-000", volumes=("vol_x",), paused=True), bid("task-000", paused=True)
    update = change("update", before, after, Address.parse(BID), id=id)
    with pytest.raises(CloudError):
        Updates(cloud, Patience(Clock(pause=lambda _: None), 1.0), lambda: None).update(update, after)


def test_what_neither_the_answer_nor_the_bid_tells_is_no_difference(place: Place) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    place.write(many(1, price="18.00"))
    for method in ("PATCH", "GET"):
        lies(place, f"{method} {ONE_BID}", "edited", drop=("limit_price",))
    place.ok(*APPLY)


def test_an_answer_that_tells_it_needs_no_further_look(place: Place) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    place.write(many(1, price="18.00"))
    lies(place, f"GET {ONE_BID}", status=500)
    place.ok(*APPLY)


@pytest.mark.parametrize("error", [StateError("the lock is lost"), Unauthorized("no"), CloudError("no")])
def test_what_was_placed_is_known_whatever_keeps_it_from_being_paused(error: FlowplanError) -> None:
    """Else the journal would say that nothing was made."""

    def forbid() -> None:
        raise error

    made = bound(Address.parse(BID), "bid_1", bid(paused=True))
    cloud = Fcp(Transport(API, None, environ={}))
    with pytest.raises(HalfDone) as caught:
        updates = Updates(cloud, Patience(Clock(), 1.0), forbid)
        Creates(cloud, Clock(), updates, lambda _: None, "l").paused(made, bid(paused=True))
    assert caught.value.binding == attrs.evolve(made, applied=bid())
    assert isinstance(caught.value.error, type(error)), "what ends a run must end it here, too"


# ---- --wait -------------------------------------------------------------------------------------------------


def test_as_many_must_run_as_were_asked_for_also_where_nobody_tells_how_many(place: Place) -> None:
    task = many(1).replace("resources_specification: {", "resources_specification: {num_instances: 2, ")
    place.write(task.replace("size: 1,", "size: 1, disk_interface: File,"))
    place.ok(*APPLY)
    with place.simulator() as simulator:
        simulator.advance(3600)
        row = json.loads(place.call("GET", f"/v2/instances?project={placed(place)['project']}").body)["data"][0]
        page = json.dumps({"data": [row], "next_cursor": None})
        simulator.faults.add("GET /v2/spot/bids", "edited", nth=2, drop=("instance_quantity",), times=None)
        simulator.faults.add("GET /v2/instances", "status", status=200, body=page, times=None)
    assert row["status"] == "STATUS_RUNNING"
    done = place.run(*APPLY, "--wait", "running", "--timeout", "1s")
    assert done.code == 1, done
    assert "its instances are not running" in told(done)


# ---- ids that come back -----------------------------------------------------------------------------------------


def remembered_as_ended(place: Place, *ids: str) -> None:
    store = LocalStore(place.path / "flowplan.state.json")
    with place.simulator() as simulator:
        now = simulator.now().timestamp()
    store.save(attrs.evolve(store.read().state, ended=dict.fromkeys(ids, now)))


def test_what_the_state_binds_is_not_hidden_as_ended(applied: Place) -> None:
    """It was taken for ended, and imported since: bought again, it would be there twice."""
    remembered_as_ended(applied, bid_id(applied), *volumes(applied))
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_an_imported_bid_that_came_back_is_not_bought_again(applied: Place) -> None:
    id = bid_id(applied)
    applied.ok("state", "rm", BID)
    remembered_as_ended(applied, id)
    applied.ok("import", BID, id)
    applied.ok(*APPLY)
    assert live_ids(applied) == [id]


@pytest.mark.parametrize("kind", ["volumes", "spot/bids"])
def test_an_answer_with_an_id_that_this_stack_has_ended_is_not_taken(place: Place, kind: str) -> None:
    """A proxy that kept an answer of yesterday: what was made is looked for."""
    place.write(many(1))
    place.ok(*APPLY)
    old = volumes(place)[0] if kind == "volumes" else live_ids(place)[0]
    place.ok(*DESTROY)
    lies(place, f"POST /v2/{kind}", "edited", put={"fid": old}, drop=("launch_specification",))
    done = place.run(*APPLY)
    assert done.code == 0, done
    assert f"the answer is about {old}, which was ended by this stack before" in told(done)
    assert old not in [one["id"] for one in json.loads((place.path / "flowplan.state.json").read_text())["resources"]]
    assert len(live_ids(place)) == 1
    assert place.run("plan", "--detailed-exitcode").code == 0


# ---- credentials --------------------------------------------------------------------------------------------------


class Expiring:
    """A login: its second token takes its time."""

    def __init__(self, events: list[str]) -> None:
        self.events, self.token = events, "one"

    def __call__(self) -> Secret:
        self.events.append(f"token {self.token}")
        return Secret(self.token)

    def renew(self, refused: str) -> None:
        assert refused == "one"
        self.token = "two"


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.mark.parametrize(("status", "detail"), [(401, "expired"), (409, "needs_reauth")])
def test_what_is_announced_is_sent_at_once(net: responses.RequestsMock, status: int, detail: str) -> None:
    """Waiting for a login after the announcement, a create would be sent when nobody counts on it any more."""
    events: list[str] = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        events.append("sent " + request.headers["Authorization"].removeprefix("Bearer "))
        expired = request.headers["Authorization"] == "Bearer one"
        return (status, {}, json.dumps({"detail": detail})) if expired else (201, {}, '{"fid": "bid_1"}')

    net.add_callback("POST", f"{API}/v2/spot/bids", callback=answer)
    announce: Callable[[], None] = lambda: events.append("announced")  # noqa: E731
    api = Transport(API, Expiring(events), environ={})
    assert isinstance(api.call("POST", "/v2/spot/bids", body={"name": "x"}, before=announce), Answer)
    assert events == ["token one", "announced", "sent one", "token two", "announced", "sent two"]
