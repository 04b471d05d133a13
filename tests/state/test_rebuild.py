"""A lost state, made again from the markers of live bids."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from flowplan.state.rebuild import rebuild
from tests.builders import DATA, TRAIN, bid, bound, live, live_bid, live_volume, marker, state, volume

USES = bid(volumes=("vol_1",))


def ids(found: Any) -> dict[str, str]:
    return {str(address): binding.id for address, binding in found.state.bindings.items()}


def test_bids_are_found_by_their_markers() -> None:
    found = rebuild(state(), live(live_bid(USES, marker=marker(USES, generation=3))), {})
    assert ids(found) == {"bid.train": "bid_1"} and found.notes == ()
    assert found.state.bindings[TRAIN].generation == 3


def test_a_volume_that_a_bid_of_ours_uses_and_no_file_names_is_said_to_cost_money() -> None:
    there = live(live_bid(USES), live_volume(volume()), live_volume(volume(name="other"), "vol_2"))
    (note,) = rebuild(state(), there, {}).notes
    assert "that no file given here names, and the state does not have them: data (vol_1); a volume costs" in note
    assert rebuild(state(), there, {TRAIN: USES}).notes == ()  # attached: it is somebody else's


@pytest.mark.parametrize(
    "other",
    [
        live_bid(bid(), ours=False),
        live_bid(bid(), status="Terminated"),
        live_bid(bid(), marker=marker(bid(), lineage="another")),
    ],
)
def test_what_is_not_ours_or_over_is_left_out(other: Any) -> None:
    assert ids(rebuild(state(), live(other), {})) == {}


def test_of_two_bids_of_one_address_the_older_is_kept() -> None:
    young = live_bid(bid(), "bid_1", created_at="2026-03-02T00:00:00Z")
    old = live_bid(bid(), "bid_2", created_at="2026-03-01T00:00:00Z")
    found = rebuild(state(), live(young, old), {})
    assert ids(found) == {"bid.train": "bid_2"}
    assert found.notes == ("bid.train has duplicate live bids, which cost money: flowplan recover --cancel bid_1",)


def test_a_volume_is_ours_if_the_files_ask_for_it_and_a_bid_of_ours_uses_it() -> None:
    found = rebuild(state(), live(live_bid(USES), live_volume(volume())), {DATA: volume()})
    assert ids(found) == {"volume.data": "vol_1", "bid.train": "bid_1"}
    assert found.state.bindings[TRAIN].needs == (DATA,)
    assert found.state.adopted == {"vol_1"}


@pytest.mark.parametrize(
    "there",
    [
        [live_bid(bid()), live_volume(volume())],  # no bid of ours uses it
        [live_bid(USES), live_volume(volume(size_gb=99))],  # another
        [live_bid(USES), live_volume(volume()), live_volume(volume(), "vol_2")],  # two of them
    ],
)
def test_a_volume_that_nothing_proves_is_only_named(there: list[Any]) -> None:
    found = rebuild(state(), live(*there), {DATA: volume()})
    assert ids(found) == {"bid.train": "bid_1"}
    assert found.notes == ("volume.data: a volume with that name is live, but nothing proves that flowplan made it",)


def test_what_is_known_already_stays() -> None:
    known = state(bound(DATA, "vol_7", volume()))
    found = rebuild(known, live(live_bid(bid()), live_volume(volume())), {DATA: volume()})
    assert ids(found) == {"volume.data": "vol_7", "bid.train": "bid_1"}
    assert rebuild(attrs.evolve(known, bindings={}), live(), {}).state == state(paid_since=2)


def test_of_two_generations_the_successor_is_kept() -> None:
    """A run was killed between a successor and its predecessor, and then the state was lost."""
    old, new = bid(), bid("train-g2")
    there = live(
        live_bid(old, created_at="2026-03-01T10:00:00Z"),
        live_bid(new, "bid_2", created_at="2026-03-01T11:00:00Z", marker=marker(new, generation=2)),
    )
    found = rebuild(state(), there, {})
    assert {address: one.id for address, one in found.state.bindings.items()} == {TRAIN: "bid_2"}
    assert found.notes == ("bid.train has duplicate live bids, which cost money: flowplan recover --cancel bid_1",)
