"""What time it is, by clocks of which some are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.clock import AGREE, Told, ahead
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifetime
from flowplan.planning.lifetimes import Seen, over, past_by_any, unknown
from flowplan.pricing.billing import Billed, Bills
from tests.builders import bid, bound, live, live_bid, state

DAY = 86400.0
TRUE = datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()
TASK = Address("bid", "train")
WRONG = st.floats(-400 * DAY, 400 * DAY)
RIGHT = st.floats(-AGREE / 2, AGREE / 2)


class Clocks:
    """What an API and this machine say, in the test's hand. `passed`: seconds since the run began; `here`: how far
    this machine's clock is ahead."""

    def __init__(self, here: float = 0.0, *, leaps: bool = False) -> None:
        self.passed, self.here = 0.0, here
        self.told = Told(leaps=leaps, steady=lambda: 5000.0 + self.passed, wall=lambda: self.true + self.here)

    @property
    def true(self) -> float:
        return TRUE + self.passed

    def hear(self, *ahead: float, every: float = 0.0) -> None:
        """Answers, each with a clock so many seconds ahead; so much time passes after each."""
        for one in ahead:
            self.told.hear(self.true + one)
            self.passed += every

    @property
    def off(self) -> float:
        """How far what is taken for the time is ahead."""
        now = self.told.now()
        assert now is not None
        return now.timestamp() - self.true


def test_nothing_is_said_before_an_answer_says_it() -> None:
    clocks = Clocks()
    assert clocks.told.now() is None and clocks.told.doubted_by() is None
    clocks.hear(0)
    clocks.passed = 3600
    assert clocks.told.now() == datetime.fromtimestamp(TRUE + 3600, UTC), "time goes on without an answer"


@given(st.lists(st.floats(-1, 0), min_size=1, max_size=120), st.lists(WRONG, max_size=120), WRONG, st.randoms())
def test_fewer_than_half_of_the_answers_move_nothing(
    right: Sequence[float], wrong: Sequence[float], here: float, shuffled: object
) -> None:
    wrong = wrong[: (min(len(right), 49) - 1)]
    clocks, said = Clocks(here), [*right, *wrong][-99:]
    shuffled.shuffle(said)  # type: ignore[attr-defined]
    clocks.hear(*said, every=60)
    assert -2.01 <= clocks.off <= 0.01
    clocks.here += 7 * DAY  # somebody sets it
    assert -2.01 <= clocks.off <= 0.01


@pytest.mark.parametrize(("heard", "off"), [((0, DAY), 0), ((DAY, 0), 0), ((-DAY, 0), 0), ((0, -DAY, DAY, DAY), 0)])
def test_of_two_in_the_middle_this_machines_clock_decides(heard: tuple[float, ...], off: float) -> None:
    clocks = Clocks()
    clocks.hear(*heard)
    assert clocks.off == off


def test_a_simulator_is_believed_whatever_it_says_last() -> None:
    clocks = Clocks(leaps=True)
    clocks.hear(0, 0, 0, 30 * DAY)
    clocks.passed = 60
    assert clocks.off == 30 * DAY - 60, "its time stands still"
    assert clocks.told.doubted_by() is None


@pytest.mark.parametrize(("here", "doubted"), [(300, False), (-300, False), (301, True), (-301, True), (DAY, True)])
def test_from_five_minutes_on_two_clocks_disagree(here: float, doubted: bool) -> None:
    clocks = Clocks(here)
    clocks.hear(0)
    assert clocks.told.doubted_by() == (datetime.fromtimestamp(TRUE + here, UTC) if doubted else None)


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (301, "5 minutes ahead of"),
        (-1, "0 minutes behind"),
        (-7140, "119 minutes behind"),
        (7200, "2 hours ahead of"),
        (-25 * 3600, "25 hours behind"),
        (DAY * 365, "365 days ahead of"),
    ],
)
def test_how_far_they_are_apart_is_said(here: float, said: str) -> None:
    there = datetime.fromtimestamp(TRUE, UTC)
    assert ahead(there + timedelta(seconds=here), there) == said


# ---- what ends by them -----------------------------------------------------------------------------------------------


def held(bound_by: str, ends: float) -> tuple[Lifetime, Bills]:
    """A lifetime that is over `ends` seconds after TRUE, and the bill of a bid that runs since a day before TRUE, at
    $10 an hour."""
    at = datetime.fromtimestamp(TRUE, UTC)
    hours = Decimal(str(round((DAY + ends) / 3600, 6)))
    money = hours * 10
    whole = Lifetime(
        hours if bound_by == "max_hours" else None,
        money if bound_by == "max_cost" else None,
        at + timedelta(seconds=ends) if bound_by == "end_at" else None,
        False,
        Position("stack.yaml", 1, 1),
    )
    return whole, Bills((Billed("bid_1", "i0", Decimal(10), at - timedelta(days=1), None),))


@given(
    bound_by=st.sampled_from(["max_hours", "max_cost", "end_at"]),
    ends=st.floats(-0.9 * DAY, 400 * DAY) | st.floats(-3 * AGREE, 3 * AGREE),
    right=RIGHT,
    other=WRONG | RIGHT,
    api_is_right=st.booleans(),
)
def test_no_clock_that_is_wrong_ends_a_bid_while_the_other_is_right(
    bound_by: str, ends: float, right: float, other: float, api_is_right: bool
) -> None:
    """A bid is ended only if its lifetime is over, to within `AGREE`; and one whose lifetime is over by that is ended,
    or told: whichever of the two clocks is wrong, and however far."""
    api, here = (right, other) if api_is_right else (other, right)
    clocks = Clocks(here)
    clocks.hear(api)
    now, doubt = clocks.told.now(), clocks.told.doubted_by()
    assert now is not None
    lifetime, bills = held(bound_by, ends)
    seen = Seen(now, bills, (), doubt)
    of = ({TASK: lifetime}, state(bound(TASK, "bid_1", bid())), live(live_bid(bid(), status="Allocated")), seen)
    ended, told = TASK in over(*of), TASK in unknown(*of)
    if ended:
        assert ends <= 1.5 * AGREE + 2
    if ends < -1.5 * AGREE - 2:
        assert ended or told
        assert ended or doubt is not None
        assert bound_by != "end_at" or past_by_any(lifetime, now, doubt) is not None, "nor is it placed"
