"""Which step may start, and what became of each: no threads, no clock, no cloud."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import Random

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from flowplan.apply.schedule import LINGERING, Schedule
from flowplan.model.address import Address
from flowplan.planning.steps import Order, Step, Way, order

V, W, B, C, P = (Step("up", Address.parse(text)) for text in ("volume.v", "volume.w", "bid.b", "bid.c", "ports.b"))
CHAIN: Order = {V: (), B: (V,), P: (B,)}
FORK: Order = {V: (), W: (), B: (V, W), C: (V,)}


def drawn(schedule: Schedule) -> list[Step]:
    """All that may start now."""
    found = []
    while (step := schedule.next()) is not None:
        found.append(step)
    return found


def begun(schedule: Schedule) -> Step | None:
    """What is announced and begins, as if all that is announced were durable."""
    return schedule.begin(schedule.not_started)


# ---- tables ------------------------------------------------------------------------------------------------------


def test_what_waits_for_nothing_starts_in_the_order_of_the_plan() -> None:
    assert drawn(Schedule(FORK, 10)) == [V, W]


def test_a_plan_without_steps_is_over_at_once() -> None:
    schedule = Schedule({}, 10)
    assert (schedule.next(), schedule.not_started) == (None, ())


@pytest.mark.parametrize("by", ["itself", "another"])
@pytest.mark.parametrize(("parallelism", "ahead"), [(1, 0), (3, 0), (1, 1), (3, 3)])
def test_what_is_replaced_is_made_again_before_more_goes(parallelism: int, ahead: int, by: str) -> None:
    """However many go at once, no more are down than that; also where one of another name takes its place."""
    gone = [Address("bid", f"b{n}") for n in range(9)]
    made = gone if by == "itself" else [Address("bid", f"c{n}") for n in range(9)]
    steps = [*(Step("down", one) for one in gone), *(Step("up", one) for one in made)]
    planned = order(steps, {}, {}, [] if by == "itself" else zip(made, gone, strict=True))
    schedule = Schedule(planned, parallelism, ahead)
    seen: list[Step] = []
    under_way: deque[Step] = deque()
    while True:
        while (step := begun(schedule)) is not None:
            under_way.append(step)
        under_way += (step for step in drawn(schedule) if not schedule.is_announced(step))
        if not under_way:
            break
        seen.append(under_way.popleft())
        schedule.succeed(seen[-1])
    down = [sum(1 if step.way == "down" else -1 for step in seen[: n + 1]) for n in range(len(seen))]
    assert len(seen) == 18
    assert max(down) == parallelism


def test_a_removal_of_which_only_the_end_is_waited_for_takes_no_place() -> None:
    first, second, disk = (Step("down", Address.parse(text)) for text in ("bid.b", "bid.c", "volume.v"))
    schedule = Schedule({first: (), second: (), disk: (first,)}, 1)
    assert (drawn(schedule), schedule.linger(second)) == ([first], False)
    assert schedule.linger(first)
    assert not schedule.linger(first)
    assert (drawn(schedule), schedule.not_started) == ([second], (first, second, disk))
    schedule.succeed(second)
    assert drawn(schedule) == []
    schedule.succeed(first)
    assert drawn(schedule) == [disk]


def test_what_makes_room_for_something_keeps_its_place_until_it_has_ended() -> None:
    gone, made = Step("down", B.address), Step("up", C.address)
    schedule = Schedule({gone: (), made: (gone,), W: ()}, 1)
    assert (drawn(schedule), schedule.linger(gone), drawn(schedule)) == ([gone], False, [])


def test_no_more_linger_than_there_may_be_threads_for() -> None:
    steps = [Step("down", Address("bid", f"b{n}")) for n in range(LINGERING + 1)]
    schedule = Schedule(dict.fromkeys(steps, ()), LINGERING + 1)
    assert [schedule.linger(step) for step in drawn(schedule)] == [True] * LINGERING + [False]


def test_what_is_announced_begins_in_its_order_as_there_is_room() -> None:
    schedule = Schedule({V: (), W: (), B: (), C: ()}, 1, 2)
    assert drawn(schedule) == [V, W, B]
    assert [schedule.is_announced(step) for step in (V, W, B)] == [False, True, True]
    assert begun(schedule) is None
    schedule.succeed(V)
    assert (begun(schedule), begun(schedule)) == (W, None)
    assert drawn(schedule) == [C]
    assert schedule.not_started == (W, B, C)


def test_what_is_announced_begins_only_once_it_is_durable() -> None:
    schedule = Schedule({V: (), W: (), B: ()}, 1, 2)
    assert drawn(schedule) == [V, W, B]
    schedule.succeed(V)
    assert schedule.begin({B}) is None
    assert schedule.begin({B, W}) == W


def test_what_is_added_goes_before_what_is_announced() -> None:
    """A bid whose lifetime is over costs money until it is cancelled."""
    schedule = Schedule({V: (), W: (), B: ()}, 1, 1)
    assert drawn(schedule) == [V, W]
    end = Step("end", C.address)
    schedule.add(end)
    assert drawn(schedule) == []
    schedule.succeed(V)
    assert begun(schedule) is None
    assert drawn(schedule) == [end]
    schedule.succeed(end)
    assert (begun(schedule), drawn(schedule)) == (W, [B])


@pytest.mark.parametrize("first", ["down", "up"])
def test_the_second_half_of_a_replacement_goes_before_what_is_announced(first: Way) -> None:
    """Between the two nothing runs, or two are paid for."""
    half, other = Step(first, B.address), Step("up" if first == "down" else "down", B.address)
    schedule = Schedule({half: (), V: (), W: (), C: (), other: (half,)}, 1, 2)
    assert drawn(schedule) == [half, V, W]
    schedule.succeed(half)
    assert begun(schedule) is None
    assert drawn(schedule) == [other]
    assert not schedule.is_announced(other)
    schedule.succeed(other)
    assert (begun(schedule), begun(schedule)) == (V, None)


def test_what_is_announced_may_fail_before_it_begins() -> None:
    schedule = Schedule({V: (), W: (), B: (W,)}, 1, 1)
    assert drawn(schedule) == [V, W]
    schedule.fail(W)
    schedule.succeed(V)
    assert (begun(schedule), drawn(schedule), schedule.not_started) == (None, [], (B,))


def test_deletions_are_counted_while_one_of_them_ends() -> None:
    """A worker counts them in a thread of its own."""

    class Ending(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            for step in schedule.not_started:
                schedule.succeed(step)
            return str.__eq__(self, other)

    steps = [Step("down", Address(Ending("volume"), f"v{n}")) for n in range(3)]  # type: ignore[arg-type]
    schedule = Schedule(dict.fromkeys(steps, ()), 10)
    assert len(drawn(schedule)) == schedule.deletions() == 3
    assert schedule.deletions() == 0


@pytest.mark.parametrize("parallelism", [1, 3])
def test_every_bid_is_cancelled_before_a_volume_is_deleted(parallelism: int) -> None:
    """A bid costs dollars an hour, a volume cents; and a volume waits until its bid is seen to be gone."""
    bids, volumes = ([Address(kind, f"x{n}") for n in range(5)] for kind in ("bid", "volume"))
    needs = {bid: [volume] for bid, volume in zip(bids, volumes, strict=True)}
    planned = order([Step("down", one) for one in (*bids, *volumes)], {}, needs)
    schedule = Schedule(planned, parallelism)
    seen: list[Step] = []
    while under_way := drawn(schedule):
        seen += under_way
        assert schedule.deletions() == sum(step.address.kind == "volume" for step in under_way)
        for step in under_way:
            schedule.succeed(step)
    for steps in (seen, list(planned)):
        assert [step.address.kind for step in steps] == ["bid"] * 5 + ["volume"] * 5


@pytest.mark.parametrize(
    ("order", "succeeded", "freed"),
    [
        (CHAIN, [V], [B]),
        (FORK, [V], [C]),
        (FORK, [W], []),
        (FORK, [V, W], [C, B]),
        (FORK, [W, V], [B, C]),
    ],
)
def test_a_success_frees_what_waits_for_it_alone(order: Order, succeeded: list[Step], freed: list[Step]) -> None:
    schedule = Schedule(order, 10)
    drawn(schedule)
    found: list[Step] = []
    for step in succeeded:
        schedule.succeed(step)
        found = [*found, *drawn(schedule)]
    assert [step for step in found if step not in succeeded] == freed


GONE = Step("down", B.address)
PORTS = {way: Step(way, P.address) for way in ("down", "up")}
REPLACED: Order = {GONE: (), PORTS["down"]: (GONE,), B: (GONE,), PORTS["up"]: (PORTS["down"], B)}


def test_what_happens_to_ports_is_done_with_what_happens_to_their_bid() -> None:
    """It takes no place: a run that ends between the two would leave ports without a bid, or a bid without its own."""
    schedule = Schedule(REPLACED, 1)
    assert drawn(schedule) == [GONE]
    assert schedule.linger(GONE) is False
    assert schedule.succeed(GONE) == (PORTS["down"],)
    assert drawn(schedule) == [B]
    assert schedule.half(B, frees=True) == (PORTS["up"],)
    assert (drawn(schedule), schedule.not_started) == ([], ())


@pytest.mark.parametrize("end", ["fail", "lose", "half"])
def test_ports_stay_as_they_are_where_their_bid_does(end: str) -> None:
    schedule = Schedule(REPLACED, 1)
    drawn(schedule)
    if end == "half":
        assert schedule.half(GONE, frees=False) == ()
    else:
        getattr(schedule, end)(GONE)
    assert (drawn(schedule), schedule.not_started) == ([], (PORTS["down"], B, PORTS["up"]))


def test_ports_that_wait_for_nothing_are_a_step_as_any_other() -> None:
    schedule = Schedule({PORTS["down"]: (), V: ()}, 10)
    assert drawn(schedule) == [PORTS["down"], V]


@pytest.mark.parametrize("end", ["fail", "lose"])
def test_what_needs_a_step_that_does_not_end_well_never_starts(end: str) -> None:
    schedule = Schedule(FORK, 10)
    drawn(schedule)
    schedule.succeed(W)
    getattr(schedule, end)(V)
    assert drawn(schedule) == []
    assert schedule.ended("done") == (W,)
    assert schedule.ended("failed" if end == "fail" else "unknown") == (V,)
    assert schedule.not_started == (B, C)


@pytest.mark.parametrize("frees", [True, False])
def test_what_is_half_done_frees_what_needs_it_where_it_may(frees: bool) -> None:
    schedule = Schedule(CHAIN, 10)
    drawn(schedule)
    schedule.half(V, frees=frees)
    assert drawn(schedule) == ([B] if frees else [])
    assert schedule.ended("half done") == schedule.ended("done", "half done") == (V,)


def test_a_step_in_doubt_takes_no_place_and_frees_nothing() -> None:
    schedule = Schedule(FORK, 1)
    assert drawn(schedule) == [V]
    schedule.doubt(V)
    assert drawn(schedule) == [W]
    schedule.succeed(W)
    assert drawn(schedule) == []
    schedule.succeed(V)
    assert drawn(schedule) == [B], "and C waits for a place"


def test_a_step_that_is_sent_again_takes_its_place_again() -> None:
    schedule = Schedule({V: (), W: (), B: ()}, 2)
    assert drawn(schedule) == [V, W]
    schedule.doubt(V)
    schedule.again(V)
    assert drawn(schedule) == []
    schedule.succeed(W)
    assert drawn(schedule) == [B]


def test_steps_sent_again_above_the_limit_let_nothing_new_start() -> None:
    schedule = Schedule({V: (), W: (), B: ()}, 1)
    for step in (V, W):
        assert drawn(schedule) == [step]
        schedule.doubt(step)
    schedule.again(V)
    schedule.again(W)
    schedule.succeed(V)
    assert drawn(schedule) == []
    schedule.succeed(W)
    assert drawn(schedule) == [B]


@pytest.mark.parametrize("end", ["succeed", "fail", "lose", "doubt", "again"])
def test_what_is_neither_under_way_nor_in_doubt_cannot_end(end: str) -> None:
    schedule = Schedule(CHAIN, 10)
    with pytest.raises(ValueError, match=r"up\(volume\.v\) is neither under way nor in doubt"):
        getattr(schedule, end)(V)
    drawn(schedule)
    schedule.succeed(V)
    with pytest.raises(ValueError, match="neither"):
        getattr(schedule, end)(V)


def test_what_never_started_is_in_the_order_of_the_plan() -> None:
    schedule = Schedule(FORK, 1)
    drawn(schedule)
    schedule.fail(V)
    assert drawn(schedule) == [W]
    schedule.succeed(W)
    assert drawn(schedule) == []
    assert schedule.not_started == (B, C)


# ---- on any graph, with any results, in any order ----------------------------------------------------------------

ENDS = ("succeed", "half", "half without", "fail", "lose")
WELL = ("succeed", "half")


@define
class Played:
    """One run of a schedule: what started when, and what each step came to."""

    order: Order
    schedule: Schedule
    ends: Mapping[Step, str]
    started: list[Step] = field(factory=list)
    ended: list[Step] = field(factory=list)

    def start(self) -> None:
        """Start all that may, and hold it to what has ended well by now."""
        well = {step for step in self.ended if self.ends[step] in WELL}
        new = drawn(self.schedule)
        assert not set(new) & set(self.started), "nothing starts twice"
        assert all(set(self.order[step]) <= well for step in new), "nothing starts before all that it needs"
        self.started += new
        left = len(self.started) - len(self.ended)
        assert left <= self.schedule.parallelism, "no more are under way than may be"
        waiting = [step for step in self.order if step not in self.started and set(self.order[step]) <= well]
        assert not waiting or left >= self.schedule.parallelism, "who could start, and has a place, does"

    def end(self, step: Step) -> None:
        end = self.ends[step]
        if end.startswith("half"):
            self.schedule.half(step, frees=end == "half")
        else:
            getattr(self.schedule, end)(step)
        self.ended.append(step)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """What a plan of up to nine addresses may make: each needs only those before it, and ports go with a bid."""
    names = [Address("bid", f"b{n}") for n in range(draw(st.integers(0, 9)))]
    needs = {a: draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else [] for n, a in enumerate(names)}
    replaced = draw(st.sets(st.sampled_from(names))) if names else set()
    steps = [Step("up", a) for a in names] + [Step("down", a) for a in replaced]
    return order(steps, needs, {a: [] for a in names})


@st.composite
def games(draw: st.DrawFn, ends: tuple[str, ...] = ENDS) -> Played:
    """A schedule that is played to its end: results come in any order, some after others were let go."""
    graph = draw(orders())
    played = Played(graph, Schedule(graph, draw(st.integers(1, 4))), {s: draw(st.sampled_from(ends)) for s in graph})
    doubted: set[Step] = set()
    played.start()
    while open_ := [step for step in played.started if step not in played.ended]:
        step = draw(st.sampled_from(open_))
        if step not in doubted and draw(st.booleans()) and draw(st.booleans()):
            doubted.add(step)  # and decided before anybody else gets its place
            played.schedule.doubt(step)
            if draw(st.booleans()):
                played.schedule.again(step)
                continue
        played.end(step)
        if draw(st.booleans()) or len(played.started) == len(played.ended):
            played.start()
    return played


def skipped(order: Order, ends: Mapping[Step, str]) -> set[Step]:
    """Those that need, directly or through others, a step that does not end well."""
    found: set[Step] = set()
    for step, before in order.items():  # in an order in which they could run
        if any(one in found or ends[one] not in WELL for one in before):
            found.add(step)
    return found


@given(games())
def test_a_failure_skips_exactly_what_depends_on_it(played: Played) -> None:
    """And meanwhile `start` held it to what may start, and to how many."""
    left = skipped(played.order, played.ends)
    assert set(played.schedule.not_started) == left
    assert set(played.started) == set(played.order) - left


@given(games())
def test_every_step_comes_to_exactly_one_end(played: Played) -> None:
    schedule = played.schedule
    parts = [schedule.ended(end) for end in ("done", "half done", "failed", "unknown")] + [schedule.not_started]
    assert sorted(map(str, sum(parts, ()))) == sorted(map(str, played.order))
    said = {"succeed": 0, "half": 1, "half without": 1, "fail": 2, "lose": 3}
    assert all(step in parts[said[played.ends[step]]] for step in played.started)


@given(games(("succeed",)))
def test_when_all_ends_well_all_is_done_whatever_order_the_results_come_in(played: Played) -> None:
    assert set(played.schedule.ended("done")) == set(played.order)
    assert played.schedule.ended("done") == tuple(played.ended)


@given(orders(), st.randoms(use_true_random=False), st.data())
def test_shuffled_input_frees_the_same_set(graph: Order, random: Random, data: st.DataObject) -> None:
    """The order of a plan says who is first, not who may."""
    steps = list(graph)
    random.shuffle(steps)
    shuffled = {step: tuple(reversed(graph[step])) for step in steps}
    one, other = Schedule(graph, 99), Schedule(shuffled, 99)
    started: set[Step] = set()
    ended: set[Step] = set()
    while True:
        new, others = drawn(one), drawn(other)
        assert set(new) == set(others)
        started |= set(new)
        if not started - ended:
            break
        step = data.draw(st.sampled_from(sorted(started - ended, key=str)))
        end = data.draw(st.sampled_from(["succeed", "fail", "lose"]))
        for schedule in (one, other):
            getattr(schedule, end)(step)
        ended.add(step)
    assert set(one.not_started) == set(other.not_started)
