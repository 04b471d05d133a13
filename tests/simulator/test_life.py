"""A bid and its instances as virtual time passes, and what they are billed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Simulator
from tests.simulator.adapter import SimulatorAdapter

from .conftest import H100, REGION, Api

STOCK = 64  # instances in the auction of the tests


def crowd_out(api: Api, limit: str = "$50.00") -> str:
    """A bid for the whole stock: nobody else wins while it stands."""
    return api.placed("crowd", limit_price=limit, instance_quantity=STOCK)


def states(api: Api) -> list[str]:
    return [
        event["status"].removeprefix("STATUS_")
        for event in api.get("/v2/instances/status/history", project=api.project)["instances"][-1]["events"]
    ]


def bill(api: Api, bid: str) -> list[dict[str, Any]]:
    return api.get("/v2/instances/pricing/history", project=api.project, bid_fid=bid)["instances"][0]["events"]


def test_an_instance_starts_within_minutes(local: Api, simulator: Simulator) -> None:
    local.placed()
    (instance,) = local.instances()
    assert (instance["status"], instance["ssh_destination"]) == ("STATUS_NEW", None)
    simulator.advance(timedelta(minutes=3))
    (instance,) = local.instances()
    assert instance["status"] == "STATUS_RUNNING"
    assert instance["ssh_destination"].startswith("203.0.113.")
    assert states(local) == ["NEW", "CONFIRMED", "INITIALIZING", "STARTING", "RUNNING"]


def test_notice_then_open_then_allocated_again(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    simulator.advance(600)
    crowd = crowd_out(local)
    assert local.status(bid) == "Preempting"
    status = local.get(f"/v2/instances/{local.instances()[0]['fid']}/status")
    assert (status["status"], status["end_time"]) == ("STATUS_PREEMPTING", "2026-11-02T09:15:00Z")
    simulator.advance(299)
    assert local.status(bid) == "Preempting"
    simulator.advance(1)
    assert local.status(bid) == "Open"
    simulator.advance(60)
    local("DELETE", f"/v2/spot/bids/{crowd}")
    assert local.status(bid) == "Allocated"
    simulator.advance(300)
    assert states(local) == [
        *("NEW", "CONFIRMED", "INITIALIZING", "STARTING", "RUNNING", "PREEMPTING", "PREEMPTED"),
        *("INITIALIZING", "STARTING", "RUNNING"),
    ]
    assert local.instances()[0]["fid"] == local.get(f"/v2/spot/bids/{bid}")["instances"][0]


def test_won_again_within_the_notice_it_runs_on(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    simulator.advance(600)
    crowd = crowd_out(local)
    assert local.status(bid) == "Preempting"
    simulator.advance(100)
    local("DELETE", f"/v2/spot/bids/{crowd}")
    assert local.status(bid) == "Allocated"
    simulator.advance(600)
    assert states(local)[-3:] == ["RUNNING", "PREEMPTING", "RUNNING"]
    assert len([period for period in bill(local, bid) if period["end_time"] is None]) == 1


def test_a_bill_is_exact_to_the_millisecond(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    simulator.advance(600)
    running = local.get("/v2/instances/status/history", project=local.project)["instances"][0]["events"][-1]
    simulator.advance(0.123)
    local.placed("rest", instance_quantity=STOCK - 1)  # all rivals lose; the highest of them sets the price
    price = local.get("/v2/pricing/current", instance_type=H100, region=REGION)["spot_price_cents"]
    simulator.advance(1)
    local.change(bid, paused=True)
    simulator.advance(500)
    assert 800 < price <= 1200
    assert bill(local, bid) == [
        {"price_cents": 800, "start_time": running["timestamp"], "end_time": "2026-11-02T09:10:00.123Z"},
        {"price_cents": price, "start_time": "2026-11-02T09:10:00.123Z", "end_time": "2026-11-02T09:10:01.123Z"},
    ]


def test_nothing_is_billed_while_starting_or_paused_or_after_the_notice(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    local.status(bid)
    simulator.advance(10)
    local.change(bid, paused=True)
    assert bill(local, bid) == []
    local.change(bid, paused=False)
    local.status(bid)
    simulator.advance(600)
    crowd_out(local)
    local.status(bid)
    simulator.advance(3600)
    assert [period["end_time"] for period in bill(local, bid)][-1] == "2026-11-02T09:15:10Z"


def test_pause_and_resume_keep_the_instances(local: Api, simulator: Simulator) -> None:
    bid = local.placed(instance_quantity=2)
    before = local.get(f"/v2/spot/bids/{bid}")["instances"]
    simulator.advance(600)
    local.change(bid, paused=True)
    assert {(i["status"], i["ssh_destination"]) for i in local.instances()} == {("STATUS_PAUSED", None)}
    local.change(bid, paused=False)
    assert local.get(f"/v2/spot/bids/{bid}")["instances"] == before
    assert {i["status"] for i in local.instances()} == {"STATUS_INITIALIZING"}


@pytest.mark.parametrize("state", ["Open", "Allocated", "Preempting", "Paused"])
def test_cancel_ends_everything_at_once_from_any_state(local: Api, simulator: Simulator, state: str) -> None:
    volume = local.volume().json()["fid"]
    bid = local.placed(launch_specification={"volumes": [volume], "ssh_keys": []})
    if state != "Open":
        local.status(bid)
        simulator.advance(600)
    if state == "Preempting":
        crowd_out(local)
    if state == "Paused":
        local.change(bid, paused=True)
    if state != "Open":
        assert local.status(bid) == state
    local("DELETE", f"/v2/spot/bids/{bid}")
    assert local.status(bid) == "Terminated"
    assert {i["status"] for i in local.instances() if i["bid"] == bid} <= {"STATUS_TERMINATED"}
    assert local("DELETE", f"/v2/volumes/{volume}").status_code == 204
    simulator.advance(3600)
    assert local.status(bid) == "Terminated"


# --- what is billed on notice ----------------------------------------------------------------------------------


def test_a_notice_costs_what_was_paid_last(local: Api, simulator: Simulator) -> None:
    """Not the price that drove it out, and no price that nobody ever saw."""
    bid = local.placed()
    simulator.advance(600)
    crowd_out(local)
    local.placed("more", limit_price="$60.00", instance_quantity=STOCK)
    shown = local.get("/v2/pricing/current", instance_type=H100, region=REGION)["spot_price_cents"]
    simulator.advance(600)
    assert shown == 5000
    assert [(period["price_cents"], period["end_time"]) for period in bill(local, bid)] == [
        (800, "2026-11-02T09:15:00Z")
    ]


def test_a_limit_lowered_below_the_price_is_no_price(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    local.placed("rest", instance_quantity=STOCK - 1, limit_price="$60.00")
    simulator.advance(600)
    local.change(bid, limit_price="$8.00")
    simulator.advance(600)
    history = local.get("/v2/pricing/history", instance_types=H100, region=REGION, num_samples=-1)["series"][0]
    billed = {f"${period['price_cents'] / 100:.2f}" for period in bill(local, bid)}
    assert local.status(bid) == "Open"
    assert billed <= set(history["spot_prices"])


# --- quotas ----------------------------------------------------------------------------------------------------


def quota(api: Api) -> dict[str, Any]:
    (one,) = [one for one in api.get("/v2/quotas", project=api.project) if one["instance_type"] == H100]
    return one


def test_bids_together_never_exceed_the_quota(local: Api, simulator: Simulator) -> None:
    """What open bids would use counts when one is placed or resumed; what is shown as used runs."""
    simulator._db.execute("UPDATE quotas SET total = 4 WHERE instance_type = ?", (H100,))
    first = local.placed("first", instance_quantity=4)
    assert quota(local)["used_quantity"] == 4
    local.change(first, paused=True)
    waits = local.placed("waits", instance_quantity=3, limit_price="$8.00")
    refused = local.bid("second", instance_quantity=2)
    assert refused.status_code == 400
    assert "Quota exceeded for Spot" in refused.json()["detail"]
    assert local.change(first, paused=False).status_code == 400
    local("DELETE", f"/v2/spot/bids/{waits}")
    assert local.change(first, paused=False).status_code == 200
    assert quota(local)["used_quantity"] == 4


def test_a_bid_that_waits_counts_too(local: Api, simulator: Simulator) -> None:
    simulator._db.execute("UPDATE quotas SET total = 64 WHERE instance_type = ?", (H100,))
    local.placed("waits", instance_quantity=64, limit_price="$8.00")
    assert quota(local)["used_quantity"] == 0
    refused = local.bid("second")
    assert (refused.status_code, refused.json()) == (
        400,
        {"detail": "Quota exceeded for Spot h100-80gb.sxm.8x: 1 requested, 0 of 64 instances in use, 64 more bid for"},
    )


def test_data_that_cannot_be_written_are_an_answer_and_change_nothing(tmp_path: Path) -> None:
    """As on a full disk; the server says the same."""
    with Simulator.open(tmp_path / "s.db") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        project = api.project
        with simulator.exclusive() as db:
            db.execute("PRAGMA max_page_count = 1")  # as many as there are
        body = {"name": "n" * 100, "project": project, "disk_interface": "Block", "region": REGION, "size_gb": 10}
        answers = [session.post(f"{SIMULATOR_URL}/v2/volumes", json={**body, "name": f"v{n}"}) for n in range(200)]
        assert {one.status_code for one in answers} == {201, 500}
        assert "database or disk is full" in answers[-1].json()["detail"]
        made = sum(one.status_code == 201 for one in answers)
        with simulator.exclusive() as db:
            assert db.execute("SELECT count(*) FROM volumes").fetchone()[0] == made
