"""A plan of many tasks: what is lost is at the top, what decides at the bottom, and it is as short as one of few."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import Place, bid_id

SCREEN = 24  # lines
HEAD = """version: 2
name: sweep
project_name: my-foundry-project
defaults:
  resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
tasks:
"""


def tasks(count: int) -> str:
    return HEAD + "".join(f"  sweep-{n:03}: {{ports: [8080], startup_script: echo hi}}\n" for n in range(count))


@pytest.fixture
def one_goes(place: Place) -> Place:
    """A stack of which one task is to go and 120 are to come."""
    place.write(f"{HEAD}  old: {{startup_script: echo old}}\n")
    place.ok("apply", "--auto-approve")
    place.write(tasks(120))
    return place


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_of_120_tasks_and_one_that_goes(one_goes: Place, command: str) -> None:
    done = one_goes.run(command, "--max-hourly-cost", "3")
    assert done.code == 3
    parts = done.out.split("\n\n")
    assert parts[0].startswith('Stack "sweep": project my-foundry-project, API sim:, state serial 1')
    assert parts[3].startswith("  - bid.old will be destroyed\n")
    assert "  + bid.sweep-000 … 119 (120 alike) will be created\n" in done.out
    assert "  + ports.sweep-000 … 119 (120 alike) will be created\n" in done.out
    end = done.out[done.out.index("\nCost, storage included:") :] + done.err
    assert "Destroys:\n  - bid.old\nPlan: 240 to add, 0 to change, 1 to destroy.\n" in end
    assert len(end.splitlines()) <= SCREEN
    assert end.rstrip().splitlines()[-1].startswith("refused by the guard max_hourly_cost")


def test_a_plan_of_more_tasks_has_no_more_lines(place: Place) -> None:
    lines = []
    for count in (120, 480):
        place.write(tasks(count))
        lines.append(len(place.ok("plan").splitlines()))
    assert lines[0] == lines[1] < 60


def test_verbose_shows_each_and_json_too(one_goes: Place) -> None:
    each = one_goes.ok("plan", "-v")
    assert "alike" not in each and each.count(" will be created\n") == 240
    found = json.loads(one_goes.ok("plan", "--format", "json"))["resource_changes"]
    assert sum(one["address"].startswith("bid.sweep-") for one in found) == 120


def test_one_problem_of_many_tasks_is_shown_once_with_every_place(place: Place) -> None:
    each = "".join(f"  a-{n}: {{task_management: {{utility_threshold_price: 1}}}}\n" for n in range(30))
    place.write(f"{HEAD}{each}")
    done = place.run("plan")
    assert (done.code, done.err.count("error: "), done.err.splitlines()[-1]) == (65, 1, "30 errors")
    assert "and in 29 more places: flowplan.yaml:9:" in done.err
    assert {int(line) for line in re.findall(r"flowplan\.yaml:(\d+):", done.err)} == set(range(8, 38))
    assert place.run("plan", "--verbose").err.count("error: ") == 30


def test_of_very_many_places_the_first_are_listed(place: Place) -> None:
    each = "".join(f"  a-{n}: {{task_management: {{utility_threshold_price: 1}}}}\n" for n in range(100))
    place.write(f"{HEAD}{each}")
    said = " ".join(place.run("plan").err.split())
    assert "and in 99 more places: flowplan.yaml:9:" in said and " and 69 more; --verbose shows each 100 errors" in said


def test_names_that_another_state_has_are_one_problem_with_one_remedy(place: Place) -> None:
    place.write(tasks(6))
    place.ok("apply", "--auto-approve")
    refused = place.run("plan", "--state", "other.json")
    said = " ".join(refused.err.split())
    assert (refused.code, said.count("error: "), said[-8:]) == (65, 1, "6 errors")
    assert re.search(r"if that is lost: flowplan recover --state other\.json --from-live --lineage [-0-9a-f]{36}", said)
    assert "and 5 more like it: bid.sweep-001 … 005" in said
    assert place.run("plan", "--state", "other.json", "--verbose").err.count("error: a bid named sweep-") == 6


def test_a_state_that_is_rebuilt_is_listed_in_the_order_of_addresses(place: Place) -> None:
    place.write(HEAD + "".join(f"  a-{n}: {{}}\n" for n in range(12)))
    place.ok("apply", "--auto-approve")
    for left in place.path.glob("flowplan.state*"):
        left.unlink()
    rebuilt = place.ok("recover", "--from-live")
    assert re.findall(r"^bid\.a-(\d+)  bid_", rebuilt, re.MULTILINE) == [str(n) for n in range(12)]


def test_what_changed_outside_in_the_same_way_is_said_once(place: Place) -> None:
    place.write(tasks(6))
    place.ok("apply", "--auto-approve")
    for n in range(5):
        id = bid_id(place, f"bid.sweep-{n:03}")
        place.call("PATCH", f"/v2/spot/bids/{id}", b'{"limit_price": "$17.00"}')
    assert "  ~ bid.sweep-000 … 004 (5 alike)  limit_price $17.92 -> $17.00\n" in place.ok("plan")
    assert place.ok("plan", "--verbose").count("limit_price $17.92 -> $17.00") == 5
