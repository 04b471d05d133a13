"""The answer to a create is read in full: what is not as it was asked for is said at once, and recorded as it is; the
answer to another create is nobody's word."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from flowplan.backends.local import LocalStore
from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.state.records import Done
from flowplan.state.state import Binding
from tests.conftest import Place, live_ids, many

POST_BID, POST_VOLUME = "POST /v2/spot/bids", "POST /v2/volumes"
STATE = "flowplan.state.json"


def answered(place: Place, route: str, **fault: Any) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(route, "edited", **fault)


def applied(place: Place, address: str) -> dict[str, Any]:
    resources = json.loads((place.path / STATE).read_text())["resources"]
    found: dict[str, Any] = next(one["applied"] for one in resources if one["address"] == address)
    return found


@pytest.mark.parametrize(
    ("put", "says", "field", "kept"),
    [
        ({"limit_price": "$30.00"}, "limit_price 30.00 instead of 17.92", "limit_price", "30.00"),
        ({"limit_price": "$10.00"}, "limit_price 10.00 instead of 17.92", "limit_price", "10.00"),
        ({"instance_quantity": 8}, "instance_quantity 8 instead of 1", "instance_quantity", 8),
        ({"instance_type": "it_other"}, "instance_type it_other instead of it_5E", "instance_type", "it_other"),
        ({"region": "us-east1-a"}, "region us-east1-a instead of us-central1-b", "region", "us-east1-a"),
        ({"status": "Paused"}, "paused true instead of false", "paused", True),
        ({"status": "Terminated"}, "it is already Terminated", "paused", False),
        (
            {"project": "proj_other"},
            "project proj_other instead of my-foundry-project (proj_",
            "limit_price",
            "17.92",
        ),
    ],
)
def test_a_bid_that_is_not_as_it_was_asked_for(
    place: Place, put: dict[str, Any], says: str, field: str, kept: Any
) -> None:
    place.write(many(1))
    answered(place, POST_BID, put=put)
    result = place.run("apply", "--auto-approve")
    assert result.code == 1, result
    told = " ".join(f"{result.out} {result.err}".split())
    assert "but not as requested" in told and says in told
    assert applied(place, "bid.task-000")[field] == kept
    assert len(live_ids(place)) == 1
    place.ok("apply", "--auto-approve")  # what is live is as it was asked for: only the answer was odd
    assert len(live_ids(place)) == 1
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_bid_that_is_to_be_paused_is_paused_all_the_same(place: Place) -> None:
    place.write(many(1).replace("ports:", "paused: true\nports:"))
    answered(place, POST_BID, put={"limit_price": "$30.00"})
    assert place.run("apply", "--auto-approve").code == 1
    [bid] = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    assert bid["status"] == "Paused"


@pytest.mark.parametrize(
    ("route", "odd"),
    [
        (POST_BID, {"drop": ("limit_price", "status", "project", "region", "instance_quantity", "name")}),
        (POST_BID, {"drop": ("launch_specification",)}),
        (POST_BID, {"put": {"launch_specification": [], "limit_price": 3, "instance_quantity": "x", "status": None}}),
        (POST_BID, {"put": {"limit_price": "17.920", "name": "another-name"}}),  # its marker says whose it is
        (POST_VOLUME, {"drop": ("capacity_gb", "region", "interface", "name", "project", "created_at")}),
        (POST_VOLUME, {"put": {"capacity_gb": None, "region": None, "interface": "block"}}),
    ],
)
def test_what_the_answer_does_not_tell_is_as_it_was_asked_for(place: Place, route: str, odd: dict[str, Any]) -> None:
    place.write(many(1))
    answered(place, route, **odd)
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("id", ["..", "bid_../x", "bid_\x1b[2J", "bid_" + "x" * 200, "", 7, None])
@pytest.mark.parametrize("route", [POST_BID, POST_VOLUME])
def test_an_answer_whose_id_is_none_tells_nothing(place: Place, route: str, id: Any) -> None:
    """Under such an id a destroy would not find what was made: it ran on, and no plan could be made any more."""
    place.write(many(1))
    answered(place, route, put={"fid": id})
    result = place.run("apply", "--auto-approve")
    assert (result.code, "the answer has no valid id" in " ".join(result.err.split())) == (0, True), result
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert live_ids(place) == []


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ({"region": "us-east1-a"}, "region us-east1-a instead of us-central1-b"),
        ({"interface": "File"}, "interface File instead of Block"),
    ],
)
def test_nothing_is_placed_on_a_volume_that_is_not_as_it_was_asked_for(
    place: Place, put: dict[str, Any], says: str
) -> None:
    place.write(many(1))
    answered(place, POST_VOLUME, put=put)
    result = place.run("apply", "--auto-approve")
    assert result.code == 1, result
    assert says in " ".join(f"{result.out} {result.err}".split())
    assert live_ids(place) == []
    place.ok("apply", "--auto-approve")


def test_a_size_that_the_api_rounds_up_is_told_once_and_refuses_no_plan(place: Place) -> None:
    """Whatever it rounds to: asked for 10, made 16."""
    place.write(many(1).replace("size: 1,", "size: 10,"))
    answered(place, POST_VOLUME, put={"capacity_gb": 16})
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", put={"capacity_gb": 16}, times=None)
    result = place.run("apply", "--auto-approve")
    assert result.code == 0, result
    told = " ".join(f"{result.out} {result.err}".split())
    assert "volume.vol-000: asked for 10 GB; the API made it 16 GB, and you pay for that" in told
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0, result
    assert "outside" not in result.out
    with place.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.add("GET /v2/volumes", "edited", put={"capacity_gb": 32}, times=None)
    assert "size_gb 10 -> 32" in place.run("plan").out


# ---- the answer to another create -----------------------------------------------------------------------------


def other_answer(place: Place) -> dict[str, Any]:
    """A bid of this stack that is there already, as the API answers with it."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    found: dict[str, Any] = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]
    return found


def state_names_each_id_once(place: Place) -> None:
    bindings = LocalStore(place.path / STATE).read().state.bindings
    ids = [one.id for address, one in bindings.items() if address.kind != "ports"]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("told", ["all", "no script", "only the id"])
def test_two_creates_that_are_answered_with_one_id(place: Place, told: str) -> None:
    """A proxy answers a POST with what it kept of another: the second bid was placed, and is found by its marker."""
    theirs = other_answer(place)
    if told == "no script":
        theirs["launch_specification"]["startup_script"] = None
    put = {"fid": theirs["fid"]} if told == "only the id" else theirs
    place.write(many(2))
    answered(place, POST_BID, put=put)
    place.ok("apply", "--auto-approve")
    assert len(live_ids(place)) == 2
    state_names_each_id_once(place)
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("told", ["all", "no script"])
def test_the_answer_to_a_create_of_another_stack_is_not_taken(place: Place, told: str) -> None:
    """No id here is the same: only what the answer says tells that it is about somebody else's bid."""
    place.write(many(1, first=5), "other.yaml")
    place.ok("--state", "other.json", "apply", "other.yaml", "--auto-approve")
    [theirs] = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    if told == "no script":
        theirs["launch_specification"]["startup_script"] = None
    place.write(many(1))
    answered(place, POST_BID, put=theirs)
    place.ok("apply", "--auto-approve")
    assert theirs["fid"] not in (place.path / STATE).read_text()
    assert len(live_ids(place)) == 2
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert live_ids(place) == [theirs["fid"]]


def test_two_volumes_that_are_answered_with_one_id(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    id = next(b.id for a, b in LocalStore(place.path / STATE).read().state.bindings.items() if a.kind == "volume")
    place.write(many(2))
    answered(place, POST_VOLUME, put={"fid": id})
    place.ok("apply", "--auto-approve")
    state_names_each_id_once(place)
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("kind", ["bid", "volume"])
def test_a_journal_that_has_one_id_twice_is_not_in_order(place: Place, kind: str) -> None:
    """As an earlier flowplan left it: every command said 5, and `state restore` that all is in order."""
    place.write(many(2))
    place.ok("apply", "--auto-approve")
    store = LocalStore(place.path / STATE)
    state = store.read().state
    one, other = (
        Address(kind, name)  # type: ignore[arg-type]
        for name in (("task-000", "task-001") if kind == "bid" else ("vol-000", "vol-001"))
    )
    twice = Done("", other, attrs.evolve(state.bindings[other], id=state.bindings[one].id))
    store.prepare(state).append([twice])
    store.close()
    with pytest.raises(StateError, match="records an id twice"):
        LocalStore(place.path / STATE).read()
    assert place.run("plan").code == 5
    result = place.run("state", "restore")
    assert result.code == 0, result
    id = state.bindings[one].id
    assert f"{id} was recorded as {one} and as {other}" in " ".join(result.err.split())
    ledger = len(place.ledger())
    if kind == "volume":
        assert place.run("apply", "--auto-approve").code == 65  # nothing is guessed of volumes
        for address, binding in ((one, id), (other, state.bindings[other].id)):
            place.ok("import", str(address), binding)
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert len(place.ledger()) == ledger
    restored: dict[Address, Binding] = dict(LocalStore(place.path / STATE).read().state.bindings)
    assert {a: b.id for a, b in restored.items()} == {a: b.id for a, b in state.bindings.items()}
