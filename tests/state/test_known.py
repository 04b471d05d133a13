"""What is known of a live object, as far as anything tells."""

from __future__ import annotations

import attrs
import pytest

from flowplan.model.resources import Inputs, Script
from flowplan.state.known import adopted_volumes, as_known, as_made, placed_bids, volume_regions
from tests.builders import (
    DATA,
    HTTP,
    TRAIN,
    bid,
    bound,
    live,
    live_bid,
    live_volume,
    marker,
    state,
    volume,
)

OURS, THEIRS = live_bid(bid()), live_bid(bid(), "bid_9", ours=False)
ANOTHER = live_bid(bid(), "bid_9", marker=marker(bid(), lineage="another"))

# ---- what an answer leaves open ------------------------------------------------------------------------------------


def test_what_is_not_told_is_as_it_was_applied_and_else_stays_unreported() -> None:
    found = live_bid(bid(region="", unreported=("region", "memory_gb")), ours=False)
    assert as_known(found, bid(memory_gb=64)).region == "r"
    assert as_known(found, bid(memory_gb=64)).unreported == ()
    assert as_known(found, bid(unreported=("memory_gb",))).unreported == ("memory_gb",)
    assert as_known(found, None).unreported == ("region", "memory_gb")


def test_what_a_bid_carries_is_as_applied_where_its_marker_agrees() -> None:
    inputs = Inputs(Script.of("echo\n"), HTTP)
    found = live_bid(bid(inputs=None), marker=marker(bid(inputs=inputs)))
    assert as_known(found, bid(inputs=inputs)).inputs is inputs
    other = as_known(found, bid()).inputs
    assert other is not None and (other.ports, other.given_sha256, other.complete) == (HTTP, inputs.sha256, False)
    assert as_known(live_bid(bid(inputs=None), ours=False), bid(inputs=inputs)).inputs is None


@pytest.mark.parametrize(("now", "size"), [(128, 100), (100, 100), (129, 129)])
def test_a_volume_as_large_as_the_api_made_it_has_the_size_asked_for(now: int, size: int) -> None:
    known = as_known(live_volume(volume(size_gb=now)), volume(capacity_gb=128))
    assert (known.size_gb, known.capacity_gb) == (size, 128 if now == 128 else None)


def test_what_the_api_made_of_a_volume() -> None:
    assert as_made(volume(), volume(size_gb=128)) == volume()
    assert as_made(volume(), volume(size_gb=128)).capacity_gb == 128
    assert as_made(volume(), volume(size_gb=0, unreported=("size_gb",))).capacity_gb is None
    assert as_made(volume(), volume(region="r2")).region == "r2"


def test_a_bid_keeps_the_place_it_has_as_far_as_that_is_known() -> None:
    known = state(bound(TRAIN, "bid_1", bid()))
    assert list(placed_bids(known, live(OURS))) == [TRAIN]
    assert placed_bids(known, live(attrs.evolve(OURS, status="Terminated"))) == {}
    unreported = state(bound(TRAIN, "bid_1", bid(unreported=("region",))))
    assert placed_bids(unreported, live(live_bid(bid(unreported=("region",))))) == {}


def test_the_region_of_a_volume_that_exists_is_fixed() -> None:
    known = state(bound(DATA, "vol_1", volume()))
    assert volume_regions(known, live(live_volume(volume(region="r2")))) == {DATA: "r2"}
    assert volume_regions(known, live()) == {}


@pytest.mark.parametrize(("source", "adopted", "theirs"), [("a.yaml", False, 0), ("a.yaml", True, 1), ("", False, 1)])
def test_whose_content_a_volume_has(source: str, adopted: bool, theirs: int) -> None:
    ids = frozenset({"vol_1"}) if adopted else frozenset()
    known = state(bound(DATA, "vol_1", volume(), source=source), adopted=ids)
    assert len(adopted_volumes(known)) == theirs
