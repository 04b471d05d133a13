"""What plan knows, apply does not run into: what FCP would refuse is a problem before anything is made or cancelled."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.conftest import Place, bid_id, live_ids
from tests.texts import storage, task_text


def project(place: Place) -> str:
    return str(json.loads(place.call("GET", "/v2/projects").body)[0]["fid"])


def require_a_key(place: Place) -> str:
    """A second key, which the project requires from now on; its id."""
    body = {"project": project(place), "name": "audit", "public_key": "ssh-ed25519 AAAA audit", "required": True}
    return str(json.loads(place.call("POST", "/v2/ssh-keys", json.dumps(body).encode()).body)["fid"])


def in_the_data(place: Place, statement: str, *values: object) -> None:
    """What no client can do, and the cloud's operators can."""
    with closing(sqlite3.connect(place.path / ".flowplan" / "simulator.db")) as data, data:
        data.execute(statement, values)


def set_quota(place: Place, product: str, total: int) -> None:
    in_the_data(place, "UPDATE quotas SET total = ? WHERE product_type = ?", total, product)


def posted(place: Place, text: str) -> int:
    """The status of the answer when `text` is placed as it stands, without flowplan's checks."""
    place.write(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flowplan.planning.limits.refused", lambda *_: [])
        assert place.run("apply", "--auto-approve").code == 1
    with place.simulator() as simulator:
        refused = [one for one in simulator.ledger(everything=True) if not one.executed]
    return refused[-1].status


REFUSED: dict[str, tuple[Callable[[Place], object], str, str, str]] = {
    "below the reserve": (
        lambda _: None,
        task_text(limit="7.99"),
        "the limit $7.99 is below $8.00 per instance-hour ($1.00 per GPU-hour), the minimum that FCP accepts at "
        "flowplan.yaml:5:44",
        "at least utility_threshold_price: 8.00, or utility_threshold_price_per_gpu: 1.00",
    ),
    "a GPU's limit for an instance": (
        lambda _: None,
        task_text(limit="2.24"),
        "the limit $2.24 is below $8.00 per instance-hour ($1.00 per GPU-hour), the minimum that FCP accepts",
        "hint: that is per instance; $2.24 x 8 GPUs = $17.92 (utility_threshold_price_per_gpu: 2.24); otherwise at "
        "least utility_threshold_price: 8.00",
    ),
    "a GPU's limit that would be too low as well": (
        lambda _: None,
        task_text(limit="0.99"),
        "the limit $0.99 is below $8.00 per instance-hour ($1.00 per GPU-hour)",
        "hint: at least utility_threshold_price: 8.00, or utility_threshold_price_per_gpu: 1.00",
    ),
    "a limit per GPU, said so": (
        lambda _: None,
        task_text(limit=None, more="task_management: {utility_threshold_price_per_gpu: 0.30}\n"),
        "the limit $2.40 is below $8.00 per instance-hour ($1.00 per GPU-hour)",
        "hint: at least utility_threshold_price: 8.00",
    ),
    "more than the auction has": (
        lambda _: None,
        task_text(num_instances=250),
        "250 instances at once can never run: the whole auction has 64 at flowplan.yaml:6:73",
        "num_instances",
    ),
    "a key that is required": (
        require_a_key,
        task_text(),
        "this project requires the SSH key audit in every new bid at flowplan.yaml:4:15",
        "ssh_key_name: [my-ssh-key, audit]",
    ),
    "spot quota": (
        lambda place: set_quota(place, "Spot", 3),
        task_text("a", num_instances=2) + task_text("b", num_instances=2),
        "the quota Spot h100-80gb.sxm.8x allows 3 instances; this plan would take it to 4 at flowplan.yaml:12:73",
        "remove it in an earlier one",
    ),
    "spot quota, of a sweep": (
        lambda place: set_quota(place, "Spot", 3),
        "".join(task_text(name, num_instances=2) for name in "abcd"),
        "the quota Spot h100-80gb.sxm.8x allows 3 instances; this plan would take it to 8 at flowplan.yaml:12:73",
        "hint: this and 2 more do not fit: ask for less, or for a higher quota;",
    ),
    "storage quota": (
        lambda place: set_quota(place, "Storage", 100),
        task_text(more=storage("data", 101, disk_interface="File")),
        "the quota Storage allows 100 GB; this plan would take it to 101",
        "ask for less",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_made_and_by_the_api_too(place: Place, name: str) -> None:
    prepare, text, says, hint = REFUSED[name]
    place.write(task_text())
    place.ok("plan")  # the simulator is there
    prepare(place)
    place.write(text)
    for command in (("plan",), ("apply", "--auto-approve")):
        result = place.run(*command)
        assert result.code == 65, result
        told = " ".join(result.err.split())
        assert says in told and hint in told, result.err
    body = json.loads(place.run("plan", "--format", "json").out)
    assert (body["errored"], len(body["diagnostics"])) == (True, 1)
    assert [one.path for one in place.ledger() if one.path != "/v2/ssh-keys"] == []
    assert posted(place, text) == 400


@pytest.mark.parametrize("name", ["below the reserve", "more than the auction has", "a key that is required"])
def test_a_running_bid_is_not_cancelled_for_what_would_be_refused(place: Place, name: str) -> None:
    prepare, text, says, _ = REFUSED[name]
    place.write(task_text())
    place.ok("apply", "--auto-approve")
    prepare(place)
    before, bids = place.ledger(), live_ids(place)
    place.write(text + "startup_script: echo another\n")  # forces a replacement
    result = place.run("apply", "--auto-approve")
    assert result.code == 65 and says.partition(" at flow")[0] in " ".join(result.err.split()), result
    assert (place.ledger(), live_ids(place)) == (before, bids)


def test_a_limit_that_is_lowered_below_the_reserve_is_refused_too(place: Place) -> None:
    place.write(task_text())
    place.ok("apply", "--auto-approve")
    place.edit("17.92", "7.50")
    assert place.run("apply", "--auto-approve").code == 65
    body = b'{"limit_price": "$7.50"}'
    assert place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.train')}", body).status == 400


def test_a_running_bid_is_not_cancelled_for_a_lower_limit_that_nobody_can_judge(place: Place) -> None:
    place.write(task_text())
    place.ok("apply", "--auto-approve")
    before = place.ledger()
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/current", "edited", drop=["minimum_price_cents"], times=None)
    place.write(task_text(limit="7.50") + "startup_script: echo another\n")
    result = place.run("apply", "--auto-approve")
    assert result.code == 65, result
    assert "the minimum that FCP accepts is unknown now" in " ".join(result.err.split())
    assert place.ledger() == before
    place.write(task_text() + "startup_script: echo another\n")  # what ran at this limit may run at it again
    place.ok("apply", "--auto-approve")


def test_what_stays_or_goes_is_no_problem(place: Place) -> None:
    place.write(task_text("a", num_instances=2) + task_text("b", num_instances=2))
    place.ok("apply", "--auto-approve")
    require_a_key(place)
    set_quota(place, "Spot", 1)
    set_quota(place, "Storage", 0)
    in_the_data(place, "UPDATE auctions SET reserve_cents = 2000")
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.write(task_text("a", num_instances=2, more="paused: true\n"))
    place.ok("apply", "--auto-approve")
    assert len(live_ids(place)) == 1
    place.ok("destroy", "--auto-approve")


def test_what_a_quota_counts_already_is_not_counted_twice(place: Place) -> None:
    place.write(task_text(num_instances=2, more=storage("data", 60, disk_interface="File")))
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "10m")
    set_quota(place, "Spot", 3)
    set_quota(place, "Storage", 100)
    place.write(
        task_text(num_instances=2, more=storage("data", 60, disk_interface="File"))
        + task_text("b", more=storage("more", 40, disk_interface="File"))
    )
    place.ok("plan")
    place.edit("size: 40", "size: 41")
    assert "this plan would take it to 101" in " ".join(place.run("plan").err.split())
    place.write(
        task_text(num_instances=3, more=storage("data", 60, disk_interface="File"))
    )  # a replacement frees its own
    place.ok("apply", "--auto-approve")


def test_what_somebody_else_uses_counts(place: Place) -> None:
    place.write(task_text("theirs", num_instances=2))
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "10m")
    set_quota(place, "Spot", 3)
    place.ok("state", "rm", "bid.theirs")
    place.write(task_text("ours", num_instances=2))
    assert "this plan would take it to 4" in " ".join(place.run("plan").err.split())


def test_a_bid_that_is_resumed_counts(place: Place) -> None:
    place.write(task_text(num_instances=4, more="paused: true\n"))
    place.ok("apply", "--auto-approve")
    set_quota(place, "Spot", 3)
    place.ok("plan")
    place.edit("paused: true", "paused: false")
    assert place.run("plan").code == 65
    assert place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.train')}", b'{"paused": false}').status == 400


def _no_room(total: str) -> str:
    """Quotas of which one has `total`, and nothing is left of another: nobody knows whether that is right either."""
    known = '"project": "p", "instance_type": "it_1", "product_type": "Spot", "used_quantity": 0, "units": "instances"'
    return f'[{{"fid": "q", {known}, "name": "Spot h100", "total_quantity": {total}}}]'


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"status": 403},
        *(
            {"status": 200, "body": body}
            for body in ("{}", "null", '[{"fid": "q"}]', _no_room("null"), _no_room('"0"'))
        ),
        {"status": 200, "body": _no_room("-1")},
    ],
    ids=str,
)
def test_quotas_that_cannot_be_had_are_a_note(place: Place, answer: dict[str, Any]) -> None:
    place.write(task_text())
    place.ok("plan")
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/quotas", "status", times=None, **answer)
    assert "flowplan could not check the quotas" in " ".join(place.ok("plan").split())
    place.ok("apply", "--auto-approve")


def test_a_successor_that_is_made_first_counts_beside_the_old_bid(place: Place) -> None:
    first = "lifecycle: {create_before_destroy: true}\n"
    place.write(task_text(num_instances=2, more=f"startup_script: echo one\n{first}"))
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "10m")
    set_quota(place, "Spot", 3)
    place.edit("echo one", "echo two")
    assert "this plan would take it to 4" in " ".join(place.run("plan").err.split())
    place.edit("true", "false")
    place.ok("plan")


def test_a_quota_of_what_is_not_known_is_none(place: Place) -> None:
    place.write(task_text())
    place.ok("plan")
    rows = [
        {"product_type": "Spot", "instance_type": None, "units": "instances"},
        {"product_type": "Spot", "instance_type": "it_5ECSoHQjLBzrp5YM", "units": "GPUs"},
        {"product_type": "Reservations", "instance_type": None, "units": "instances"},
        {"product_type": "Storage", "instance_type": None, "units": "TB"},
    ]
    body = json.dumps([{**row, "fid": "q", "name": "q", "total_quantity": 0, "used_quantity": 0} for row in rows])
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/quotas", "status", status=200, body=body)
    assert "quota" not in place.ok("plan")


def test_quotas_are_asked_for_only_where_something_is_placed(place: Place) -> None:
    place.write(task_text(more=storage("data", 1, disk_interface="File")))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/quotas", "status", times=None)
    place.edit("17.92", "18.00")
    assert "quota" not in place.ok("plan")
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


# ---- what an update and a pause really do -------------------------------------------------------------------


UNMOUNTED = "persistent_storage: {create: {volume_name: data, size: 1, disk_interface: File}}\n"


def test_volumes_changed_in_place_restart_the_bid_and_the_plan_says_so(place: Place) -> None:
    place.write(task_text(more=UNMOUNTED))
    place.ok("apply", "--auto-approve")
    place.write(task_text())
    arguments = ("plan", "--allow-volume-destroy", "*")
    text = " ".join(place.ok(*arguments).split())
    assert "bid.train will be updated in place, and restarts" in text
    assert "its instances stop, and start again" in text
    changes = json.loads(place.ok(*arguments, "--format", "json"))["resource_changes"]
    (entry,) = [one for one in changes if one["address"] == "bid.train"]
    assert entry["action_reason"] == "update_by_restart"
    place.ok("apply", "--auto-approve", "--allow-volume-destroy", "*")
    history = json.loads(place.call("GET", f"/v2/spot/bids/{bid_id(place, 'bid.train')}/history").body)["events"]
    told = [one["event_type"] for one in history if one["event_type"] in ("Paused", "Volumes Removed", "Resumed")]
    assert told == ["Paused", "Volumes Removed", "Resumed"]


def test_a_bid_that_is_paused_does_not_restart(place: Place) -> None:
    place.write(task_text(more=UNMOUNTED + "paused: true\n"))
    place.ok("apply", "--auto-approve")
    place.write(task_text(more="paused: true\n"))
    text = place.ok("plan", "--allow-volume-destroy", "*")
    assert "will be updated in place" in text and "restarts" not in text


@pytest.mark.parametrize("basis", ["worst", "p90", "p50"])
def test_a_bid_that_is_placed_to_be_paused_counts_as_running(place: Place, basis: str) -> None:
    """Until the pause arrives, and that may fail."""
    place.write(task_text(more="paused: true\n"))
    budget = ("--max-hourly-cost", "17.91", "--budget-basis", basis)
    result = place.run("apply", "--auto-approve", *budget)
    assert result.code == 3, result
    told = " ".join(result.err.split())
    assert "$17.92" in told and "new bids counted until they are paused" in told
    assert "a bid is always placed running" in told
    assert place.ledger() == []
    place.ok("apply", "--auto-approve", "--max-hourly-cost", "17.92", "--budget-basis", basis)


def test_pausing_one_that_runs_is_never_too_dear_but_a_replacement_to_be_paused_may_be(place: Place) -> None:
    place.write(task_text())
    place.ok("apply", "--auto-approve")
    place.write(task_text(more="paused: true\n"))
    place.ok("apply", "--auto-approve", "--max-hourly-cost", "0")
    place.write(task_text(more="paused: true\nstartup_script: echo another\n"))
    assert place.run("apply", "--auto-approve", "--max-hourly-cost", "0").code == 3
