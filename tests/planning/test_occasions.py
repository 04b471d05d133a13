"""What a look at the cloud finds that somebody may want to hear of at once."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from flowplan.planning.occasions import drifted, preempted
from tests.builders import bid, change, live, live_bid, plan_to


@pytest.mark.parametrize(
    ("status", "instances", "lost"),
    [
        ("Preempting", ("inst_1",), True),
        ("Open", ("inst_1",), True),  # it has run, and waits again
        ("Open", (), False),
        ("Allocated", ("inst_1",), False),
        ("Paused", ("inst_1",), False),
        ("Terminated", ("inst_1",), False),
    ],
)
def test_whose_instances_were_taken_back(status: str, instances: tuple[str, ...], lost: bool) -> None:
    there: Any = attrs.evolve(live_bid(bid(), "bid_1"), status=status, instances=instances)
    mine = change("no-op", before=bid(), id="bid_1")
    assert preempted(plan_to(mine), live(there)) == ((mine,) if lost else ())
    theirs = change("no-op", before=bid(), id="bid_2")
    assert preempted(plan_to(theirs), live(there)) == ()


def test_what_changed_outside() -> None:
    one = change("update", before=bid(), after=bid(limit="9"))
    assert drifted(plan_to(drift=(one,))) == (one,)
