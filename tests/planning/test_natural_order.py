"""Addresses are in natural order everywhere: a-2 before a-10."""

from __future__ import annotations

import json
import re
from pathlib import Path

from flowplan.operations.completion import addresses
from tests.conftest import APPLY, Place
from tests.texts import task_text

NAMES = ["a-1", "a-2", "a-9", "a-10", "a-11"]
BIDS = [f"bid.{name}" for name in NAMES]


def test_addresses_are_in_natural_order(place: Place) -> None:
    place.write("".join(task_text(name, "20", "a40.1x.PCIe", "us-central1-a") for name in reversed(NAMES)))
    plan = json.loads(place.ok("plan", "--format", "json"))
    assert [one["address"] for one in plan["resource_changes"]] == BIDS
    done = place.run(*APPLY, "--parallelism", "1")
    assert re.findall(r"(bid\.\S+): created", done.err) == BIDS
    assert place.ok("state", "list").split() == BIDS
    state = json.loads(Path("flowplan.state.json").read_text())
    assert [one["address"] for one in state["resources"]] == BIDS
    tasks = [f"task.{name}" for name in NAMES]
    assert addresses(Path(), {}, None) == [*BIDS, *tasks]
    for command in (("status", "--verbose"), ("cost", "--verbose"), ("show",)):
        shown = re.findall(r"^ *(bid\.[\w-]+)", place.ok(*command), re.MULTILINE)
        assert shown[: len(BIDS)] == BIDS
    assert json.loads(place.ok("status", "--format", "json"))["bids"][1]["address"] == "bid.a-2"
    done = place.run("destroy", "--auto-approve", "--json", "--parallelism", "1")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [one["address"] for one in events if one["type"] == "planned_change"] == BIDS
    assert [one["address"] for one in events if one["type"] == "apply_complete"] == BIDS


def test_instances_are_in_natural_order(place: Place) -> None:
    place.write(task_text("a", "20", "a40.1x.PCIe", "us-central1-a", num_instances=12))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "1h")
    names = [f"a-{number}" for number in range(12)]
    assert re.findall(r"^  (a-\d+) ", place.ok("status"), re.MULTILINE) == names
    (bid,) = json.loads(place.ok("status", "--format", "json"))["bids"]
    assert [one["name"] for one in bid["instances"]] == names
