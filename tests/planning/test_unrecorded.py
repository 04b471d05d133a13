"""What of a plan can be done where nothing can be recorded."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from flowplan.model.address import Address
from flowplan.planning.actions import LIFETIME_OVER, Change
from flowplan.planning.unrecorded import part_that_stops
from tests.builders import TRAIN, bid, bound, change, plan_to, state, volume

A, OTHER, DATA = Address("bid", "a"), Address("bid", "other"), Address("volume", "data")
BID = bid()
KNOWN = state(
    *(bound(address, f"live-{address.name}", BID) for address in (TRAIN, OTHER)), bound(DATA, "vol", volume())
)


def ended(address: Address = TRAIN, **other: Any) -> Change:
    return change("delete", BID, address=address, **{"id": f"live-{address.name}", **other})


def paused(**other: Any) -> Change:
    return change("update", BID, attrs.evolve(BID, paused=True), id="live-train", **other)


NEW = change("create", after=bid("new"), address=A)
RAISED = change("update", BID, bid(limit="30"), address=OTHER, id="live-other")
LEFT = change("forget", BID, address=OTHER, id="live-other", released=True)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ([ended()], [TRAIN]),
        ([ended(), LEFT], [TRAIN]),
        ([paused(), LEFT], [TRAIN]),
        ([paused(previous_address=A)], []),
        ([ended(previous_address=A), ended(OTHER)], [OTHER]),
        ([ended(id="another")], []),
        ([ended(), NEW], []),
        ([ended(), RAISED], []),
        ([ended(reason=LIFETIME_OVER), ended(OTHER), NEW], [TRAIN]),
        (
            [change("delete", volume(), address=DATA, id="vol", needs_before=()), ended(needs_before=(DATA,))],
            [TRAIN, DATA],
        ),
    ],
)
def test_the_part_of_a_plan_that_stops(changes: list[Change], part: list[Address]) -> None:
    found = part_that_stops(plan_to(*changes), KNOWN)
    assert [one.address for one in found.changes] == part
    assert [step.address for step in found.order] == part


def test_the_part_that_stops_waits_for_nothing_that_is_left_out() -> None:
    """A volume that is to go once a bid, of which the state does not know that it is this one, has let go of it."""
    used = [ended(id="another", needs_before=(DATA,)), change("delete", volume(), address=DATA, id="vol")]
    assert part_that_stops(plan_to(*used), KNOWN).empty
