"""A volume that somebody uses is neither deleted nor taken: whoever that is, and however the API says so."""

from __future__ import annotations

import pytest

from flowplan.model.address import Address
from flowplan.model.live import Live, LiveVolume
from flowplan.planning.desired import Desired
from flowplan.planning.guards import refusals
from flowplan.planning.make import make_plan
from flowplan.planning.plan import EVERYTHING, Wishes
from tests.builders import DATA, TRAIN, bid, bound, live, live_bid, live_volume, state, volume

VOLUME, BID = volume(), bid(volumes=("vol_1",))
OURS = live_bid(BID, instances=("inst_1",))
THEIRS = live_bid(bid("theirs"), "bid_9", ours=False, instances=("inst_9",))
ENDED = live_bid(bid("theirs"), "bid_8", ours=False, status="Terminated")
STATE = state(bound(DATA, "vol_1", VOLUME), bound(TRAIN, "bid_1", BID, needs=(DATA,)))
DESTROY = Wishes("destroy", destroyable=frozenset({EVERYTHING}))


def seen_with(used: LiveVolume, gone: frozenset[str] = frozenset()) -> Live:
    return live(used, OURS, THEIRS, ENDED, gone=gone)


def reasons(seen: Live, wishes: Wishes = DESTROY, desired: Desired | None = None) -> list[str]:
    plan = make_plan(desired or Desired(), STATE, seen, wishes)
    return [f"{one.word}: {one.summary}" for one in refusals(plan, seen, wishes)]


@pytest.mark.parametrize(
    ("used", "by"),
    [
        (live_volume(VOLUME, bids=("bid_1", "bid_9")), "theirs (bid_9)"),
        (live_volume(VOLUME, bids=("bid_1",), reservations=("res_1",)), "res_1"),
        (live_volume(VOLUME, attachments=(("inst_7", "/dev/vdb"),)), "inst_7"),
        (live_volume(VOLUME, attachments=(("inst_9", "/dev/vdb"),)), "theirs (bid_9)"),
        (live_volume(VOLUME, attachments=(("/dev/vdb", "inst_9"),)), "theirs (bid_9)"),
        (live_volume(VOLUME, bids=("bid_of_another_project",)), "bid_of_another_project"),
    ],
)
def test_a_volume_that_somebody_uses_is_not_deleted(used: LiveVolume, by: str) -> None:
    assert reasons(seen_with(used)) == [f"volume_in_use: volume.data is used by {by}, which stays"]


@pytest.mark.parametrize(
    "used",
    [
        live_volume(VOLUME),
        live_volume(VOLUME, bids=("bid_1",), attachments=(("inst_1", "bid_1"),)),
        live_volume(VOLUME, attachments=(("inst_1", "/dev/vdb"),)),
        live_volume(VOLUME, bids=("bid_8",)),  # it has ended
        live_volume(VOLUME, bids=("bid_7",), attachments=(("bid_7", ""),)),  # it is proved to be gone
    ],
)
def test_what_goes_with_it_keeps_no_volume(used: LiveVolume) -> None:
    assert reasons(seen_with(used, frozenset({"bid_7"}))) == []


@pytest.mark.parametrize(
    "used",
    [
        live_volume(VOLUME, reservations=("res_1",)),
        live_volume(VOLUME, attachments=(("inst_7", "/dev/vdb"),)),
    ],
)
def test_a_block_volume_that_somebody_holds_is_not_taken(used: LiveVolume) -> None:
    new = Address("bid", "new")
    desired = Desired({DATA: VOLUME, TRAIN: BID, new: bid("new", volumes=("vol_1",))})
    told = reasons(seen_with(used), Wishes(), desired)
    [first, second] = [*used.reservations, *(one for one, _ in used.attachments), "volume_in_use"]
    assert [second in one and first in one and "bid.new needs" in one for one in told] == [True]
