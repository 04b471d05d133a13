"""What says that something is over, or that it runs: a moment, an object named, as many machines as were asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable

import attrs
import pytest

from flowplan.backends.local import LocalStore
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.meaning import Call
from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.transport import Transport
from flowplan.errors import CloudError, NotFound
from flowplan.model.live import Live
from flowplan.printable import shown
from flowplan.secret import Secret
from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL
from flowplan.state.state import ENDED_FOR, lately
from tests.conftest import DESTROY, VOLUME, Place, bid_id

PATH = "/v2/spot/bids/bid_x"
NO_MOMENT = ["", False, 0, [], {}, "null", "never", True, 3]
JOB = (
    "name: job\nnum_instances: 2\nresources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"
    "task_management: {utility_threshold_price: 17.92}\n"
)


def edit(place: Place, route: str, **put: object) -> None:
    """From now on every object in the answers to `route` has these fields."""
    with place.simulator() as simulator:
        simulator.faults.add(route, "edited", put=put, times=None)


def answer(place: Place, route: str, data: object) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(route, "status", status=200, body=json.dumps(data), times=None)


def answer_again(place: Place) -> None:
    """What is so, from now on."""
    with place.simulator() as simulator:
        simulator.faults.clear()


def project_of(place: Place) -> str:
    id: str = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    return id


def client(place: Place) -> Fcp:
    return Fcp(Transport(SIMULATOR_URL, Secret(SIMULATOR_KEY), wire=place.wire()), parallelism=1)


# ---- deleted_at, deactivated_at -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", NO_MOMENT)
def test_a_volume_whose_deletion_has_no_moment_is_there(applied: Place, value: object) -> None:
    """Taken for deleted, it would be made again: the bid cancelled and bought again, the data left behind."""
    edit(applied, "GET /v2/volumes", deleted_at=value)
    before = applied.ledger()
    assert "No changes" in applied.ok("apply", "--auto-approve")
    assert applied.ledger() == before


@pytest.mark.parametrize("value", NO_MOMENT)
def test_a_deletion_is_proved_by_a_moment_only(applied: Place, value: object) -> None:
    """The list of what is there does not have it (it lags), and the one with the deleted ones has no moment."""
    rows = json.loads(applied.call("GET", f"/v2/volumes?project={project_of(applied)}").body)
    cloud = client(applied)
    cloud.enter(project_of(applied))
    answer(applied, "GET /v2/volumes", [row | {"deleted_at": value} for row in rows])
    ids = [row["fid"] for row in rows]
    with pytest.raises(CloudError, match="nothing proves that it is gone"):
        cloud.look_again(Live(), [], ids)
    answer_again(applied)
    answer(applied, "GET /v2/volumes", [row | {"deleted_at": "2026-11-02T09:00:00Z"} for row in rows])
    assert cloud.look_again(Live(), [], ids).gone == set(ids)


def test_a_volume_that_is_read_when_it_is_asked_for_is_what_the_list_says_of_it(applied: Place) -> None:
    """Rows about one volume are one: a user in either is a user. A row that does not say what it is about could be
    about any, so that the list tells nothing."""
    (row,) = json.loads(applied.call("GET", f"/v2/volumes?project={project_of(applied)}").body)
    rows = [row, row | {"bids": ["bid_other"]}, row | {"fid": "vol_odd", "bids": None}, row | {"fid": "vol_late"}]
    cloud = client(applied)
    cloud.enter(project_of(applied))
    answer(applied, "GET /v2/volumes", [*rows[:3], rows[3] | {"deleted_at": "2026-11-02T09:00:00Z"}])
    found = cloud.volumes()
    assert list(found) == [row["fid"], "vol_odd"]
    assert found == cloud.live().volumes
    assert {"bid_other", *row["bids"]} <= set(found[row["fid"]].users)
    assert found["vol_odd"].users_unreported
    assert "vol_late" not in found
    answer_again(applied)
    answer(applied, "GET /v2/volumes", [row, {"name": "somebody's"}])
    with pytest.raises(CloudError, match="fid"):
        cloud.volumes()


@pytest.mark.parametrize("value", NO_MOMENT)
def test_and_is_deleted_by_destroy(applied: Place, value: object) -> None:
    volume = applied.ok("state", "show", VOLUME).split("(")[1].split(")")[0]
    edit(applied, "GET /v2/volumes", deleted_at=value)
    assert applied.run(*DESTROY).code == 0
    assert ("DELETE", f"/v2/volumes/{volume}") in [(entry.method, entry.path) for entry in applied.ledger()]


@pytest.mark.parametrize("value", NO_MOMENT)
def test_a_bid_of_an_unknown_status_that_ended_at_no_moment_is_not_bought_again(applied: Place, value: object) -> None:
    for route in ("GET /v2/spot/bids", "GET /v2/spot/bids/bid_*"):
        edit(applied, route, status="Cancelled", deactivated_at=value)
    before = applied.ledger()
    assert "No changes" in applied.ok("apply", "--auto-approve")
    assert applied.ledger() == before


@pytest.mark.parametrize("value", [None, *NO_MOMENT])
def test_a_bid_that_is_terminated_is_over_at_whatever_moment(applied: Place, value: object) -> None:
    """`Terminated` is the API's word for it, and its own description lets it leave the moment out: who waited for one
    would have a task that never runs again, and nobody would be told."""
    first = bid_id(applied)
    applied.call("DELETE", f"/v2/spot/bids/{first}")
    for route in ("GET /v2/spot/bids", "GET /v2/spot/bids/bid_*"):
        with applied.simulator() as simulator:
            simulator.faults.add(route, "edited", put={"deactivated_at": value}, times=None)
    applied.ok("apply", "--auto-approve")
    assert bid_id(applied) != first
    assert "No changes" in applied.ok("plan")


# ---- what a 404 says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "detail",
    [
        "Not found.",
        "Not Found!",
        "404 Not Found",
        "404: Not Found",
        "Page not found",
        "The requested URL was not found on this server.",
        "The requested resource could not be found",
        "no Route matched with those values",
        "Unknown path",
        f"Cannot DELETE {PATH}",
        f"{PATH} not found",
        ["Bid not found"],
        [{"loc": ["path", "fid"], "msg": "Bid not found", "type": "value_error"}],
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_404_that_would_fit_any_path_says_nothing_of_an_object(method: str, detail: object) -> None:
    assert not isinstance(judged(method, {"detail": detail}), NotFound)


@pytest.mark.parametrize("detail", ["Bid not found", "Bid bid_x not found", "No such bid", "bid_x does not exist"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_one_that_names_it_does(method: str, detail: str) -> None:
    assert isinstance(judged(method, {"detail": detail}), NotFound)


def judged(method: str, body: object) -> object:
    reply = Reply(status=404, headers={}, body=json.dumps(body).encode(), request_id="r")
    return Call(method, PATH, 1, "api.test", lambda text, limit=200: shown(text, limit)).judge(reply)[0]


# ---- what this stack ended ------------------------------------------------------------------------------------------


def age(place: Place, seconds: float) -> None:
    """What ended did so that much earlier."""
    store = LocalStore(place.path / "flowplan.state.json")
    state = store.read().state
    assert state.ended
    store.save(attrs.evolve(state, ended={id: at - seconds for id, at in state.ended.items()}))


@pytest.mark.parametrize(("seconds", "shows"), [(ENDED_FOR / 2, False), (2 * ENDED_FOR, True)])
def test_what_is_live_a_day_after_it_was_ended_is_told(applied: Place, seconds: float, shows: bool) -> None:
    """No list lags that long: it costs money, and nobody else would say so."""
    id = bid_id(applied)
    applied.ok(*DESTROY)
    rows = json.loads(applied.call("GET", "/v2/spot/bids").body)["data"]
    running = [row | {"status": "Allocated", "deactivated_at": None} for row in rows]
    age(applied, seconds)
    answer(applied, "GET /v2/spot/bids", {"data": running, "next_cursor": None})
    answer(applied, "GET /v2/spot/bids/bid_*", running[0])
    told = applied.run("orphans")
    assert (id in told.out + told.err) is shows


def test_a_clock_that_was_set_back_hides_nothing_for_ever() -> None:
    assert lately({"bid_x": 1000.0}, 1000.0 + ENDED_FOR / 2) == {"bid_x"}
    assert lately({"bid_x": 1000.0}, 1000.0 - ENDED_FOR / 2) == {"bid_x"}
    assert not lately({"bid_x": 1000.0}, 1000.0 + ENDED_FOR)
    assert not lately({"bid_x": 10 * ENDED_FOR}, 0.0)


# ---- --wait running --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["RUNNING", "RUNNING"], 0),
        (["RUNNING", "RUNNING", "REPLACED", "TERMINATED"], 0),
        (["RUNNING"], 1),
        (["RUNNING", "ERROR"], 1),
        (["RUNNING", "PENDING"], 1),
        (["RUNNING", "RELOCATING"], 1),
        (["RUNNING", "PREEMPTED"], 1),
        (["RUNNING", "A_NEW_WORD"], 1),
    ],
)
def test_a_bid_runs_when_as_many_instances_run_as_it_asks_for(place: Place, statuses: Iterable[str], code: int) -> None:
    place.write(JOB)
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "1h")
    row = json.loads(place.call("GET", f"/v2/instances?project={project_of(place)}").body)["data"][0]
    rows = [row | {"fid": f"inst_{n}", "status": f"STATUS_{status}"} for n, status in enumerate(statuses)]
    answer(place, "GET /v2/instances", {"data": rows, "next_cursor": None})
    done = place.run("apply", "--auto-approve", "--wait", "running", "--timeout", "1s")
    assert done.code == code, done
