"""What waited for another task is held to policies and budgets once more: prices, and what else is live, have moved."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import APPLY, Place, bid_id
from tests.loaded import client
from tests.processes import LONGEST, Process

STACK = """\
version: 2
name: demo
project_name: my-foundry-project
tasks:
  train:
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 2}
  second:
    depends_on: [{task: train, until: terminated}]
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 30}
"""
PRICE = "GET /v2/pricing/current"
PER_GPU = "policies: {price_basis: now, max_price_per_gpu_hour: {h100: 2.00}}\n"
PROJECT = 'policies: {project_budgets: {"*": 40}}\n'
EXPECTED = "guards: {max_hourly_cost: 20, budget_basis: p90}\n"


def raise_prices(place: Place) -> None:
    """An instance of H100s costs $24.00 an hour from now on."""
    body = prices(place)
    dear = {name: 2400 for name in body if name.endswith("_cents") and name != "minimum_price_cents"}
    with place.simulator() as simulator:
        simulator.faults.add(PRICE, "status", status=200, body=json.dumps({**body, **dear}), times=None)


def prices(place: Place) -> dict[str, Any]:
    shown = json.loads(place.ok("plan", "--format", "json"))["resource_changes"]
    kind = next(one["change"]["after"] for one in shown if one["address"] == "bid.second")["instance_type"]
    query = f"instance_type={kind}&region=us-central1-b&instance_quantity=1"
    body: dict[str, Any] = json.loads(place.call("GET", f"/v2/pricing/current?{query}").body)
    return body


def others_place_a_bid(place: Place) -> None:
    """In the same project, at up to $30.00 an hour."""
    shown = json.loads(place.ok("plan", "--format", "json"))["resource_changes"]
    bid = next(one["change"]["after"] for one in shown if one["address"] == "bid.second")
    place.write(
        "version: 2\nname: other\nproject_name: my-foundry-project\ntasks:\n  strange:\n"
        "    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"
        "    task_management: {utility_threshold_price: 30}\n",
        "other.yaml",
    )
    place.ok("apply", "other.yaml", "--auto-approve", "--state", "other.state.json")
    assert bid["limit_price"] == "30.00"


def prices_fail(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(PRICE, "status", status=403, times=None)


def nothing(place: Place) -> None:
    """All is as it was."""


def after_a_wait(place: Place, moves: Callable[[Place], None]) -> tuple[int, str]:
    """An apply that waits, meanwhile `moves`, then the other task ends: its exit code, and what it said."""
    command = [*client(), *APPLY, "--timeout", "10m"]
    with Process(command, cwd=place.path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert any("bid.second waits for bid.train" in line for line in run.stderr)
        train = next(row["fid"] for row in bids(place) if row["name"] == "train")
        moves(place)
        place.call("DELETE", f"/v2/spot/bids/{train}")
        said = run.communicate(timeout=LONGEST)[1]
    return run.returncode, " ".join(said.split())


def bids(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    return found


def is_placed(place: Place) -> bool:
    return any(row["name"] == "second" for row in bids(place))


@pytest.mark.parametrize(
    ("rules", "moves", "why"),
    [
        (
            PER_GPU,
            raise_prices,
            "it would pay $24.00 per instance-hour ($3.00 per GPU-hour); the policy allows at most",
        ),
        (PROJECT, others_place_a_bid, "an hour, every limit paid, bids and volumes of others included; the policy"),
        (EXPECTED, raise_prices, "the stack would cost"),
    ],
    ids=["a price", "the project", "a forecast"],
)
def test_what_a_rule_refuses_by_then_is_not_placed(
    place: Place, rules: str, moves: Callable[[Place], None], why: str
) -> None:
    place.write(STACK + rules)
    code, said = after_a_wait(place, moves)
    assert code == 3, said
    assert why in said
    assert "hint: nothing was placed for it; " in said
    assert "after the wait; what was done is saved" in said
    assert not is_placed(place)


@pytest.mark.parametrize("rules", [PER_GPU, PROJECT, EXPECTED], ids=["a price", "the project", "a forecast"])
def test_what_they_still_allow_is_placed(place: Place, rules: str) -> None:
    place.write(STACK + rules)
    code, said = after_a_wait(place, nothing)
    assert (code, is_placed(place)) == (0, True), said


def test_without_a_rule_on_prices_none_is_asked_for(place: Place) -> None:
    place.write(STACK)
    code, said = after_a_wait(place, prices_fail)
    assert (code, is_placed(place)) == (0, True), said


def test_a_further_apply_places_it_once_the_price_allows_it(place: Place) -> None:
    place.write(STACK + PER_GPU)
    assert after_a_wait(place, raise_prices)[0] == 3
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.ok(*APPLY)
    assert bid_id(place, "bid.second")
