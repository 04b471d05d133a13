"""What mends a state, where a bid's successor is made and the bid itself is still to be cancelled (`bid.train@g1`)."""

from __future__ import annotations

import pytest

from tests.conftest import APPLY, Place, bid_id, live_ids, made_once
from tests.texts import task_text

FIRST = task_text("train", more="ports: [80]\nlifecycle: {create_before_destroy: true}\nstartup_script: echo one\n")
CANCEL = "DELETE /v2/spot/bids/*"


def refuse_to_cancel(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(CANCEL, "status", status=403, times=None)


def allow(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.clear()


def addresses(place: Place) -> list[str]:
    return place.ok("state", "list").split()


@pytest.fixture
@made_once
def both(place: Place) -> Place:
    """Where `bid.train` has a successor and could not be cancelled."""
    place.write(FIRST)
    place.ok(*APPLY)
    place.edit("echo one", "echo two")
    refuse_to_cancel(place)
    assert place.run(*APPLY).code == 1
    assert addresses(place) == ["bid.train", "bid.train@g1", "ports.train"]
    allow(place)
    return place


def test_they_move_with_their_successor(both: Place) -> None:
    new = bid_id(both, "bid.train")
    assert "bid.train@g1 is now bid.other@g1." in both.ok("state", "mv", "bid.train", "bid.other")
    assert addresses(both) == ["bid.other", "bid.other@g1", "ports.other"]
    both.edit("name: train", "name: other")
    out = both.ok(*APPLY)
    assert "# bid.other was made in its place" in out
    assert live_ids(both) == [new]


@pytest.mark.parametrize("command", ["mv", "import"])
def test_nothing_else_gets_such_an_address(both: Place, command: str) -> None:
    """The next apply would destroy it, whatever the files say of it."""
    id = bid_id(both, "bid.train")
    if command == "import":
        both.ok("state", "rm", "bid.train")
    given = ("state", "mv", "bid.train", "bid.train@g7") if command == "mv" else ("import", "bid.train@g7", id)
    refused = both.run(*given)
    assert (refused.code, "bid.train@g7 is the address that flowplan gives" in refused.err) == (64, True)
    assert "bid.train@g7" not in addresses(both)


def test_one_can_be_released_and_imported_elsewhere(both: Place) -> None:
    id = bid_id(both, "bid.train@g1")
    both.ok("state", "rm", "bid.train@g1")
    assert both.run("plan", "--detailed-exitcode").code == 0
    both.ok("import", "bid.old", id)
    assert addresses(both) == ["bid.old", "bid.train", "ports.train"]


def test_no_successor_takes_the_address_of_another_earlier_bid(both: Place) -> None:
    """Another bid has the address by now, of the generation that the earlier one had: each stays known until it is
    cancelled."""
    both.write(FIRST.replace("train", "beside"), "beside.yaml")
    both.ok(*APPLY, "beside.yaml")
    beside, earlier, gone = (bid_id(both, one) for one in ("bid.beside", "bid.train@g1", "bid.train"))
    both.ok("state", "rm", "bid.train")
    both.call("DELETE", f"/v2/spot/bids/{gone}")
    both.ok("state", "mv", "bid.beside", "bid.train")
    (both.path / "beside.yaml").unlink()
    both.edit("echo two", "echo three")
    refuse_to_cancel(both)
    assert both.run(*APPLY).code == 1
    known = {bid_id(both, one) for one in addresses(both) if one.startswith("bid.")}
    assert known == set(live_ids(both)) > {beside, earlier}
    allow(both)
    both.ok(*APPLY)
    assert live_ids(both) == [bid_id(both, "bid.train")]


def test_a_file_that_was_renamed_meanwhile_takes_it_away(place: Place) -> None:
    place.write(FIRST, "before.yaml")
    place.ok(*APPLY, "before.yaml")
    (place.path / "before.yaml").rename(place.path / "after.yaml")
    place.edit("echo one", "echo two", "after.yaml")
    refuse_to_cancel(place)
    assert place.run(*APPLY, "after.yaml").code == 1
    allow(place)
    place.ok(*APPLY, "after.yaml")
    assert live_ids(place) == [bid_id(place, "bid.train")]


def test_a_version_of_before_puts_none_of_both_back(both: Place) -> None:
    """The successor is live, as the files want it, and known: nothing is bought for it."""
    new = bid_id(both, "bid.train")
    both.ok("state", "restore", "1")
    assert addresses(both) == ["bid.train", "bid.train@g1", "ports.train"]
    assert "0 added, 0 changed, 1 destroyed" in both.ok(*APPLY)
    assert live_ids(both) == [new]


def test_a_successor_takes_no_name_that_somebody_has(place: Place) -> None:
    place.write(FIRST.replace("train", "train-g2"), "theirs.yaml")
    place.ok("--state", "theirs.json", *APPLY, "theirs.yaml")
    (place.path / "theirs.yaml").unlink()
    theirs = live_ids(place)
    place.write(FIRST)
    place.ok(*APPLY, "--init")  # beside the state of theirs
    place.edit("echo one", "echo two")
    assert "train-g3 is placed before" in place.ok(*APPLY)
    assert set(live_ids(place)) == {*theirs, bid_id(place, "bid.train")}
    assert place.run("plan", "--detailed-exitcode").code == 0
