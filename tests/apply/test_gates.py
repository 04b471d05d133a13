"""How far another task must be before a step starts: every status for every wish, and how long it is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from attrs import define, field

from flowplan.apply.gates import Gates
from flowplan.apply.lifetimes import Lifetimes
from flowplan.apply.working_state import WorkingState
from flowplan.clock import Clock, Moment
from flowplan.diagnostics import Position
from flowplan.errors import CloudError, GuardRefused, NotFound, Unauthorized
from flowplan.model.address import Address
from flowplan.model.lifecycle import After, Lifetime, Until
from flowplan.model.live import Live, LiveBid
from flowplan.planning.actions import Create, LeftOut, NoOp
from flowplan.planning.steps import Step
from flowplan.state.state import State
from tests.apply.around import Memory, around
from tests.builders import bid, bound, live, live_bid, state

FIRST, SECOND = Address("bid", "first"), Address("bid", "second")
STEP = Step("up", SECOND)
HERE = Position("stack.yaml", 1, 1)


@define
class Sky:
    """A cloud with one bid. `status` None: nothing is found; an error: it is raised."""

    status: str | CloudError | None
    running: int = 0
    looks: int = 0
    here: datetime | None = None  # this machine's clock, where it disagrees

    def live(self) -> Live:
        self.looks += 1
        if isinstance(self.status, CloudError):
            raise self.status
        return live(live_bid(bid("first"), status=self.status)) if self.status else live()

    def bid(self, id: str) -> LiveBid:
        raise NotFound(f"{id} is not found")

    def time(self) -> datetime:
        return datetime.fromtimestamp(1000, UTC)

    def moment(self) -> Moment:
        return Moment.of_api(1000)

    def doubted_by(self) -> datetime | None:
        return self.here

    def instances(self) -> Iterable[Any]:
        return [live_instance("bid_1")] * self.running


@attrs.frozen
class live_instance:
    bid: str
    status: str = "STATUS_RUNNING"


@define
class Watch:
    """A clock that somebody else moves."""

    now: float = 0.0
    memory: Memory = field(factory=Memory)

    def gates(self, sky: Sky, ended: str = "", timeout: float = 100.0) -> Gates:
        clock = Clock(lambda: self.now, lambda: self.now, lambda _: None, boot_id="boot")
        working = WorkingState(state(bound(FIRST, "bid_1", bid("first"), ended=ended)))
        surroundings = attrs.evolve(around(memory=self.memory), cloud=sky, clock=clock)
        return Gates(surroundings, working, timeout)


def waiting(until: Until, task: Address = FIRST) -> Create:
    return Create(SECOND, after=bid("second"), waits_for=(After(task, until, HERE),))


def verdict(sky: Sky, until: Until, ended: str = "") -> str:
    gates = Watch().gates(sky, ended)
    if gates.admits(STEP, waiting(until)):
        return "starts"
    freed, failed = gates.look()
    return "starts" if freed else f"fails: {failed[STEP]}" if failed else "waits"


GONE = None
TABLE: list[tuple[str | None, int, Until, str]] = [
    ("Open", 0, "placed", "starts"),
    ("Open", 0, "allocated", "waits"),
    ("Open", 0, "running", "waits"),
    ("Open", 0, "terminated", "waits"),
    ("Allocated", 0, "allocated", "starts"),
    ("Allocated", 0, "running", "waits"),
    ("Allocated", 1, "running", "starts"),
    ("Allocated", 1, "terminated", "waits"),
    ("Preempting", 1, "running", "waits"),
    ("Dreaming", 0, "allocated", "waits"),
    ("Paused", 0, "allocated", "fails: waits until bid.first is allocated, but it is paused"),
    ("Paused", 0, "terminated", "fails: waits until bid.first is terminated, but it is paused"),
    ("Terminated", 0, "allocated", "fails: waits until bid.first is allocated, but it has ended"),
    ("Terminated", 0, "running", "fails: waits until bid.first is running, but it has ended"),
    ("Terminated", 0, "terminated", "starts"),
    (GONE, 0, "terminated", "fails: waits until bid.first is terminated, but the API no longer finds its bid"),
    (GONE, 0, "running", "fails: waits until bid.first is running, but the API no longer finds its bid"),
]


@pytest.mark.parametrize(("status", "running", "until", "expected"), TABLE)
def test_every_status_for_every_wish(status: str | None, running: int, until: Until, expected: str) -> None:
    assert verdict(Sky(status, running), until) == expected


@pytest.mark.parametrize("ended", ["terminated", "lifetime"])
def test_what_the_state_knows_to_be_done_is_not_asked_for(ended: str) -> None:
    sky = Sky(GONE)
    assert verdict(sky, "terminated", ended) == "starts"
    assert verdict(sky, "running", ended) == "fails: waits until bid.first is running, but it has ended"
    assert sky.looks == 0


def test_a_task_that_is_not_placed_is_not_waited_for() -> None:
    gates = Watch().gates(Sky("Open"))
    gates.admits(STEP, waiting("running", Address("bid", "third")))
    assert str(gates.look()[1][STEP]) == "waits for bid.third, which is not placed"


def test_it_is_looked_at_again_and_again_until_the_time_is_over() -> None:
    watch, sky = Watch(), Sky("Open")
    gates = watch.gates(sky)
    assert not gates.admits(STEP, waiting("running"))
    assert (gates.due_in(), gates.look()) == (0.0, ([], {}))
    assert gates.due_in() == 2.0
    assert gates.look() == ([], {})  # too early: it asks for nothing
    assert sky.looks == 1
    watch.now = 99.0
    assert gates.look() == ([], {})
    watch.now = 200.0
    assert str(gates.look()[1][STEP]) == "waited 2m for bid.first, which is open, to be running"
    assert gates.due_in() is None


def test_a_line_is_said_when_something_changes_and_now_and_then() -> None:
    watch, sky = Watch(), Sky("Open")
    gates = watch.gates(sky, timeout=10_000.0)
    gates.admits(STEP, waiting("running"))
    gates.look()
    watch.now = 60.0
    gates.look()
    sky.status = "Allocated"
    watch.now = 120.0
    gates.look()
    watch.now = 720.0
    gates.look()
    assert watch.memory.heard == [
        "bid.second waits for bid.first, which is open, to be running",
        "bid.second waits for bid.first, which is allocated, to be running (2m so far)",
        "bid.second waits for bid.first, which is allocated, to be running (12m so far)",
    ]


def test_an_api_that_fails_for_a_while_ends_no_wait() -> None:
    watch, sky = Watch(), Sky(CloudError("the API is down"))
    gates = watch.gates(sky)
    gates.admits(STEP, waiting("allocated"))
    assert gates.look() == ([], {})
    sky.status = "Allocated"
    watch.now = 50.0
    assert gates.look() == ([STEP], {})
    assert gates.admits(STEP, waiting("allocated"))


def test_a_key_that_is_no_longer_accepted_ends_it() -> None:
    gates = Watch().gates(Sky(Unauthorized("no")))
    gates.admits(STEP, waiting("allocated"))
    assert isinstance(gates.look()[1][STEP], Unauthorized)


# ---- lifetimes --------------------------------------------------------------------------------------------------

WHY = "it has run 12.0 hours, of max_hours 12"
AGAIN = "flowplan apply --replace bid.first"


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("placed", "starts"),
        ("allocated", f"fails: waits until bid.first is allocated, but its lifetime is over: {WHY}"),
        ("running", f"fails: waits until bid.first is running, but its lifetime is over: {WHY}"),
        ("terminated", "waits"),  # it is being cancelled, and still live
    ],
)
def test_a_task_whose_lifetime_is_over_comes_no_further(until: Until, expected: str) -> None:
    gates = Watch().gates(Sky("Allocated"), ended="lifetime")
    gates.ends(FIRST, WHY, AGAIN)
    if gates.admits(STEP, waiting(until)):
        assert expected == "starts"
        return
    freed, failed = gates.look()
    assert ("starts" if freed else f"fails: {failed[STEP]}" if failed else "waits") == expected
    assert all(AGAIN in str(one.hint) for one in failed.values())


def test_it_has_ended_once_it_is_cancelled_and_that_is_seen_at_once() -> None:
    gates = Watch().gates(Sky("Allocated"), ended="lifetime")
    gates.admits(STEP, waiting("terminated"))
    gates.ends(FIRST, WHY, AGAIN)
    assert gates.look() == ([], {}) and gates.due_in() == 2.0
    gates.ended(FIRST)
    assert gates.due_in() == 0.0
    assert gates.look() == ([STEP], {})


def test_what_could_not_be_cancelled_is_not_waited_for() -> None:
    gates = Watch().gates(Sky("Allocated"), ended="lifetime")
    gates.admits(STEP, waiting("terminated"))
    gates.ends(FIRST, WHY, AGAIN)
    gates.ended(FIRST, CloudError("no"))
    assert str(gates.look()[1][STEP]).endswith("its lifetime is over, but it could not be cancelled: no")


def test_what_is_over_itself_waits_no_longer() -> None:
    """The old bid of a task that is to be replaced once another is that far."""
    gates = Watch().gates(Sky("Open"))
    gates.admits(STEP, waiting("running"))
    assert gates.ends(SECOND, WHY, AGAIN) == [STEP]
    assert (gates.due_in(), gates.holding) == (None, set())


@pytest.mark.parametrize(("hours", "late"), [(-1, True), (1, False)])
def test_what_would_end_at_once_is_not_waited_for(hours: int, late: bool) -> None:
    end = datetime.fromtimestamp(0, UTC) + timedelta(hours=hours)
    lifetime = Lifetime(None, None, end, cancel_when_done=False, source=HERE)
    gates = Watch().gates(Sky("Open"))
    gates.admits(STEP, attrs.evolve(waiting("running"), lifetime=lifetime))
    failed = gates.look()[1]
    assert [str(error) for error in failed.values()] == (
        ["it would end at once: its end_at, 1969-12-31 23:00 UTC, has passed"] if late else []
    )


def test_nor_what_would_end_at_once_by_one_of_two_clocks() -> None:
    by_api = datetime.fromtimestamp(1000, UTC)
    lifetime = Lifetime(None, None, by_api + timedelta(hours=1), cancel_when_done=False, source=HERE)
    gates = Watch().gates(Sky("Open", here=by_api + timedelta(hours=3)))
    gates.admits(STEP, attrs.evolve(waiting("running"), lifetime=lifetime))
    (error,) = gates.look()[1].values()
    assert str(error).endswith(
        "its end_at, 1970-01-01 01:16 UTC, has passed, though only by this machine's clock, which is 3 hours ahead "
        "of the API's"
    )


@define
class Over:
    """A judge of lifetimes: all that it is asked about is over."""

    asked: int = 0

    def __call__(self, lifetimes: Mapping[Address, Lifetime], state: State, live: Live) -> dict[Address, str]:
        self.asked += 1
        return dict.fromkeys(lifetimes, WHY)


def looks(sky: Sky, **other: Any) -> tuple[list[str], Over]:
    """What is to be cancelled of a stack with the bid `first`, and the judge."""
    judge, of = Over(), Lifetime(Decimal(12), None, None, cancel_when_done=False, source=HERE)
    change = attrs.evolve(NoOp(FIRST, before=bid("first"), after=bid("first"), id="bid_1", lifetime=of), **other)
    surroundings = attrs.evolve(around(), cloud=sky, over=judge)
    lifetimes = Lifetimes(surroundings, {FIRST: change})
    working = WorkingState(state(bound(FIRST, "bid_1", bid("first"))))
    found = lifetimes.over(working)
    assert lifetimes.over(working) == []  # too early for another look
    return [f"{one.id} {one.reason}: {one.note}" for one in found], judge


def test_what_is_live_and_over_is_to_be_cancelled() -> None:
    assert looks(Sky("Allocated"))[0] == [f"bid_1 delete_because_lifetime: {WHY}"]


@pytest.mark.parametrize(
    ("sky", "other", "asked"),
    [
        (Sky("Terminated"), {}, 1),  # it has ended by itself
        (Sky(CloudError("the API is down")), {}, 0),
        (Sky("Allocated"), {"protected": "./flowplan.yaml:7:3"}, 1),
        (Sky("Allocated"), {"protected_by": "bid.*"}, 1),
        (Sky("Allocated"), {"lifetime": None}, 0),
    ],
)
def test_what_is_not_to_be_cancelled(sky: Sky, other: dict[str, Any], asked: int) -> None:
    found, judge = looks(sky, **other)
    assert (found, judge.asked) == ([], asked)


def test_what_a_plan_leaves_out_is_left_alone() -> None:
    of = Lifetime(Decimal(12), None, None, cancel_when_done=False, source=HERE)
    surroundings = attrs.evolve(around(), cloud=Sky("Allocated"), over=Over())
    lifetimes = Lifetimes(
        surroundings, {FIRST: LeftOut(FIRST, before=bid("first"), after=bid("first"), id="bid_1", lifetime=of)}
    )
    assert lifetimes.over(WorkingState(state(bound(FIRST, "bid_1", bid("first"))))) == []


def test_what_waited_until_a_policy_allows_it_no_more_is_not_placed() -> None:
    gates = Watch().gates(Sky("Terminated"))
    gates.around = attrs.evolve(
        gates.around, refused=lambda change: GuardRefused(f"{change.address} is too late", code="policy")
    )
    assert not gates.admits(STEP, waiting("terminated"))
    freed, failed = gates.look()
    assert (freed, str(failed[STEP])) == ([], "bid.second is too late")
    assert isinstance(failed[STEP], GuardRefused)
    gates = Watch().gates(Sky("Allocated"))  # by the time that it has waited, it may be allowed again
    gates.around = attrs.evolve(gates.around, refused=lambda _: GuardRefused("too early", code="policy"))
    assert not gates.admits(STEP, waiting("terminated"))
    assert gates.look() == ([], {})


def test_what_cannot_be_judged_waits_on_until_its_time_is_over() -> None:
    watch = Watch()
    gates = watch.gates(Sky("Terminated"))
    error = CloudError("no price")

    def unknown(_: object) -> None:
        raise error

    gates.around = attrs.evolve(gates.around, refused=unknown)
    assert not gates.admits(STEP, waiting("terminated"))
    assert gates.look() == ([], {})
    watch.now += 101
    freed, failed = gates.look()
    assert (freed, str(failed[STEP])) == ([], "waited 2m for what it is judged by: no price")
    error = Unauthorized("who?")
    assert not gates.admits(STEP, waiting("terminated"))
    assert gates.look() == ([], {STEP: error})
