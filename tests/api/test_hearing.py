"""A program's own function that fails while a run speaks to it: the run is stopped as by `stop`, what is under way is
recorded, and the error comes out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import flowplan
from tests.api.stacks import stack_in, task
from tests.conftest import Place

NAMES = "abcdef"


class Own(Exception):
    """What a program raises."""


def failing(name: str, error: BaseException) -> flowplan.Silent:
    """A reporter whose method `name` raises `error` the first time."""

    class Failing(flowplan.Silent):
        times = 0

        def __getattribute__(self, asked: str) -> Any:
            if asked != name:
                return super().__getattribute__(asked)

            def fails(*_: object) -> None:
                type(self).times += 1
                raise error

            return fails

    return Failing()


@pytest.mark.parametrize("error", [Own("x"), flowplan.FlowplanError("x"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("name", ["planned", "started", "done", "summary"])
def test_a_reporter_that_fails_leaves_nothing_in_doubt(name: str, error: BaseException, place: Place) -> None:
    stack, before = stack_in(place.path, *map(task, NAMES)), threading.active_count()
    reporter = failing(name, error)
    with pytest.raises(type(error)) as caught:
        stack.apply(stack.plan(), reporter=reporter, parallelism=3)
    assert caught.value is error and isinstance(error.__cause__, flowplan.Interrupted)
    assert reporter.times == 1  # type: ignore[attr-defined]
    placed, outcome = len(stack.state().bindings), error.__cause__.outcome
    assert placed == (len(outcome.done) if outcome else 0)
    again = stack.plan()
    assert "in-doubt" not in {one.code for one in again.diagnostics}
    stack.apply(again)
    assert len(stack.status().bids) == len(NAMES) and stack.plan().plan.empty
    assert threading.active_count() == before


def test_a_note_that_fails_stops_what_it_is_of(place: Place) -> None:
    """`note=print` where nobody reads stdout any more."""

    def note(text: str) -> None:
        assert text == "recovering 1 operation of an earlier run"
        raise BrokenPipeError(text)

    quiet, stack = (stack_in(place.path, *map(task, NAMES), note=said) for said in (None, note))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=3, times=None)
        with pytest.raises(flowplan.OutcomeUnknown):
            quiet.apply(quiet.plan(), settle_window=0)
        simulator.faults.clear()
    with pytest.raises(BrokenPipeError) as caught:
        stack.apply(quiet.plan(), settle_window=0)
    assert isinstance(caught.value.__cause__, flowplan.Interrupted)
    quiet.apply(quiet.plan(), settle_window=0)
    assert len(quiet.status().bids) == len(NAMES) and quiet.orphans().ours == ()


def test_a_note_that_fails_comes_out_of_a_look(place: Place) -> None:
    def note(text: str) -> None:
        raise BrokenPipeError(text)

    stack = stack_in(place.path, task("a"), note=note)
    stack.apply(stack.plan())
    (place.path / ".flowplan" / "forecasts.db").write_bytes(b"nothing")
    with pytest.raises(BrokenPipeError, match="forecasts"):
        stack.cost()


def test_a_watch_whose_reporter_fails_is_over_and_free(place: Place) -> None:
    stack = stack_in(place.path, task("a", lifetime={"max_hours": 1}))
    stack.apply(stack.plan())
    place.ok("simulator", "advance", "2h")
    rounds = stack.watch("30s", reporter=failing("done", Own("x")))
    with pytest.raises(Own) as caught:
        next(rounds)
    assert isinstance(caught.value.__cause__, flowplan.Interrupted)
    assert [told.error for told in stack.watch(once=True)] == [None]


@pytest.mark.parametrize(("names", "sentences"), [("abc", 3), (NAMES, 1)])
def test_an_outage_is_one_sentence_for_many_bids_that_cannot_be_looked_at(
    place: Place, names: str, sentences: int
) -> None:
    heard: list[str] = []
    stack = stack_in(place.path, *map(task, names), note=heard.append)
    stack.apply(stack.plan())
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids*", "status", times=None, status=403)
    stack.plan(destroy=True)
    said = [one for one in heard if "could not be read; flowplan assumes that" in one]
    assert len(said) == sentences
    assert (" and 1 more could not be read; flowplan assumes that each is as last applied: GET" in said[0]) is (
        names == NAMES
    )


def test_a_destroy_says_once_what_its_two_looks_find(place: Place) -> None:
    """It plans, and plans again under its lock."""
    heard: list[str] = []
    stack = stack_in(place.path, *map(task, "ab"), note=heard.append)
    stack.apply(stack.plan())
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", times=None, status=503)
    with pytest.raises(flowplan.ApplyFailed, match="more bids of this stack may run"):
        stack.destroy(settle_window=0.2)
    assert sum("the bids cannot be listed" in one for one in heard) == 1, heard
    assert len(heard) == len(set(heard))
