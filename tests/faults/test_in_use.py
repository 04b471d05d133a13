"""A volume that somebody uses is neither deleted nor taken: whoever that is, and however the API says so."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, Inputs, Volume
from flowplan.planning.guards import refusals
from flowplan.planning.lookup import Desired
from flowplan.planning.make import make_plan
from flowplan.planning.plan import EVERYTHING, Wishes
from flowplan.state.state import Binding, State

TRAIN, DATA = Address("bid", "train"), Address("volume", "data")
VOLUME = Volume("data", 10, "Block", "us-central1-b")
BID = Bid("train", "it_1", "us-central1-b", 1, Decimal("25.60"), ("sshkey_1",), ("vol_1",), inputs=Inputs())
OURS = LiveBid("bid_1", BID, "Allocated", instances=("inst_1",))
THEIRS = LiveBid("bid_9", attrs.evolve(BID, name="theirs"), "Allocated", instances=("inst_9",))
ENDED = attrs.evolve(THEIRS, id="bid_8", status="Terminated", instances=())
STATE = State(
    "l", 1, "s", bindings={DATA: Binding(DATA, "vol_1", VOLUME), TRAIN: Binding(TRAIN, "bid_1", BID, (DATA,))}
)
DESTROY = Wishes("destroy", destroyable=frozenset({EVERYTHING}))


def live(volume: LiveVolume, gone: frozenset[str] = frozenset()) -> Live:
    return Live({volume.id: volume}, {one.id: one for one in (OURS, THEIRS, ENDED)}, gone)


def reasons(seen: Live, wishes: Wishes = DESTROY, desired: Desired | None = None) -> list[str]:
    plan = make_plan(desired or Desired(), STATE, seen, wishes)
    return [f"{one.word}: {one.summary}" for one in refusals(plan, seen, wishes)]


@pytest.mark.parametrize(
    ("used", "by"),
    [
        (LiveVolume("vol_1", VOLUME, bids=("bid_1", "bid_9")), "theirs (bid_9)"),
        (LiveVolume("vol_1", VOLUME, bids=("bid_1",), reservations=("res_1",)), "res_1"),
        (LiveVolume("vol_1", VOLUME, attachments=(("inst_7", "/dev/vdb"),)), "inst_7"),
        (LiveVolume("vol_1", VOLUME, attachments=(("inst_9", "/dev/vdb"),)), "theirs (bid_9)"),
        (LiveVolume("vol_1", VOLUME, attachments=(("/dev/vdb", "inst_9"),)), "theirs (bid_9)"),
        (LiveVolume("vol_1", VOLUME, bids=("bid_of_another_project",)), "bid_of_another_project"),
    ],
)
def test_a_volume_that_somebody_uses_is_not_deleted(used: LiveVolume, by: str) -> None:
    assert reasons(live(used)) == [f"volume_in_use: volume.data is used by {by}, which stays"]


@pytest.mark.parametrize(
    "used",
    [
        LiveVolume("vol_1", VOLUME),
        LiveVolume("vol_1", VOLUME, bids=("bid_1",), attachments=(("inst_1", "bid_1"),)),
        LiveVolume("vol_1", VOLUME, attachments=(("inst_1", "/dev/vdb"),)),
        LiveVolume("vol_1", VOLUME, bids=("bid_8",)),  # it has ended
        LiveVolume("vol_1", VOLUME, bids=("bid_7",), attachments=(("bid_7", ""),)),  # it is proved to be gone
    ],
)
def test_what_goes_with_it_keeps_no_volume(used: LiveVolume) -> None:
    assert reasons(live(used, frozenset({"bid_7"}))) == []


@pytest.mark.parametrize(
    "used",
    [
        LiveVolume("vol_1", VOLUME, reservations=("res_1",)),
        LiveVolume("vol_1", VOLUME, attachments=(("inst_7", "/dev/vdb"),)),
    ],
)
def test_a_block_volume_that_somebody_holds_is_not_taken(used: LiveVolume) -> None:
    new = Address("bid", "new")
    desired = Desired({DATA: VOLUME, TRAIN: BID, new: attrs.evolve(BID, name="new")})
    told = reasons(live(used), Wishes(), desired)
    [first, second] = [*used.reservations, *(one for one, _ in used.attachments), "volume_in_use"]
    assert [second in one and first in one and "bid.new needs" in one for one in told] == [True]
