"""What ends a run half-way says what was done: a threading.Event that another thread sets, and steps that fail."""

from __future__ import annotations

import importlib
import itertools
import json
import pickle
import re
import threading
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flowplan
from flowplan.api import thread as api_thread
from flowplan.apply import workers
from flowplan.apply.events import Awaited
from flowplan.apply.outcome import Outcome, verdict
from flowplan.apply.run import Applying
from flowplan.apply.workers import Workers
from flowplan.cloud.http.transport import Transport
from flowplan.errors import GuardRefused
from flowplan.model.address import Address
from flowplan.operations import what_if
from flowplan.operations.running import hooks
from flowplan.operations.watching import rounds
from flowplan.planning.actions import Change
from flowplan.planning.steps import Step
from flowplan.state.state import State
from tests.api.stacks import TASK, stack_in, tasks
from tests.api.stopping import Calls, asked, calls, ended
from tests.config.task_texts import TYPE
from tests.conftest import START, Place, live_ids
from tests.processes import LONGEST
from tests.typed.scheduler import schedule

__all__ = ["asked", "calls"]  # fixtures
LOOKS = ("status", "outputs", "cost", "market", "offers", "doctor", "orphans")


class Stopping(flowplan.Silent):
    """Has another thread set `stop`, at the first step and once bids are waited for; the step waits for that."""

    def __init__(self, stop: threading.Event, asked: threading.Event) -> None:
        self.stop, self.asked = stop, asked

    def started(self, step: Step, change: Change) -> None:
        self.set()
        assert self.asked.wait(LONGEST)

    def waits(self, missing: Sequence[Awaited], until: str, seconds: float) -> None:
        self.set()

    def set(self) -> None:
        threading.Thread(target=self.stop.set).start()


class Waiting(Stopping):
    def started(self, step: Step, change: Change) -> None:
        """What is stopped comes later."""


class AfterOne(Waiting):
    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        Stopping.started(self, step, change)


def names(steps: Any) -> list[str]:
    return [str(step.address) for step in steps]


def test_an_apply_is_stopped_from_another_thread_and_the_next_goes_on(place: Place, asked: threading.Event) -> None:
    stack, stop = stack_in(place.path, *tasks("abc")), threading.Event()
    proposal = stack.plan()
    error = ended(lambda: stack.apply(proposal, parallelism=1, stop=stop, reporter=Stopping(stop, asked)))
    assert str(error) == "stopped; what was done is saved"
    assert error.outcome is not None and error.outcome.stopped
    assert (names(error.outcome.done), len(error.outcome.not_started)) == (["bid.a"], 2)
    assert list(map(str, stack.state().bindings)) == ["bid.a"] and len(live_ids(place)) == 1
    stack.apply(stack.plan())
    assert len(live_ids(place)) == 3


def test_calls_under_way_get_their_time_once(
    place: Place, asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was twice as long, where the run was stopped while it waited for them."""
    stack, stop, let_go = stack_in(place.path, TASK), threading.Event(), threading.Event()
    proposal, exchange, take = stack.plan(), Transport._exchange, Workers.take
    takes: list[int] = []
    left: list[Any] = []  # nobody closes the client of a call that nobody waits for

    def held(transport: Transport, wire: Any, request: Any, path: str, deadline: float) -> Any:
        if request.method == "POST":
            left.append(wire)
            threading.Thread(target=stop.set).start()
            assert let_go.wait(LONGEST)
        return exchange(transport, wire, request, path, deadline)

    def counted(calls: Workers, at_most: float | None = None) -> Any:
        takes.append(len(came := take(calls, at_most)))
        return came

    monkeypatch.setattr(workers, "GRACE", 0.1)
    monkeypatch.setattr(Transport, "_exchange", held)
    monkeypatch.setattr(Workers, "take", counted)
    with pytest.raises(flowplan.OutcomeUnknown, match="stopped before the answer came"):
        stack.apply(proposal, stop=stop)
    let_go.set()
    for one in threading.enumerate():
        if one.name.startswith(workers.NAMED):
            one.join(LONGEST)
    left[0]._simulator.close()
    assert takes == [0]


@pytest.mark.parametrize("act", ["apply", "destroy"])
def test_what_a_bid_does_to_its_ports_is_done_though_the_run_is_stopped(
    act: str, place: Place, asked: threading.Event
) -> None:
    """They are open by then, or closed: nobody has to do anything for that."""
    stack, stop = stack_in(place.path, *tasks("ab", ports=[8080])), threading.Event()
    if act == "destroy":
        stack.apply(stack.plan())
    going = stack.apply if act == "apply" else stack.destroy
    given = [stack.plan()] if act == "apply" else []
    error = ended(lambda: going(*given, parallelism=1, stop=stop, reporter=AfterOne(stop, asked)))
    assert error.outcome is not None and set(names(error.outcome.done)) == {"bid.a", "ports.a"}
    there = "a" if act == "apply" else "b"
    assert sorted(map(str, stack.state().bindings)) == [f"bid.{there}", f"ports.{there}"]


@pytest.mark.parametrize("act", ["apply", "destroy"])
def test_a_run_that_is_stopped_before_its_first_step_does_not_say_that_something_was_done(
    act: str, place: Place, asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, stop = stack_in(place.path, *tasks("abc")), threading.Event()
    if act == "destroy":
        stack.apply(stack.plan())
    proposal, before, begin = stack.plan(), place.ledger(), Applying.run
    monkeypatch.setattr(Applying, "run", lambda self: (stop.set(), asked.wait(LONGEST), begin(self))[-1])
    error = ended(lambda: stack.destroy(stop=stop) if act == "destroy" else stack.apply(proposal, stop=stop))
    assert str(error) == "stopped; nothing of the plan was carried out"
    assert error.outcome is not None and not error.outcome.done and place.ledger() == before


def test_a_wait_is_stopped_and_what_was_placed_stays(place: Place, asked: threading.Event) -> None:
    stack, stop = stack_in(place.path, TASK), threading.Event()
    error = ended(
        lambda: stack.apply(stack.plan(), wait="running", timeout=20, stop=stop, reporter=Waiting(stop, asked))
    )
    assert error.outcome is not None and names(error.outcome.done) == ["bid.train"] and not error.outcome.failed
    assert stack.plan().plan.empty


def test_a_hook_is_stopped_and_the_run_is_done(
    place: Place, asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(json.dumps({"version": 2, "name": "s", "hooks": {"applied": ["true"]}, "tasks": {"train": TASK}}))
    stack, stop = stack_in(place.path), threading.Event()
    monkeypatch.setattr(hooks, "_carry_out", lambda *_: (stop.set(), asked.wait(LONGEST)))
    error = ended(lambda: stack.apply(stack.plan(), hooks=True, stop=stop))
    assert error.outcome is not None and error.outcome.clean


def test_a_destroy_is_stopped_and_the_next_goes_on(place: Place, asked: threading.Event) -> None:
    stack, stop = stack_in(place.path, *tasks("abc")), threading.Event()
    stack.apply(stack.plan())
    error = ended(lambda: stack.destroy(parallelism=1, stop=stop, reporter=AfterOne(stop, asked)))
    assert error.outcome is not None and len(error.outcome.done) == 1
    assert error.detail is not None
    assert re.fullmatch(
        r"not cancelled: bid\.[ab], bid\.[bc], which may run on: at most \$[\d.]+ an hour", error.detail
    )
    assert len(stack.state().bindings) == len(live_ids(place)) == 2
    stack.destroy()
    assert live_ids(place) == []


def test_one_event_stops_the_runs_of_many_stacks(tmp_path: Path, asked: threading.Event) -> None:
    stop, stacks = threading.Event(), []
    for name in "ab":
        (tmp_path / name).mkdir()
        stacks.append(stack_in(tmp_path / name, {**TASK, "name": name}))
    errors: list[flowplan.Interrupted] = []

    def work(stack: flowplan.Stack) -> None:
        errors.append(ended(lambda: stack.apply(stack.plan(), wait="running", stop=stop)))

    threads = [threading.Thread(target=work, args=(stack,)) for stack in stacks]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(LONGEST)
    assert len(errors) == 2
    for stack in stacks:
        stack.apply(stack.plan())


def test_a_typed_scheduler_runs_and_is_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    assert schedule(tmp_path, ["a", "b"], stop) == {"a": "bid.a done", "b": "bid.b done"}
    stop.set()
    assert schedule(tmp_path, ["a"], stop) == {"a": "stopped; nothing was under way: nothing was begun"}


def test_what_is_asked_to_stop_before_it_begins_does_nothing(place: Place) -> None:
    stack, stop = stack_in(place.path, TASK), threading.Event()
    proposal = stack.plan()
    stop.set()
    for act in (
        lambda: stack.plan(stop=stop),
        lambda: stack.apply(proposal, stop=stop),
        lambda: stack.destroy(stop=stop),
        lambda: stack.recover(stop=stop),
        lambda: next(stack.watch(stop=stop)),
        *(partial(getattr(stack, look), stop=stop) for look in LOOKS),
    ):
        error = ended(act)
        assert (str(error), error.outcome) == ("stopped; nothing was under way", None)
    assert place.ledger() == []
    stack.apply(proposal)


@pytest.mark.parametrize("act", ["plan", "apply", "destroy", "watch"])
def test_what_is_looked_at_is_stopped_before_the_next_call(act: str, place: Place, calls: Calls) -> None:
    """Of the run, none is under way yet; its lock is free again."""
    stack = stack_in(place.path, *tasks("abc"))
    stack.apply(stack.plan())
    proposal, before = stack.plan(), place.ledger()
    calls.count, calls.nth, stop = 0, 2, calls.stop
    acts = {
        "plan": lambda: stack.plan(stop=stop),
        "apply": lambda: stack.apply(proposal, stop=stop),
        "destroy": lambda: stack.destroy(stop=stop),
        "watch": lambda: next(stack.watch(stop=stop)),
    }
    error = ended(acts[act])
    assert (str(error), error.outcome, calls.count) == ("stopped; nothing was changed", None, 2)
    assert place.ledger() == before
    stack.destroy()


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_is_stopped_before_any_of_its_calls(
    look: str, place: Place, calls: Calls, asked: threading.Event
) -> None:
    """What it cannot ask is not taken for unknown, and not for a failure of the API."""
    task = {key: value for key, value in TASK.items() if key != "name"}
    outputs = {"login": "${task.train.ssh}"}
    place.write(json.dumps({"version": 2, "name": "s", "tasks": {"train": task}, "outputs": outputs}))
    stack = stack_in(place.path)
    stack.apply(stack.plan())
    nth, over = 1, False
    while not over:
        calls.count, calls.nth = 0, nth
        calls.stop.clear()
        asked.clear()
        try:
            getattr(stack, look)(*(["b200"] if look == "market" else []), stop=calls.stop)
        except flowplan.Interrupted as error:
            assert (str(error), calls.count) == ("stopped; nothing was changed", nth)
            nth += 1 + nth // 2
        else:
            over = True
    assert nth > 1


class Lingering(threading.Thread):
    """Has not ended when its work is done, until somebody waits for that."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.waited_for = threading.Event()

    def run(self) -> None:
        super().run()
        assert self.waited_for.wait(LONGEST)

    def join(self, timeout: float | None = None) -> None:
        self.waited_for.set()
        super().join(timeout)


def test_a_call_that_has_ended_leaves_no_thread(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Lingering] = []

    def thread(**given: Any) -> threading.Thread:
        made.append(Lingering(**given))
        return made[-1]

    monkeypatch.setattr(api_thread, "threading", SimpleNamespace(Thread=thread, Lock=threading.Lock))
    stack = stack_in(place.path, TASK)
    proposal = stack.plan()
    stack.apply(proposal)
    with pytest.raises(flowplan.StalePlan):
        stack.apply(proposal)
    left = [one for one in made if one.is_alive()]
    for one in left:
        one.join()
    assert (len(made), left) == (2, [])


def test_a_call_that_waits_to_be_sent_again_is_given_up(place: Place, calls: Calls) -> None:
    stack = stack_in(place.path, TASK)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/*", "status", status=503, times=None)
    calls.nth = 1
    assert str(ended(lambda: stack.plan(stop=calls.stop))) == "stopped; nothing was changed"
    assert calls.count == 1


def test_a_simulation_of_the_market_is_stopped(
    place: Place, asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, stop = stack_in(place.path, TASK), threading.Event()
    simulated = what_if.simulated
    monkeypatch.setattr(what_if, "simulated", lambda *given: (stop.set(), asked.wait(LONGEST), simulated(*given)))
    assert str(ended(lambda: stack.plan(what_if="24h", stop=stop))) == "stopped; nothing was changed"


def test_the_pause_of_a_watch_is_stopped_and_the_watch_is_free(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, stop = stack_in(place.path, TASK), threading.Event()
    stack.apply(stack.plan())
    made = stack.watch("1h", stop=stop)
    next(made)
    real = rounds.wait
    monkeypatch.setattr(rounds, "wait", lambda *given: (stop.set(), real(*given)))
    assert "the watch is over" in str(ended(lambda: next(made)))
    assert len(list(stack.watch(once=True))) == 1


def test_steps_that_failed_say_which_and_why(place: Place) -> None:
    stack = stack_in(place.path, *tasks("abcde"))
    proposal = stack.plan()
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=403, nth=2, times=None)
    with pytest.raises(flowplan.ApplyFailed) as caught:
        stack.apply(proposal, parallelism=1)
    error = caught.value
    first, *others = error.outcome.failed.items()
    assert (names(error.outcome.done), names(error.outcome.failed)) == (["bid.a"], [f"bid.{one}" for one in "bcde"])
    assert str(error).startswith(f"4 steps failed; what was done is saved: bid.b: {first[1]}; bid.c: ")
    assert str(error).endswith("; and 1 more") and error.summary == "4 steps failed; what was done is saved"
    assert isinstance(first[1], flowplan.CloudError) and len(others) == 3


class Hears(flowplan.Silent):
    """Hears what is said of each failure."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def failed(self, step: Step, change: Change, error: flowplan.FlowplanError) -> None:
        self.heard.append(str(error))


def with_a_secret(place: Place) -> flowplan.Stack:
    """A stack whose sensitive variable goes to the API."""
    place.write(
        f"version: 2\nname: s\nvariables: {{token: {{sensitive: true}}}}\ntasks:\n  t:\n    {TYPE}"
        '    container_image: {image_name: a, run_options: "-e TOKEN=${var.token}"}\n'
    )
    return stack_in(place.path, variables={"token": "hunter2-longer"})


def test_what_the_api_repeats_of_a_secret_is_in_no_error(place: Place) -> None:
    """A program logs them: nothing else masks what it writes."""
    stack, reporter = with_a_secret(place), Hears()
    proposal = stack.plan()
    with place.simulator() as simulator:
        said = '{"detail": "bad script: TOKEN=hunter2-longer"}'
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, body=said)
        simulator.faults.add("GET /v2/projects", "status", status=400, body=said, nth=2)
    with pytest.raises(flowplan.ApplyFailed) as caught:
        stack.apply(proposal, reporter=reporter)
    with pytest.raises(flowplan.CloudError) as looked:
        stack.plan()
    for text in (
        *reporter.heard,
        str(caught.value),
        *map(str, caught.value.outcome.failed.values()),
        str(looked.value),
    ):
        assert "bad script: TOKEN=********" in text


def test_nor_in_what_is_said_of_a_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def repeats(*_: object, **__: object) -> None:
        raise flowplan.CloudError("TOKEN=hunter2-longer")

    monkeypatch.setattr("flowplan.apply.waits.standings", repeats)
    stack, reporter = with_a_secret(place), Hears()
    with pytest.raises(flowplan.ApplyFailed) as caught:
        stack.apply(stack.plan(), wait="allocated", reporter=reporter)
    for text in (*reporter.heard, str(caught.value), *map(str, caught.value.outcome.failed.values())):
        assert "TOKEN=********" in text


def test_nor_in_what_its_traceback_shows() -> None:
    def fails() -> None:
        raise flowplan.StateError("hunter2")

    try:
        try:
            raise flowplan.CloudError("TOKEN=hunter2", hint="hunter2")
        except flowplan.CloudError as error:
            raise flowplan.CloudError(f"could not check: {error}") from error
    except flowplan.CloudError:
        with pytest.raises(flowplan.StateError) as caught:
            fails()
    caught.value.hide(lambda text: text.replace("hunter2", "********"))
    shown = "".join(traceback.format_exception(caught.value))
    assert "could not check: TOKEN=********" in shown and '"TOKEN=hunter2"' in shown  # the line of this test
    assert [line for line in shown.splitlines() if line.startswith("flowplan.") and "hunter2" in line] == []


def test_a_create_in_doubt_says_which_and_why(place: Place) -> None:
    stack = stack_in(place.path, TASK)
    proposal = stack.plan()
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    with pytest.raises(flowplan.OutcomeUnknown) as caught:
        stack.apply(proposal, settle_window=0.1)
    outcome = caught.value.outcome
    assert outcome is not None and names(outcome.unknown) == ["bid.train"] and len(outcome.pending) == 1
    assert "kept: bid.train: flowplan cannot tell whether it was created: " in str(caught.value)


@pytest.mark.parametrize(
    ("where", "taken", "done", "not_started"),
    [("local_journal.LocalJournal.append", 2, "ab", "c"), ("local.LocalStore._save", 0, "abc", "")],
    ids=["a result", "the snapshot"],
)
def test_a_state_that_takes_no_more_says_what_was_done(
    where: str, taken: int, done: str, not_started: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {**START, "HOME": str(place.path / "home")}
    stack = flowplan.load(*tasks("abc"), directory=place.path, api_url="sim:", environ=environ)
    proposal, calls = stack.plan(), itertools.count()
    name = f"flowplan.backends.{where}"
    real = derived(name)

    def full(*given: Any, **named: Any) -> Any:
        if next(calls) >= taken:
            raise flowplan.StateError("the disk is full", hint="make room")
        return real(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(name, full)
        with pytest.raises(flowplan.StateError, match="the disk is full") as caught:
            stack.apply(proposal, parallelism=1)
    error = caught.value
    assert isinstance(error, flowplan.SaveFailed) and (error.exit_code, str(error)) == (5, "the disk is full")
    assert error.hint is not None and error.hint.startswith("make room")
    outcome = error.outcome
    assert (names(outcome.done), names(outcome.not_started)) == (bids(done), bids(not_started))
    assert [*map(str, outcome.state.bindings)] == bids(done) == [*map(str, stack.state().bindings)]
    assert pickle.loads(pickle.dumps(error)).outcome == outcome
    assert len(stack.apply(stack.plan()).done) == len(not_started) and len(live_ids(place)) == 3


def bids(names: str) -> list[str]:
    return [f"bid.{one}" for one in names]


def derived(name: str) -> Any:
    """What a dotted name stands for, as pytest patches it."""
    module, cls, attribute = name.rsplit(".", 2)
    return getattr(getattr(importlib.import_module(module), cls), attribute)


def test_what_a_guard_refuses_after_the_wait_says_what_was_done() -> None:
    step = Step("up", Address("bid", "b"))
    outcome = Outcome(State("x"), failed={step: GuardRefused("over the budget", code="stale-plan")})
    with pytest.raises(flowplan.GuardRefused) as caught:
        verdict(outcome)
    assert isinstance(caught.value, flowplan.RefusedMeanwhile) and caught.value.outcome is outcome
