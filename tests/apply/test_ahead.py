"""Intents that are durable one wave ahead of their calls, where the journal is far away."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from attrs import define, field

from flowplan.apply.interfaces import Surroundings
from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, SaveFailed
from flowplan.apply.run import YOUNG, Applying
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Transport
from flowplan.errors import Held, Refused, StateError, Unauthorized
from flowplan.model.address import Address
from flowplan.model.live import Made
from flowplan.planning.actions import Change, Create, FieldChange, Update
from flowplan.planning.steps import Step
from flowplan.startup import script
from flowplan.state.records import Closed, CreateIntent, Done, Record
from tests.apply.around import Memory
from tests.builders import bid, bound, plan_to, state, volume
from tests.processes import LONGEST

FAR = Options(parallelism=2, far=True)
VOLUMES = 6


class Cloud(Fcp):
    """Makes volumes. `meets` is called with how many creates were sent, in the thread of the call."""

    def __init__(self) -> None:
        super().__init__(Transport("https://api.example.test", None, environ={}))
        self.sent: list[str] = []  # keys
        self.came = threading.Condition()
        self.meets: Callable[[int], None] = lambda _: None
        self.waits: Callable[[int], None] = lambda _: None  # before its turn comes
        self.asked = itertools.count(1)
        self.go_on = threading.Event()
        self.paused: list[str] = []  # ids

    def update_bid(self, id: str, *, before: Callable[[], None] = lambda: None, **fields: Any) -> Made:
        """Somebody has to approve it."""
        self.paused.append(id)
        raise Held(f"{id} is held for approval")

    def create(
        self, kind: str, request: Mapping[str, Any], *, key: str, before: Callable[[], None] = lambda: None
    ) -> Made:
        self.waits(next(self.asked))
        before()
        with self.came:
            self.sent.append(key)
            number = len(self.sent)
            self.came.notify_all()
        self.meets(number)
        return Made(f"vol_{number}")

    def hold_sent(self, number: int) -> None:
        """Wait until so many were sent."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.sent) >= number, LONGEST), "it waits for the frame"

    def hold(self, number: int) -> None:
        """A call that ends when it may `go_on`."""
        assert self.go_on.wait(LONGEST)


@define
class Frames(Memory):
    """A journal in which each frame is durable only when `until` has returned, which is given the frame."""

    frames: list[list[Record]] = field(factory=list)
    until: Callable[[list[Record]], None] = lambda _: None

    def append(self, records: Iterable[Record]) -> None:
        frame = list(records)
        self.until(frame)
        self.frames.append(frame)
        self.records += frame

    def intents(self) -> list[CreateIntent]:
        return [one for one in self.records if isinstance(one, CreateIntent)]

    def most_open(self) -> int:
        """The most intents that there were at once without a result that was durable."""
        open_, most = set[str](), 0
        for record in self.records:
            if isinstance(record, CreateIntent):
                open_.add(record.intent)
            elif isinstance(record, (Done, Closed)):
                open_.discard(record.intent)
            most = max(most, len(open_))
        return most


@define
class Running:
    """A run that makes `VOLUMES` volumes. Its time stands still, unless `time` is changed."""

    cloud: Cloud = field(factory=Cloud)
    journal: Frames = field(factory=Frames)
    time: float = 2000.0
    slept: float = 0.0  # seconds of sleep, which the wall clock alone counts
    stopped: bool = False
    pauses: tuple[str, ...] = ()  # bids that it pauses, too, before all else
    is_late: bool = False  # they come after all else
    hold_lock: Callable[[], None] = lambda: None
    looked: threading.Event = field(factory=threading.Event)  # whether it is stopped, since this was cleared

    def __call__(self, options: Options = FAR) -> Outcome:
        def now() -> float:
            return self.time

        def stopped() -> bool:
            self.looked.set()
            return self.stopped

        clock = Clock(now, lambda: now() + self.slept, lambda _: None, stopped=stopped, boot_id="boot")
        journal, hold_lock = self.journal, lambda: self.hold_lock()
        around = Surroundings(self.cloud, journal, script.render, journal, clock, hold_lock)
        names = [f"v{n}" for n in range(VOLUMES)]
        paused = FieldChange("paused", False, True)
        changes: list[Change] = []
        for name in self.pauses:
            there, wanted = bid(name), bid(name, paused=True)
            changes.append(Update(Address("bid", name), before=there, after=wanted, fields=(paused,), id=name))
        made = [Create(Address("volume", name), after=volume(name)) for name in names]
        changes = [*made, *changes] if self.is_late else [*changes, *made]
        known = [bound(Address("bid", name), name, bid(name)) for name in self.pauses]
        order = {Step("up", one.address): () for one in changes}
        return Applying(plan_to(*changes, order=order), state(*known), around, options).run()


def test_a_call_that_ends_makes_room_for_the_next_before_its_result_is_durable() -> None:
    """Each frame waits for the calls that go on meanwhile: as many as there may be at once."""
    run = Running()
    results = 0

    def until(frame: list[Record]) -> None:
        nonlocal results
        results += sum(isinstance(one, Done) for one in frame)
        expected = min(results + FAR.parallelism, VOLUMES) if results else 0
        with run.cloud.came:
            assert run.cloud.came.wait_for(lambda: len(run.cloud.sent) >= expected, LONGEST), (
                "no call goes on meanwhile"
            )

    run.journal.until = until
    assert len(run().done) == VOLUMES


def second_ends_in_the_second_frame(run: Running, then: Callable[[], None]) -> None:
    """Let the second call end, and `then` be called, while the frame with the result of the first is on its way."""
    on_its_way = threading.Event()

    def meets(number: int) -> None:
        if number == 2:
            assert on_its_way.wait(LONGEST)

    def until(frame: list[Record]) -> None:
        if len(run.journal.frames) == 1:
            on_its_way.set()
            then()

    run.cloud.meets, run.journal.until = meets, until


def test_a_call_that_ends_while_a_frame_is_on_its_way_makes_room_at_once() -> None:
    run = Running()
    second_ends_in_the_second_frame(run, lambda: run.cloud.hold_sent(4))
    assert len(run().done) == VOLUMES
    assert sum(isinstance(one, Done) for one in run.journal.records) == VOLUMES


def test_what_a_frame_on_its_way_announces_is_not_sent() -> None:
    """All that was announced before it is done by then, and there is room."""
    run = Running()

    def then() -> None:
        run.cloud.hold_sent(4)
        run.looked.clear()
        run.cloud.go_on.set()
        assert run.looked.wait(LONGEST)
        assert len(run.cloud.sent) == 4

    second_ends_in_the_second_frame(run, then)
    second = run.cloud.meets
    run.cloud.meets = lambda number: second(number) if number < 3 else run.cloud.hold(number)
    assert len(run().done) == VOLUMES


def test_a_frame_that_is_not_taken_loses_nothing_that_came_back_meanwhile() -> None:
    run = Running()

    def then() -> None:
        run.cloud.hold_sent(4)
        raise StateError("the server is away")

    second_ends_in_the_second_frame(run, then)
    with pytest.raises(SaveFailed, match="the server is away") as caught:
        run()
    outcome = caught.value.outcome
    assert (len(outcome.done), len(outcome.not_started), len(outcome.state.bindings)) == (4, VOLUMES - 4, 4)
    made = {one.binding.id for one in run.journal.records if isinstance(one, Done) and one.binding}
    assert made == {f"vol_{n}" for n in range(1, 5)}
    assert len(run.cloud.sent) == 4


def test_what_comes_back_after_the_frame_is_refused_is_kept_and_told() -> None:
    run, refused = Running(), threading.Event()

    def until(frame: list[Record]) -> None:
        if len(run.journal.frames) == 1:
            refused.set()
            raise StateError("the server is away")

    run.cloud.meets = lambda number: None if number == 1 else assert_set(refused)
    run.journal.until = until
    with pytest.raises(SaveFailed) as caught:
        run(Options(parallelism=2))
    made = {one.binding.id for one in run.journal.records if isinstance(one, Done) and one.binding}
    assert made == {"vol_1", "vol_2"}
    outcome = caught.value.outcome
    assert (len(outcome.done), len(outcome.not_started), outcome.unknown) == (2, VOLUMES - 2, {})
    assert outcome.pending == ()


def assert_set(event: threading.Event) -> None:
    assert event.wait(LONGEST)


def test_what_the_first_frame_announces_is_not_sent_once_the_run_is_stopped() -> None:
    """Nothing of it is in doubt either."""
    run = Running()

    def until(frame: list[Record]) -> None:
        run.stopped = True

    run.journal.until = until
    outcome = run()
    assert (run.cloud.sent, outcome.pending, len(outcome.not_started)) == ([], (), VOLUMES)


def test_an_attempt_that_waited_is_announced_again_after_the_frame_that_is_on_its_way() -> None:
    """The journal takes one frame after the other."""
    run = Running()
    one_at_a_time = threading.Lock()
    aged = threading.Event()

    def waits(number: int) -> None:
        if number == 2:
            assert aged.wait(LONGEST)

    def until(frame: list[Record]) -> None:
        assert one_at_a_time.acquire(blocking=False), "two frames at once"
        if len(run.journal.frames) == 1:
            run.cloud.hold_sent(2)  # the third call: a late one would find its intent old, and ask, too
            run.looked.clear()
            run.time += 2 * YOUNG
            aged.set()  # the second asks, then the third ends: when that is seen, the first is dealt with
            assert run.looked.wait(LONGEST)
            run.looked.clear()
            run.cloud.go_on.set()
            assert run.looked.wait(LONGEST)
        one_at_a_time.release()

    run.cloud.waits, run.journal.until = waits, until
    run.cloud.meets = lambda number: run.cloud.hold(number) if number == 2 else None
    assert len(run().done) == VOLUMES
    assert any(intent.at.since_boot > 2000 for intent in run.journal.intents())


@pytest.mark.parametrize("parallelism", [2, 3, 50])
def test_no_call_goes_before_its_intent_is_durable(parallelism: int) -> None:
    run = Running()
    early: list[str] = []

    def meets(number: int) -> None:
        durable = {intent.key for intent in run.journal.intents()}
        early.extend(key for key in run.cloud.sent[:number] if key not in durable)

    run.cloud.meets = meets
    assert len(run(Options(parallelism=parallelism, far=True)).done) == VOLUMES
    assert (early, len(run.cloud.sent)) == ([], VOLUMES)
    assert len(run.journal.intents()) == VOLUMES


@pytest.mark.parametrize(
    ("options", "most"),
    [
        (FAR, 4),
        (Options(parallelism=2), 2),
        (Options(parallelism=1, far=True), 1),
        (Options(parallelism=2, far=True, on_unknown="stop"), 2),
    ],
    ids=["far away", "near", "one call after the other", "never sent twice"],
)
def test_as_many_intents_are_ahead_as_calls_go_at_once(options: Options, most: int) -> None:
    run = Running()
    assert len(run(options).done) == VOLUMES
    assert run.journal.most_open() == most


def test_what_is_ahead_when_the_run_stops_is_never_sent_and_not_in_doubt() -> None:
    run = Running()

    def meets(number: int) -> None:
        run.stopped = True

    run.cloud.meets = meets
    outcome = run()
    assert run.journal.most_open() == 4
    assert (len(run.cloud.sent), len(outcome.done), outcome.pending, outcome.unknown) == (2, 2, (), {})
    assert len(outcome.not_started) == VOLUMES - 2


def test_nothing_ahead_is_sent_once_the_key_is_refused() -> None:
    run = Running()

    def meets(number: int) -> None:
        raise Unauthorized("the key is refused", status=401)

    run.cloud.meets = meets
    outcome = run()
    assert (len(run.cloud.sent), len(outcome.failed), outcome.pending) == (2, 2, ())


def held(number: int) -> None:
    raise Held("it is held for approval")


PAUSED = ("p1", "p2", "p3")


@pytest.mark.parametrize("options", [FAR, Options(parallelism=2)], ids=["far away", "near"])
@pytest.mark.parametrize("is_late", [False, True], ids=["stops first", "stops last"])
def test_what_is_held_for_approval_keeps_no_bid_running(options: Options, *, is_late: bool) -> None:
    """What is announced ahead is not sent any more, and keeps no place from what stops."""
    run = Running(pauses=PAUSED, is_late=is_late)
    run.cloud.meets = held
    outcome = run(options)
    sent = 2 if is_late else 0
    assert sorted(run.cloud.paused) == [*PAUSED]
    assert (len(run.cloud.sent), len(outcome.pending)) == (sent, sent + len(PAUSED))
    assert len(outcome.not_started) == VOLUMES - sent


def test_what_is_ahead_is_spared_a_refusal_that_is_known_by_then() -> None:
    run = Running()

    def meets(number: int) -> None:
        raise Refused("the quota is exhausted", status=403)

    run.cloud.meets = meets
    outcome = run()
    assert (len(run.cloud.sent), len(outcome.failed), outcome.pending) == (2, VOLUMES, ())
    closed = {one.intent for one in run.journal.records if isinstance(one, Closed)}
    assert closed == {intent.intent for intent in run.journal.intents()}, "an intent stays open"


def test_results_that_are_not_durable_are_kept_elsewhere_when_the_lock_is_lost() -> None:
    """It is missed before the first call that is ahead, while what made room for it is not yet durable."""
    run = Running()

    def lost() -> None:
        raise StateError("the lock was lost")

    def lose() -> None:
        run.hold_lock = lost

    both = threading.Barrier(2, lose)
    run.cloud.meets = lambda number: both.wait(LONGEST) and None
    with pytest.raises(SaveFailed, match="lock was lost") as caught:
        run()
    assert (len(caught.value.outcome.done), len(caught.value.outcome.not_started)) == (2, VOLUMES - 2)
    made = {one.binding.id for one in run.journal.records if isinstance(one, Done) and one.binding}
    assert (len(run.cloud.sent), made) == (2, {"vol_1", "vol_2"})


def test_an_intent_that_has_grown_old_is_durable_again_before_its_call() -> None:
    """After a kill the settle window is counted from it. What has grown old together goes in one frame."""
    run = Running()
    ages: list[float] = []

    def grow_old() -> None:
        run.time += 2 * YOUNG

    both = threading.Barrier(2, grow_old)

    def meets(number: int) -> None:
        mine = [intent for intent in run.journal.intents() if intent.key == run.cloud.sent[number - 1]]
        ages.append(run.time - mine[-1].at.since_boot)
        if number <= 2:
            both.wait(LONGEST)

    run.cloud.meets = meets
    assert len(run().done) == VOLUMES
    assert max(ages) < YOUNG
    again = [frame for frame in run.journal.frames if sum(one.at.since_boot > 2000 for one in _intents(frame))]
    assert len(again) <= 3


def test_an_intent_before_which_the_machine_has_slept_is_durable_again_before_its_call() -> None:
    """Another machine counts the settle window from it by the time of day."""
    run = Running()
    ages: list[float] = []

    def sleep() -> None:
        run.slept += 3600

    both = threading.Barrier(2, sleep)

    def meets(number: int) -> None:
        mine = [intent for intent in run.journal.intents() if intent.key == run.cloud.sent[number - 1]]
        ages.append(run.time + run.slept - mine[-1].at.wall)
        if number <= 2:
            both.wait(LONGEST)

    run.cloud.meets = meets
    assert len(run().done) == VOLUMES
    assert max(ages) < YOUNG


def _intents(frame: Iterable[Record]) -> list[CreateIntent]:
    return [one for one in frame if isinstance(one, CreateIntent)]
