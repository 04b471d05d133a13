"""The rules of examples/policy, evaluated by regopy as OPA and conftest do: on plans as they are saved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import APPLY, EXAMPLES, Place

regopy = pytest.importorskip("regopy", reason="regopy, which evaluates Rego, is not installed: pip install regopy")

STACK = """\
version: 2
name: demo
project_name: my-foundry-project
volumes: {data: {size: 10, disk_interface: File, region_id: us-central1-b}}
tasks:
  train:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b, num_instances: 2}
    task_management: {utility_threshold_price: 25.00}
    lifetime: {max_hours: 12}
    startup_script: echo hi
"""


def rules(place: Place, *arguments: str, **instead: Any) -> dict[str, list[str]]:
    """What each of the rules says of the plan that `arguments` make; `instead`: other parts of its document."""
    place.run("plan", *arguments, "--out", "plan.json")
    found = regopy.Interpreter()
    found.add_module("plan.rego", (EXAMPLES / "policy" / "plan.rego").read_text())
    found.set_input({**json.loads((place.path / "plan.json").read_text()), **instead})
    return {name: sorted(found.query(f"data.main.{name}").results[0].expressions[0]) for name in ("deny", "warn")}


def test_a_plan_within_the_rules_passes(place: Place) -> None:
    place.write(STACK)
    assert rules(place) == {"deny": [], "warn": []}


def test_each_rule_says_what_is_wrong(place: Place) -> None:
    place.write(STACK.replace("25.00", "25.01").replace("    lifetime: {max_hours: 12}\n", ""))
    assert rules(place) == {
        "deny": ["bid.train may cost $50.02 an hour; at most $50 is allowed"],
        "warn": ["bid.train runs until somebody cancels it: give it a lifetime"],
    }


def test_a_limit_that_is_raised_in_place_is_denied_and_one_that_is_lowered_is_not(place: Place) -> None:
    place.write(STACK.replace("25.00", "250.00"))
    place.ok(*APPLY)
    place.edit("250.00", "40.00")
    assert rules(place) == {"deny": [], "warn": []}
    place.edit("40.00", "300.00")
    assert rules(place)["deny"] == ["bid.train may cost $600 an hour; at most $50 is allowed"]


def test_a_bid_that_is_resumed_is_denied_and_one_that_is_paused_is_not(place: Place) -> None:
    place.write(STACK.replace("25.00", "250.00"))
    place.ok(*APPLY)
    place.edit("    startup_script", "    paused: true\n    startup_script")
    assert rules(place)["deny"] == []
    place.ok(*APPLY)
    place.edit("    paused: true\n", "")
    assert rules(place)["deny"] == ["bid.train may cost $500 an hour; at most $50 is allowed"]


def test_a_volume_that_goes_and_a_part_of_a_plan_are_denied(place: Place) -> None:
    place.write(STACK)
    place.ok(*APPLY)
    said = rules(place, "--destroy", "--allow-volume-destroy", "*")
    assert said["deny"] == ["volume.data would be deleted, and its data with it"]
    place.edit("25.00", "24.00")
    assert rules(place, "--target", "bid.train")["deny"] == ["a plan that is incomplete is approved by nobody"]


def test_what_is_unknown_is_denied(place: Place) -> None:
    place.write(STACK)
    place.ok("plan", "--out", "plan.json")
    changes = json.loads((place.path / "plan.json").read_text())["resource_changes"]
    unknown = [{**one, "cost": None} for one in changes]
    assert rules(place, resource_changes=unknown)["deny"] == ["bid.train has no known cost"]
    (bid,) = [one for one in changes if one["type"] == "bid"]
    for field in ("limit_price", "instance_quantity"):
        raised = {"actions": ["update"], "before": bid["change"]["after"]}
        raised["after"] = {**raised["before"], field: None}
        assert rules(place, resource_changes=[{**bid, "change": raised}])["deny"] == ["bid.train has no known cost"]
