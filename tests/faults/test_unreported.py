"""What an answer leaves out is unknown: no difference, no drift, nothing replaced or paused for it. And what the API
makes of a value by itself is what was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from flowplan.cloud.rows import live_bid, live_volume
from flowplan.model.catalogue import Catalogue, InstanceType, Named
from flowplan.model.live import Marker
from flowplan.model.resources import Bid, Inputs, Mount, PortPair, Script, Volume
from flowplan.planning.actions import Change
from flowplan.startup import marker
from flowplan.state.codec import dump, load
from flowplan.state.known import as_known, placed_bids
from tests.builders import DATA, TRAIN, bid, bound, live, state, volume
from tests.builders import planned as plan_for
from tests.conftest import BID, VOLUME, Place, bid_id

INPUTS = Inputs(Script.of("echo hello\n"), (PortPair(8080, 8080),), (Mount("vol_1", "/mnt/data"),))
WANTED = bid(
    limit="25.60",
    instance_type="it_h100",
    instance_type_name="h100-80gb.sxm.8x",
    region="us-central1-b",
    ssh_keys=("sshkey_1",),
    volumes=("vol_1",),
    inputs=INPUTS,
    gpus=None,
)
MARKER = Marker.of(INPUTS, stack="s", lineage="l", address=TRAIN, generation=1, intent="i")
TYPES = (InstanceType("it_h100", "h100-80gb.sxm.8x", "H100", 8), InstanceType("it_a100", "a100-80gb.sxm.8x", "A100", 8))
CATALOGUE = Catalogue(TYPES, (), (Named("sshkey_1", "laptop"),))


def row(**told: Any) -> dict[str, Any]:
    """A bid as the API lists it, with other values for some fields."""
    launch: dict[str, Any] = {
        "volumes": ["vol_1"],
        "ssh_keys": ["sshkey_1"],
        "startup_script": f"#!/bin/bash\n{marker.line(MARKER)}\n",
        "memory_gb": None,
    }
    whole: dict[str, Any] = {
        "fid": "bid_1",
        "name": "train",
        "project": "proj_1",
        "created_at": "2026-11-01T10:00:00Z",
        "limit_price": "$25.60",
        "instance_quantity": 1,
        "instance_type": "it_h100",
        "region": "us-central1-b",
        "instances": [],
        "status": "Allocated",
    }
    launch.update({name: told.pop(name) for name in list(told) if name in launch})
    return {**whole, **told, "launch_specification": launch}


def missing(**told: Any) -> dict[str, Any]:
    """The same with the fields whose value is None left out."""
    full = row(**told)
    full["launch_specification"] = {k: v for k, v in full["launch_specification"].items() if k not in told}
    return {key: value for key, value in full.items() if key not in told}


def planned(live_row: dict[str, Any], applied: Bid = WANTED, wanted: Bid = WANTED) -> tuple[Change, tuple[Change, ...]]:
    """What becomes of the bid, and what drifted."""
    plan = plan_for({TRAIN: wanted}, state(bound(TRAIN, "bid_1", applied)), live(live_bid(live_row, CATALOGUE, {})))
    return plan.by_address()[TRAIN], plan.drift


FIELDS = ("region", "ssh_keys", "volumes", "memory_gb", "startup_script")


@pytest.mark.parametrize("shape", [row, missing])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_not_told_is_no_difference(name: str, shape: Callable[..., dict[str, Any]]) -> None:
    change, drift = planned(shape(**{name: None}))
    assert (change.action, change.fields, drift) == ("no-op", (), ())
    assert isinstance(change.after, Bid) and change.after.region == "us-central1-b"


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_neither_the_answer_nor_the_state_tells_is_no_difference(name: str) -> None:
    """The bid was adopted by its marker, or imported, from an answer that did not tell it either."""
    live = live_bid(row(**{name: None}), CATALOGUE, {})
    change, drift = planned(row(**{name: None}), applied=as_known(live, None))
    assert (change.action, drift) == ("no-op", ())


@pytest.mark.parametrize(
    ("name", "value", "action"),
    [("region", "us-central1-a", "replace"), ("ssh_keys", [], "replace"), ("volumes", [], "update")],
)
def test_what_is_told_and_differs_is_a_difference(name: str, value: Any, action: str) -> None:
    """An empty list is told: it is not unknown."""
    change, drift = planned(row(**{name: value}))
    assert change.action == action
    assert [one.name for one in change.fields] == [name]
    assert [one.name for one in drift[0].fields] == [name]


def test_a_script_that_is_not_told_is_the_one_that_was_applied() -> None:
    """Else a changed script would be "No changes" as long as the API keeps scripts to itself."""
    changed = attrs.evolve(WANTED, inputs=attrs.evolve(INPUTS, startup_script=Script.of("echo other\n")))
    change, _ = planned(row(startup_script=None), wanted=changed)
    assert change.action == "replace"


def test_what_is_not_told_is_neither_changed_nor_forgotten_by_an_update() -> None:
    change, _ = planned(row(volumes=None, limit_price="$20"))
    assert [one.name for one in change.fields] == ["limit_price"]
    assert isinstance(change.after, Bid)
    assert (change.after.volumes, change.after.unreported) == (("vol_1",), ())


def test_a_default_that_the_api_fills_in_is_no_drift_and_no_change() -> None:
    """memory_gb: none was asked for, and 190 came."""
    change, drift = planned(row(memory_gb=190))
    assert (change.action, drift) == ("no-op", ())
    change, drift = planned(row(memory_gb=190, limit_price="$20"))
    assert [one.name for one in change.fields] == ["limit_price"]
    assert [[one.name for one in entry.fields] for entry in drift] == [["limit_price"]]
    assert isinstance(drift[0].after, Bid) and drift[0].after.memory_gb is None


def test_memory_that_somebody_changed_since_is_drift() -> None:
    _, drift = planned(row(memory_gb=100), applied=attrs.evolve(WANTED, memory_gb=190))
    assert [one.name for one in drift[0].fields] == ["memory_gb"]


def test_a_region_that_nothing_tells_fixes_no_place() -> None:
    there = live(live_bid(row(region=None), CATALOGUE, {}))
    unknown = as_known(there.bids["bid_1"], None)
    assert placed_bids(state(bound(TRAIN, "bid_1", WANTED)), there)[TRAIN].region == "us-central1-b"
    assert placed_bids(state(bound(TRAIN, "bid_1", unknown)), there) == {}


# ---- names where ids should be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        {"instance_type": "h100-80gb.sxm.8x"},
        {"instance_type": "H100-80GB.SXM.8x "},
        {"ssh_keys": ["laptop"]},
        {"ssh_keys": ["sshkey_1", "sshkey_1"]},
        {"limit_price": "$25.6"},
        {"limit_price": "25.600"},
    ],
)
def test_another_spelling_in_an_answer_is_no_difference(told: dict[str, Any]) -> None:
    change, drift = planned(row(**told))
    assert (change.action, drift) == ("no-op", ())


# ---- volumes --------------------------------------------------------------------------------------------------


def volume_row(**told: Any) -> dict[str, Any]:
    return {
        "fid": "vol_1",
        "name": "data",
        "region": "us-central1-b",
        "created_at": "2026-11-01T10:00:00Z",
        "deleted_at": None,
        "capacity_gb": 16,
        "project": "proj_1",
        "interface": "Block",
        "bids": [],
        "reservations": [],
        "attachments": {},
        **told,
    }


def made(size_gb: int, capacity_gb: int | None = None) -> Volume:
    return volume(size_gb=size_gb, capacity_gb=capacity_gb, region="us-central1-b")


@pytest.mark.parametrize(
    ("applied", "told", "wanted", "action"),
    [
        (made(10, 16), {}, 10, "no-op"),  # rounded up when it was made
        (made(10, 16), {"capacity_gb": 32}, 10, "replace"),  # grown since
        (made(10, 16), {}, 12, "replace"),  # another one is wanted
        (made(10), {}, 10, "replace"),  # nothing says that the API made it so
        (made(10, 16), {"capacity_gb": None}, 10, "no-op"),
        (made(16), {"region": None}, 16, "no-op"),
        (made(16), {"name": "called-otherwise"}, 16, "no-op"),
    ],
)
def test_the_size_that_was_asked_for_is_compared(
    applied: Volume, told: dict[str, Any], wanted: int, action: str
) -> None:
    there = live(live_volume(volume_row(**told)))
    plan = plan_for({DATA: made(wanted)}, state(bound(DATA, "vol_1", applied)), there)
    change = plan.by_address()[DATA]
    assert change.action == action
    grown = told.get("capacity_gb") == 32 or applied.held_gb == 10
    assert [[one.name for one in entry.fields] for entry in plan.drift] == ([["size_gb"]] if grown else [])
    if action == "no-op":
        assert isinstance(change.after, Volume)
        assert (change.after.size_gb, change.after.held_gb) == (applied.size_gb, applied.held_gb)


def test_what_was_asked_for_and_what_came_are_both_kept() -> None:
    rounded = bound(DATA, "vol_1", made(10, 16))
    unreported = bound(TRAIN, "bid_1", attrs.evolve(WANTED, unreported=("ssh_keys",)))
    back = load(dump(state(rounded, unreported)), "state").bindings
    assert back[DATA].applied.capacity_gb == 16  # type: ignore[union-attr]
    assert back[TRAIN].applied.unreported == ("ssh_keys",)
    plain = state(bound(DATA, "vol_1", made(10)))
    assert b"capacity_gb" not in dump(plain) and b"untold" not in dump(plain)  # older flowplans read it


def test_a_live_volume_says_who_uses_it() -> None:
    found = live_volume(volume_row(bids=["bid_1"], reservations=["res_1"], attachments={"inst_1": "bid_1"}))
    assert (found.bids, found.reservations, found.attachments) == (("bid_1",), ("res_1",), (("inst_1", "bid_1"),))
    assert found.users == ("bid_1", "res_1", "inst_1")
    assert live_volume(volume_row(bids=None, reservations=None, attachments=None)).users == ()


# ---- through the command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("region",), ("ssh_keys",), ("volumes",), ("region", "ssh_keys", "volumes")])
def test_a_running_bid_of_which_little_is_told_stays_as_it_is(applied: Place, names: tuple[str, ...]) -> None:
    answer = json.loads(applied.call("GET", "/v2/spot/bids").body)
    for one in answer["data"]:
        for name in names:
            (one if name == "region" else one["launch_specification"])[name] = None
    with applied.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=json.dumps(answer), times=None)
    changes = len(applied.ledger())
    result = applied.run("plan", "--detailed-exitcode")
    assert result.code == 0, result
    assert "outside" not in result.out
    applied.ok("apply", "--auto-approve")
    assert len(applied.ledger()) == changes
    applied.ok("status")
    applied.ok("cost")
    applied.edit("17.92", "18.40")
    applied.ok("apply", "--auto-approve")
    assert [entry.method for entry in applied.ledger()[changes:]] == ["PATCH"]


def test_a_bid_that_is_taken_over_without_its_region_is_left_where_it_is(applied: Place) -> None:
    id = bid_id(applied)
    applied.ok("state", "rm", BID)
    answer = json.loads(applied.call("GET", "/v2/spot/bids").body)
    answer["data"][0]["region"] = None
    with applied.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=json.dumps(answer), times=None)
    applied.ok("import", BID, id)
    assert VOLUME in applied.ok("state", "list")
    assert applied.run("plan", "--detailed-exitcode").code == 0
