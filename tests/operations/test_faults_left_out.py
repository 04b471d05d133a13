"""What only the cloud finds wrong with a resource holds up no plan that leaves it out, and every plan that does not."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Place, bid_id, made_once

HEAD = "version: 2\ntasks:\n"
B = "{fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}"
A = "{fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}"
STORED = "persistent_storage: {create: {volume_name: data, size: 10, mount_point: /mnt/data}}"


def task(name: str, of: str, more: str = "") -> str:
    return f"  {name}: {{resources_specification: {of}{', ' + more if more else ''}}}\n"


@pytest.fixture
@made_once
def live(place: Place) -> Place:
    place.write(HEAD + task("a", A, STORED) + task("b", B))
    place.ok("apply", "--auto-approve", "--target", "task.a")
    return place


WRONG = {  # what is wrong with task a, live as it is -> what the warning says
    "its region": (("us-central1-b}, pers", "nowhere-1}, pers"), "there is no region nowhere-1"),
    "its type": (("h100.8x.SXM5.IB", "h900.8x.SXM5.IB"), "there is no instance type"),
    "what it attaches": (("create: {volume_name: data, size: 10", "attach: {volume_name: lost"), "no volume lost"),
}


@pytest.mark.parametrize("why", WRONG)
@pytest.mark.parametrize("part", [("--target", "task.b"), ("--exclude", "task.a")], ids=" ".join)
def test_a_plan_that_leaves_it_out_goes_on_and_leaves_it_as_it_is(why: str, part: tuple[str, str], live: Place) -> None:
    (old, new), said = WRONG[why]
    live.edit(old, new)
    before = (bid_id(live, "bid.a"), live.ok("state", "show", "volume.data"))
    body = json.loads(live.ok("plan", *part, "--format", "json"))
    changing = [
        one["address"] for one in body["resource_changes"] if one["change"]["actions"] not in (["no-op"], ["read"])
    ]
    assert changing == ["bid.b"]
    assert any(said in one["summary"] and "bid.a is left out" in one["summary"] for one in body["diagnostics"])
    out = live.ok("apply", "--auto-approve", *part)
    assert "Apply complete: 1 added, 0 changed, 0 destroyed." in out
    assert before == (bid_id(live, "bid.a"), live.ok("state", "show", "volume.data"))


@pytest.mark.parametrize("why", WRONG)
@pytest.mark.parametrize(
    "part",
    [(), ("--target", "task.a"), ("--exclude", "task.b"), ("--target", "*")],
    ids=" ".join,
)
def test_every_other_plan_is_refused(why: str, part: tuple[str, ...], live: Place) -> None:
    (old, new), said = WRONG[why]
    live.edit(old, new)
    result = live.run("apply", "--auto-approve", *part)
    assert (result.code, said in " ".join(result.err.split())) == (65, True), result
    assert "bid.b" not in live.ok("state", "list")


def test_a_volume_that_would_go_brings_the_bid_that_uses_it(live: Place) -> None:
    live.edit(*WRONG["what it attaches"][0])
    result = live.run("apply", "--auto-approve", "--target", "volume.data", "--allow-volume-destroy", "data")
    assert (result.code, "no volume lost" in result.err) == (65, True), result
    live.edit(*reversed(WRONG["what it attaches"][0]))
    live.edit(*WRONG["its type"][0])
    assert "No changes to what you selected." in live.ok("plan", "--target", "volume.data")


def test_what_needs_it_is_refused_too(place: Place) -> None:
    place.write(HEAD + task("a", A.replace("h100", "h900")) + task("b", B, "depends_on: [{task: a}]"))
    result = place.run("plan", "--target", "task.b")
    assert (result.code, "there is no instance type" in result.err) == (65, True), result


def test_a_name_that_is_taken_voids_no_saved_plan_of_another_task(live: Place) -> None:
    live.ok("plan", "--target", "task.b", "--out", "b.json")
    live.ok("plan", "--out", "all.json")
    live.ok("state", "rm", "bid.a")
    assert "Apply complete: 1 added" in live.ok("apply", "b.json")
    result = live.run("plan", "--exclude", "task.b")
    assert (result.code, "a bid named a already exists" in result.err) == (65, True), result


def test_a_new_task_with_a_problem_must_be_left_out_itself(place: Place) -> None:
    place.write(HEAD + task("a", A.replace("h100", "h900")) + task("b", B) + task("c", B))
    result = place.run("plan", "--exclude", "task.c")
    assert (result.code, "there is no instance type" in result.err) == (65, True), result
    assert "Plan: 1 to add" in place.ok("plan", "--exclude", "task.c", "--exclude", "task.a")
