"""`moved` and `replace_triggered_by` beside --target, --exclude, --refresh-only and saved plans."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place, bid_id, made_once

STACK = """\
version: 2
name: llm
volumes: {data: {size: 5, region_id: us-central1-b, disk_interface: File}}
defaults:
  resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
tasks:
  alpha: {persistent_storage: {attach: {volume: data, mount_point: /d}}, ports: [8080]}
  other:
  sweep: {for_each: [a, b]}
outputs: {id: "${task.alpha.id}", all: "${task.sweep.id}"}
"""
MOVED = STACK.replace("alpha", "omega").replace("sweep", "runs") + (
    "moved: [{from: task.alpha, to: task.omega}, {from: task.sweep, to: task.runs}]\n"
)
NEW = ["bid.omega", "bid.other", 'bid.runs["a"]', 'bid.runs["b"]', "ports.omega", "volume.data"]


@pytest.fixture
@made_once
def moving(place: Place) -> Place:
    """Applied; then two tasks have other names, and everything another limit."""
    place.write(STACK)
    place.ok(*APPLY)
    place.write(MOVED.replace("17.92", "18.50"))
    return place


def ids(place: Place) -> set[str]:
    resources = json.loads((place.path / "flowplan.state.json").read_text())["resources"]
    return {one["id"] for one in resources}


@pytest.mark.parametrize("part", [("--target", "task.omega"), ("--exclude", "task.runs*"), ("--target", "task.other")])
@pytest.mark.parametrize("saved", [False, True])
def test_addresses_change_for_the_whole_stack_whatever_part_is_applied(
    moving: Place, part: tuple[str, str], saved: bool
) -> None:
    before, outputs = ids(moving), moving.ok("output", "--json")
    if saved:
        moving.ok("plan", *part, "--out", "p.json")
        out = moving.ok("apply", "p.json")
    else:
        out = moving.ok(*APPLY, *part)
    assert ", 0 destroyed, 4 moved." in out
    assert moving.ok("state", "list").split() == NEW
    assert (ids(moving), moving.ok("output", "--json")) == (before, outputs)
    left = json.loads(moving.ok("plan", "--format", "json"))["summary"]
    assert (left["create"], left["replace"], left["delete"]) == (0, 0, 0)
    assert left["update"] == (2 if part[0] == "--exclude" else 3)


def test_a_saved_plan_of_moves_is_stale_once_they_are_made_otherwise(moving: Place) -> None:
    moving.ok("plan", "--out", "p.json")
    moving.ok("state", "mv", "bid.alpha", "bid.omega")
    refused = moving.run("apply", "p.json")
    assert (refused.code, "bid.omega: differs" in refused.err) == (3, True)


@pytest.mark.parametrize("option", ["--target", "--exclude", "--replace"])
def test_the_former_name_is_answered_with_the_new_one(moving: Place, option: str) -> None:
    refused = moving.run("plan", option, "task.alpha")
    assert (refused.code, f"{option} task.alpha: bid.alpha has moved to bid.omega" in refused.err) == (64, True)


def limits(place: Place) -> dict[str, str]:
    resources = json.loads((place.path / "flowplan.state.json").read_text())["resources"]
    return {one["address"]: one["applied"]["limit_price"] for one in resources if one["type"] == "bid"}


@pytest.mark.parametrize(
    ("part", "recorded"),
    [
        ((), {"bid.alpha", "bid.other"}),
        (("--target", "task.omega"), {"bid.alpha"}),
        (("--target", "task.alpha"), {"bid.alpha"}),
        (("--exclude", "task.omega"), {"bid.other"}),
    ],
)
def test_what_is_live_is_recorded_under_the_address_that_the_state_has(
    moving: Place, part: tuple[str, ...], recorded: set[str]
) -> None:
    outputs = moving.ok("output", "--json")
    for address in ("bid.alpha", "bid.other"):
        moving.call("PATCH", f"/v2/spot/bids/{bid_id(moving, address)}", b'{"limit_price": "$30.00"}')
    moving.ok(*APPLY, "--refresh-only", *part)
    assert {address for address, limit in limits(moving).items() if limit == "30.00"} == recorded
    assert limits(moving).keys() == {"bid.alpha", "bid.other", 'bid.sweep["a"]', 'bid.sweep["b"]'}
    assert moving.ok("output", "--json") == outputs
    moving.ok(*APPLY)
    assert moving.ok("state", "list").split() == NEW
    assert moving.run("plan", "--detailed-exitcode").code == 0


def test_a_version_from_before_the_moves_can_be_put_back(moving: Place) -> None:
    before, outputs = ids(moving), moving.ok("output", "--json")
    moving.ok(*APPLY)
    moving.ok("state", "restore", "1")
    assert "bid.alpha" in moving.ok("state", "list").split()
    assert (ids(moving), moving.ok("output", "--json")) == (before, outputs)
    assert "4 moved" in moving.ok(*APPLY)
    assert (ids(moving), moving.ok("state", "list").split()) == (before, NEW)


# ---- replace_triggered_by

TRIGGERED = """\
version: 2
defaults:
  resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
tasks:
  train: {task_management: {utility_threshold_price: 17.92}}
  watch: {lifecycle: {replace_triggered_by: [task.train.limit_price]}}
"""


@pytest.mark.parametrize(
    ("part", "train", "watch", "warned"),
    [
        (("--target", "task.watch"), "update", "replace", False),
        (("--target", "task.train"), "update", "no-op", True),
        (("--exclude", "task.watch"), "update", "no-op", True),
        (("--exclude", "task.train"), "no-op", "no-op", False),
    ],
)
def test_what_a_part_replaces_besides_and_what_it_says_of_the_rest(
    place: Place, part: tuple[str, str], train: str, watch: str, warned: bool
) -> None:
    place.write(TRIGGERED)
    place.ok(*APPLY)
    place.edit(
        "train: {task_management: {utility_threshold_price: 17.92}}",
        "train: {task_management: {utility_threshold_price: 18.50}}",
    )
    body = json.loads(place.ok("plan", *part, "--format", "json"))
    actions = {one["address"]: one["change"]["actions"] for one in body["resource_changes"]}
    words = {"replace": ["delete", "create"]}
    assert actions == {"bid.train": words.get(train, [train]), "bid.watch": words.get(watch, [watch])}
    said = [one for one in body["diagnostics"] if "bid.train changes now, but bid.watch" in one["summary"]]
    assert bool(said) is warned
    place.ok("plan", *part, "--out", "p.json")
    applied = place.ok("apply", "p.json") if train == "update" else ""
    later = json.loads(place.ok("plan", "--format", "json"))["summary"]
    assert later["replace"] == (0 if applied else 1)
