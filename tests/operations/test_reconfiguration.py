"""Changes of what runs: in place where the job survives it, and otherwise with what the gap may cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import APPLY, BID, Place, bid_id, made_once
from tests.cost.surges import surge
from tests.texts import task_text

A, B = (f"{{volume_name: {name}, size: 1, mount_point: /mnt/{name}}}" for name in "ab")
TWO, ONE = f"persistent_storage: {{create: [{A}, {B}]}}\n", f"persistent_storage: {{create: {A}}}\n"
TRAIN = "bid.train"
EVERY = ("--allow-volume-destroy", "*")


def plan(place: Place, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.run("plan", "--format", "json", *arguments).out)
    return found


def actions(found: dict[str, Any], address: str = TRAIN) -> tuple[list[str], str | None]:
    (change,) = [one for one in found["resource_changes"] if one["address"] == address]
    return change["change"]["actions"], change["action_reason"]


def said(found: dict[str, Any], word: str) -> list[str]:
    return [one["summary"] for one in found["diagnostics"] if one["detail"] == word]


@pytest.fixture
@made_once
def running(place: Place) -> Place:
    place.write(task_text(more=TWO))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "30m")
    return place


def test_a_mounted_volume_is_detached_in_place_and_the_bid_stays(running: Place) -> None:
    before = bid_id(running, TRAIN)
    running.write(task_text(more=ONE))
    assert actions(plan(running, *EVERY)) == (["update"], "update_by_restart")
    running.ok(*APPLY, *EVERY)
    assert bid_id(running, TRAIN) == before
    assert running.run("plan", "--detailed-exitcode").code == 0


def test_a_new_mount_replaces(running: Place) -> None:
    running.write(task_text(more=TWO.replace("/mnt/b", "/mnt/c")))
    assert actions(plan(running, *EVERY)) == (["delete", "create"], "replace_because_cannot_update")


def test_a_mount_that_goes_while_its_volume_stays_attached_replaces(running: Place) -> None:
    running.write(task_text(more=TWO.replace(", mount_point: /mnt/b", "")))
    assert actions(plan(running, *EVERY))[0] == ["delete", "create"]


@pytest.mark.parametrize("changed", [task_text(limit="19.50", more=TWO), task_text(more=TWO + "paused: true\n")])
def test_a_limit_and_a_pause_never_replace_and_interrupt_nothing_else(running: Place, changed: str) -> None:
    running.write(changed)
    found = plan(running)
    assert actions(found) == (["update"], None)
    assert said(found, "interrupts") == []


def test_what_a_restart_interrupts_is_said_once_with_its_figures(running: Place) -> None:
    running.write(task_text(more=ONE))
    (text,) = said(plan(running, *EVERY), "interrupts")
    assert text == (
        "interrupts what runs: bid.train (restarted) pays $8.00 an hour now, and $8.00 once it has won its place back, "
        "if there is still room"
    )


def test_what_a_replacement_interrupts_is_said_with_the_risk_of_not_getting_it_back(running: Place) -> None:
    surge(running, "$21.00")
    running.ok("simulator", "advance", "1s")
    found = plan(running, "--replace", TRAIN)
    (text,) = said(found, "interrupts")
    assert "bid.train (replaced) pays" in text
    assert "its limit $17.92 does not win it back if its place is taken meanwhile: that takes a limit of $" in text


def test_a_successor_is_not_advised_to_come_first_where_its_volume_is_replaced(running: Place) -> None:
    """It would be refused: the volume can be made again only once nothing uses it."""
    assert "create_before_destroy" in running.ok("plan", "--replace", TRAIN)
    running.write(task_text(more=TWO.replace("size: 1", "size: 2")))
    found = running.ok("plan", *EVERY)
    assert "interrupts what runs" in found and "create_before_destroy" not in found, found


FULL = """version: 2
project_name: my-foundry-project
ssh_key_name: my-ssh-key
tasks:
  one: {resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-a}, LIMIT}
"""


def at_limit(limit: str, more: str = "") -> str:
    return FULL.replace("LIMIT", f"task_management: {{utility_threshold_price: {limit}}}{more}")


@pytest.fixture
@made_once
def in_a_full_auction(place: Place) -> Place:
    place.write(at_limit("90"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "30m")
    return place


def test_a_limit_below_the_price_of_now_may_interrupt_what_runs(in_a_full_auction: Place) -> None:
    """Nobody can tell, so its price is unknown: but that it may be preempted has to be said."""
    in_a_full_auction.write(at_limit("0.60"))
    (text,) = said(found := plan(in_a_full_auction), "interrupts")
    assert text.startswith("may interrupt what runs: bid.one gets the limit $0.60, and the price is $"), text
    assert actions(found, "bid.one") == (["update"], None)
    in_a_full_auction.ok(*APPLY)
    in_a_full_auction.ok("simulator", "advance", "30m")
    assert "Allocated" not in in_a_full_auction.ok("status")
    in_a_full_auction.write(at_limit("0.55"))
    assert said(plan(in_a_full_auction), "interrupts") == []  # it does not run


def test_of_alike_bids_the_figures_of_an_interruption_are_said_once(place: Place) -> None:
    many = FULL.replace("one: {", "one: {for_each: [k1, k2, k3, k4, k5, k6, k7, k8, k9], ")
    place.write(many.replace("LIMIT", "task_management: {utility_threshold_price: 90}"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "30m")
    place.write(many.replace("LIMIT", "task_management: {utility_threshold_price: 0.60}"))
    (text,) = said(plan(place), "interrupts")
    head = 'may interrupt what runs: bid.one["k1"] ... ["k9"] (9 alike): each gets the limit $0.60, and the price is $'
    assert text.startswith(head) and text.count("$0.60") == 1, text
    (text,) = said(plan(place, "--replace", "task.one"), "interrupts")
    assert text.startswith('interrupts what runs: bid.one["k1"] ... ["k9"] (9 alike, replaced): each pays $'), text
    assert text.count("an hour now") == 1


@pytest.mark.parametrize(("limit", "more"), [("80", ""), ("95", ""), ("0.60", ", paused: true")])
def test_a_limit_above_the_price_and_a_pause_interrupt_nothing(in_a_full_auction: Place, limit: str, more: str) -> None:
    in_a_full_auction.write(at_limit(limit, more))
    assert said(found := plan(in_a_full_auction), "interrupts") == []
    assert actions(found, "bid.one") == (["update"], None)


def test_what_does_not_run_is_not_interrupted(place: Place) -> None:
    place.write(task_text(more="paused: true\n"))
    place.ok(*APPLY)
    place.write(task_text())
    assert said(plan(place, "--replace", TRAIN), "interrupts") == []


def test_a_successor_that_is_placed_first_leaves_no_gap(place: Place) -> None:
    place.write(task_text(more="lifecycle: {create_before_destroy: true}\n"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "30m")
    assert said(plan(place, "--replace", TRAIN), "interrupts") == []


def test_dropped_ports_explain_themselves_once_and_can_be_ignored(applied: Place) -> None:
    text = (applied.path / "flowplan.yaml").read_text()
    head, _, tail = text.partition("ports:\n")
    rest = tail.splitlines(keepends=True)
    kept = [
        line for number, line in enumerate(rest) if not all(one.startswith((" ", "-")) for one in rest[: number + 1])
    ]
    applied.write(head + "".join(kept))
    found = plan(applied)
    assert actions(found, BID)[0] == ["delete", "create"]
    (why,) = said(found, "ports_dropped")
    assert "the startup script publishes them, and it runs on first boot only" in why
    applied.write(head + "".join(kept) + "lifecycle: {ignore_changes: [ports]}\n")
    found = plan(applied)
    assert (actions(found, BID)[0], said(found, "ports_dropped")) == (["no-op"], [])
