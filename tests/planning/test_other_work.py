"""Where a plan does something else by now than was shown, in words."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from flowplan.model.address import Address
from flowplan.planning.other_work import other_work
from flowplan.planning.plan import Plan, Wishes
from tests.builders import TRAIN, live, live_bid, planned, state
from tests.planning.same_work import KNOWN, USES, WANTED, made, told


def refreshed(limit: str) -> Plan:
    seen = attrs.evolve(USES, limit_price=Decimal(limit))
    return planned(WANTED, KNOWN, live(live_bid(seen)), Wishes("refresh-only"))


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (made(), []),
        (told(made(), note="another"), []),
        (attrs.evolve(made(), order={}), []),
        (made({**WANTED, TRAIN: USES}), ["bid.train: update, now nothing"]),
        (
            planned({}, KNOWN, live(live_bid(USES)), Wishes("destroy")),
            [
                "bid.train: update, now delete",
                "volume.data: nothing, now forget (vol_1 was deleted outside of flowplan)",
            ],
        ),
        (made(seen=attrs.evolve(USES, paused=True)), ["bid.train: update, but what is live has changed (paused)"]),
        (
            made({**WANTED, TRAIN: attrs.evolve(WANTED[TRAIN], limit_price=Decimal(22))}),
            ["bid.train: update, but what it is to be has changed (limit_price)"],
        ),
        (told(made(), id="bid_2"), ["bid.train: update, but bid_2 is live there now, not bid_1"]),
        (
            told(made(), previous_address=Address("bid", "old")),
            ["bid.train: update, now moved from bid.old", "volume.data: nothing, now moved from bid.old"],
        ),
    ],
)
def test_each_address_has_a_line(now: Plan, lines: list[str]) -> None:
    assert other_work(made(), now) == lines


def test_so_has_what_is_only_recorded() -> None:
    assert other_work(refreshed("9"), refreshed("9")) == []
    assert other_work(refreshed("9"), refreshed("10")) == [
        "bid.train: recorded, but what is live has changed (limit_price)"
    ]
    unchanged = planned(WANTED, KNOWN, live(live_bid(USES)), Wishes("refresh-only"))
    assert other_work(unchanged, refreshed("9")) == ["bid.train: nothing, now recorded"]


def test_why_something_is_done_by_now_is_said() -> None:
    now = told(planned({}, KNOWN, live(live_bid(USES)), Wishes("destroy")), note="its end_at has passed")
    assert other_work(planned({}, state(), live()), now)[0] == "bid.train: nothing, now delete (its end_at has passed)"


def test_what_is_gone_from_the_plan_does_nothing() -> None:
    alone = planned({}, state(), live())
    assert other_work(alone, made()) == ["bid.train: nothing, now update"]
    assert other_work(made(), alone) == ["bid.train: update, now nothing"]
