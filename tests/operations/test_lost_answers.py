"""Answers that got lost, lists that lag, disks that are full: nothing is bought twice, and nothing is forgotten."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

import pytest

from flowplan.errors import CloudError
from tests.conftest import BID, DESTROY, PORTS, TASK, VOLUME, Place, left_in_doubt, lose_addresses, many


def faulty(place: Place, route: str, kind: str, **more: object) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(route, kind, **more)  # type: ignore[arg-type]


def test_what_is_not_listed_is_not_gone(applied: Place) -> None:
    """Lists lag. Forgetting a bid because a list does not show it would leave it running for ever."""
    with applied.simulator() as simulator:
        nobody = '{"data": [], "next_cursor": null}'
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=nobody, times=None)
    assert applied.run("plan", "--detailed-exitcode").code == 0
    with applied.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.add("GET /v2/volumes", "status", status=200, body="[]", times=None)
    ledger = applied.ledger()
    result = applied.run("apply", "--auto-approve")
    assert result.code == 1
    assert "the API lists it neither as live nor as ended" in " ".join(result.err.split())
    assert applied.ledger() == ledger
    assert applied.run(*DESTROY).code == 1
    made = applied.ledger()[len(ledger) :]
    assert [(one.method, one.path.split("/")[2]) for one in made] == [("DELETE", "spot")]
    assert VOLUME in applied.ok("state", "list")  # it stays, and stays known


def test_twins_are_named_and_can_be_cancelled(applied: Place) -> None:
    """A second live bid with our marker costs money: the plan says so, and `recover --cancel` ends it."""
    bids = json.loads(applied.call("GET", "/v2/spot/bids").body)["data"]
    ours = bids[0]
    copy = {key: ours[key] for key in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    launch = {**ours["launch_specification"], "volumes": []}
    twin = applied.call(
        "POST", "/v2/spot/bids", json.dumps({**copy, "name": "twin", "launch_specification": launch}).encode()
    )
    id = json.loads(twin.body)["fid"]
    assert f"flowplan recover --cancel {id}" in " ".join(applied.ok("plan").split())
    assert applied.run("recover", "--cancel", ours["fid"]).code == 3
    assert f"{id} ({BID}) is cancelled." in applied.ok("recover", "--cancel", id)
    assert "warning" not in applied.ok("plan")
    assert "Nothing is in doubt." in applied.ok("recover")


def test_created_and_gone_is_not_bought_again_in_the_same_run(place: Place) -> None:
    left_in_doubt(place)
    bid = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]["fid"]
    place.call("DELETE", f"/v2/spot/bids/{bid}")
    result = place.run("apply", "--auto-approve")
    assert result.code == 1
    assert "has ended since" in result.err
    assert "Apply complete: 2 added" in place.ok("apply", "--auto-approve")


def test_an_answer_that_was_lost_is_looked_for(place: Place) -> None:
    place.write(many(1))
    faulty(place, "POST /v2/spot/bids", "timeout", after_commit=True)
    out = place.ok("apply", "--auto-approve")
    assert "Apply complete: 3 added" in out
    assert sum(entry.path == "/v2/spot/bids" and entry.method == "POST" for entry in place.ledger()) == 1


def test_a_create_that_never_happened_is_sent_once_more_under_its_own_key(place: Place) -> None:
    place.write(many(1))
    faulty(place, "POST /v2/spot/bids", "timeout")
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        posts = [e for e in simulator.ledger(everything=True) if e.path == "/v2/spot/bids" and e.method == "POST"]
    assert len({entry.key for entry in posts}) == 1
    assert sum(entry.executed for entry in posts) == 1


def test_on_unknown_stop_never_sends_it_again(place: Place) -> None:
    place.write(many(1))
    faulty(place, "POST /v2/spot/bids", "timeout")
    for _ in range(2):
        assert place.run("apply", "--auto-approve", "--on-unknown", "stop").code == 6
    with place.simulator() as simulator:
        posts = [e for e in simulator.ledger(everything=True) if e.path == "/v2/spot/bids" and e.method == "POST"]
    assert len(posts) == 1


@pytest.mark.parametrize("nth", [3, 4])
def test_what_the_full_disk_did_not_take_is_not_lost(place: Place, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """The disk gives out at the n-th frame of the journal: exit 5, and the next apply knows what was made."""
    place.write(TASK)
    real, count = os.fdatasync, itertools.count(1)

    def full(descriptor: int) -> None:
        if next(count) >= nth:
            raise OSError(28, "ENOSPC")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        result = place.run("apply", "--auto-approve")
    assert result.code == 5
    assert "No space left" in result.err
    (overflow,) = (place.path.parent / "state-home" / "flowplan").iterdir()
    assert str(overflow) in result.err.replace("\n    ", "")
    assert VOLUME in place.ok("state", "list")
    place.ok("apply", "--auto-approve")
    assert not overflow.exists()
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert len([one for one in place.ledger() if one.method == "POST"]) == 2


@pytest.mark.parametrize("home", ["nowhere", "a-file"])
def test_as_a_last_resort_the_ids_are_told(place: Place, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    place.write(TASK)
    (place.path / "a-file").write_text("")
    real, count = os.fdatasync, itertools.count(1)

    def full(descriptor: int) -> None:
        if next(count) >= 3:
            raise OSError(28, "ENOSPC")
        real(descriptor)

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "" if home == "nowhere" else str(place.path / home))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        result = place.run("apply", "--auto-approve")
    assert result.code == 5
    assert f"{VOLUME} = vol_" in result.err or f"{BID} = bid_" in result.err
    assert "not recorded anywhere" in result.err
    place.ok("apply", "--auto-approve")  # the intent is in the journal: it is looked up
    assert len([one for one in place.ledger() if one.method == "POST"]) == 2


def test_a_cancellation_without_answer_is_seen_at_the_bid(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowplan.cloud.fcp import Fcp

    real = Fcp.cancel_bid

    def lost(self: Fcp, id: str, **how: Any) -> None:
        real(self, id, **how)
        raise CloudError("503, five times")

    monkeypatch.setattr(Fcp, "cancel_bid", lost)
    assert "3 destroyed" in applied.ok(*DESTROY)


def test_a_bid_that_a_lagging_list_still_shows_is_not_adopted(applied: Place) -> None:
    with applied.simulator() as simulator:
        simulator.faults.set(list_lag=3600)
    applied.ok(*DESTROY)
    applied.write(many(1))
    result = applied.run("apply", "--auto-approve")
    assert result.code == 0, result
    assert "it is kept" not in result.err
    assert BID not in applied.ok("state", "list")


def test_a_bid_that_the_state_lost_is_known_by_its_marker_though_its_ports_are_not_lost(applied: Place) -> None:
    """The ports bear the bid's id, which must not pass for the bid's being known."""
    lose_addresses(applied, BID)
    ledger = applied.ledger()
    applied.ok("apply", "--auto-approve")
    assert applied.ledger() == ledger
    assert applied.ok("state", "list").splitlines() == [BID, PORTS, VOLUME]
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_an_adopted_bid_brings_its_ports(applied: Place) -> None:
    """The state lost the bid; its marker tells where it belongs and what it publishes."""
    lose_addresses(applied, PORTS, BID)
    ledger = applied.ledger()
    result = applied.run("apply", "--auto-approve")
    assert "is live" in result.err and "it is kept" in " ".join(result.err.split())
    assert applied.ledger() == ledger
    assert applied.ok("state", "list").splitlines() == [BID, PORTS, VOLUME]
    assert applied.run("plan", "--detailed-exitcode").code == 0
