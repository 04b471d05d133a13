"""What time it is, by clocks of which some are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.clock import AGREE, Moment, Told, ahead
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifetime
from flowplan.model.live import SHOWS_WITHIN, is_new
from flowplan.planning.lifetimes import Seen, over, past_by_any, unknown
from flowplan.pricing.billing import Billed, Bills
from flowplan.state.state import with_placed
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


# ---- what may be new by them -----------------------------------------------------------------------------------------


@st.composite
def machines(draw: st.DrawFn) -> tuple[Moment, Moment, float, list[float]]:
    """A bid is placed, and looked for so many seconds later, perhaps on another machine, by an API that may give no
    `Date` either time, so that the machine's clock stands for its. Beside the two moments, and the seconds that passed:
    how far each of the two ran ahead meanwhile; none where one boot counts them."""
    passed = draw(st.floats(0, 3 * SHOWS_WITHIN) | st.floats(0, 40 * DAY))
    wrong = [draw(st.just(0.0) | RIGHT | WRONG) for _ in range(4)]
    boots = draw(st.sampled_from([("a", "a"), ("a", "b"), ("", ""), ("", "a")]))
    has_date = draw(st.tuples(st.booleans(), st.booleans()))
    started = draw(st.floats(0, 100 * DAY))
    then = Moment(TRUE + wrong[0], started, boots[0], TRUE + wrong[1] if has_date[0] else None)
    same = boots[0] == boots[1]
    later = TRUE + passed
    since = started + passed if same else draw(st.floats(0, DAY))
    now = Moment(later + wrong[2], since, boots[1], later + wrong[3] if has_date[1] else None)
    told = wrong[1 if has_date[0] else 0], wrong[3 if has_date[1] else 2]
    ahead_by = [wrong[2] - wrong[0], told[1] - told[0]]
    return then, now, passed, [] if same and boots[0] else ahead_by


@given(machines())
def test_nothing_is_placed_twice_unless_every_clock_has_leapt(found: tuple[Moment, Moment, float, list[float]]) -> None:
    """A bid is taken for older than it is only if each clock by which it was placed has run ahead since: on one boot
    none does, elsewhere the API's and the machine's both have to. And it is not new for ever: once so much time has
    passed by every clock, it is not."""
    placed, now, passed, ahead_by = found
    late = 0.001
    if passed < SHOWS_WITHIN - late and not (ahead_by and min(ahead_by) > SHOWS_WITHIN - passed - late):
        assert is_new(placed, now)
    if passed + min(ahead_by, default=0.0) >= SHOWS_WITHIN + late:
        assert not is_new(placed, now)


@given(machines(), st.lists(machines(), max_size=3))
def test_what_may_be_new_is_kept_whatever_is_placed_beside_it(
    found: tuple[Moment, Moment, float, list[float]], others: list[tuple[Moment, Moment, float, list[float]]]
) -> None:
    """One moment that is of a clock days ahead drops none of the others."""
    placed, now, _, _ = found
    beside = {f"bid_{n}": moment for n, (_, moment, _, _) in enumerate(others)} | {"bid_now": now}
    kept = with_placed({"bid_0": placed}, beside)
    assert beside.keys() <= kept.keys()
    if is_new(placed, now):
        assert "bid_0" in kept


def test_one_moment_of_a_clock_that_is_ahead_drops_nothing_that_is_new() -> None:
    first, lie = Moment(TRUE, 10.0, "", TRUE), Moment(TRUE + 20, 30.0, "", TRUE + 20 + DAY)
    assert with_placed({"bid_0": first}, {"bid_1": lie}).keys() == {"bid_0", "bid_1"}
    late = Moment(TRUE + 2 * DAY, 5.0, "", TRUE + 2 * DAY)
    assert with_placed({"bid_0": first}, {"bid_1": late}).keys() == {"bid_1"}
    assert with_placed({"bid_0": first}, {"bid_1": late, "bid_2": lie}).keys() == {"bid_0", "bid_1", "bid_2"}
