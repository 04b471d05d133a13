"""Two plans are compared by what they do, not by what they say."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from flowplan.diagnostics import Position
from flowplan.planning.plan import EVERYTHING, Plan, Wishes, same_but_ended, same_work
from tests.builders import DATA, TRAIN, bid, live, live_bid, live_volume, planned, volume
from tests.planning.same_work import KNOWN, USES, WANTED, made, told


@pytest.mark.parametrize(
    "other",
    [
        made(),
        made(status="Open"),
        told(made(), note="keeps its type and region"),
        told(made(), position=Position("task.yaml", 7, 1)),
        made(seen=attrs.evolve(USES, gpus=None, instance_type_name="h100.8x")),
        made({**WANTED, DATA: volume()}),
    ],
)
def test_what_is_only_said_is_no_difference(other: Plan) -> None:
    assert same_work(made(), other) and same_work(other, made())


@pytest.mark.parametrize(
    "other",
    [
        made({**WANTED, TRAIN: bid(limit="22", volumes=(DATA,))}),
        made({**WANTED, TRAIN: USES}),
        made(seen=attrs.evolve(USES, paused=True)),
        made(seen=attrs.evolve(USES, instance_quantity=2)),
        made({**WANTED, TRAIN: bid(limit="21", volumes=())}),
        made({TRAIN: WANTED[TRAIN]}),
        told(made(), id="bid_2"),
        told(made(), reason="update_by_restart"),
        told(made(), generation=2),
        planned({}, KNOWN, live(live_volume(volume()), live_bid(USES)), Wishes("destroy")),
        attrs.evolve(made(), order={}),
    ],
)
def test_what_is_done_is(other: Plan) -> None:
    assert not same_work(made(), other) and not same_work(other, made())


def destroys(*seen: Any, released: bool = False) -> Plan:
    wishes = Wishes("destroy", destroyable=EVERYTHING, keep_volumes=released)
    return planned({}, KNOWN, live(*seen), wishes)


def test_a_destroy_does_the_same_but_for_bids_that_are_over() -> None:
    """Nothing else: what is there by now and was not shown, a volume that is gone, a bid with another limit."""
    shown, ended = destroys(live_volume(volume()), live_bid(USES)), destroys(live_volume(volume()))
    assert not same_work(shown, ended) and same_but_ended(shown, ended)
    assert not same_but_ended(ended, shown)
    assert not same_but_ended(shown, destroys(live_bid(USES)))
    assert not same_but_ended(shown, destroys(live_volume(volume()), live_bid(attrs.evolve(USES, paused=True))))
    assert not same_but_ended(shown, destroys(live_volume(volume()), released=True))
    assert not same_but_ended(made(), attrs.evolve(ended, mode="apply"))


def test_where_bids_are_after_a_plan() -> None:
    assert made().places() == {TRAIN: ("it", "r")}
    assert planned({}, KNOWN, live(live_bid(USES))).places() == {}
