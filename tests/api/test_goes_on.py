"""What a program does after a run that was interrupted: it plans, and applies that; everything is made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import flowplan
from flowplan.planning.actions import Change
from flowplan.planning.steps import Step
from tests.api.stacks import stack_in, tasks
from tests.conftest import START, Place, left_in_doubt, live_ids


class Hostile(flowplan.Silent):
    """A reporter that raises when it hears of the `nth` step."""

    def __init__(self, nth: int, error: BaseException) -> None:
        self.left, self.error = nth, error

    def started(self, step: Step, change: Change) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_plan_with_something_in_doubt_is_carried_out(place: Place, nth: int, error: BaseException) -> None:
    """A create that was announced and never sent is proved absent, and sent by the next apply."""
    stack = stack_in(place.path, *tasks("abc"))
    with pytest.raises(type(error)):
        stack.apply(stack.plan(), parallelism=1, reporter=Hostile(nth, error))
    stack.apply(stack.plan(), settle_window=0.1)
    assert len(stack.state().bindings) == 3 == len(live_ids(place))
    assert stack.plan().plan.empty


@pytest.mark.parametrize("nth", [1, 2])
def test_a_change_and_a_removal_in_doubt_are_done_by_the_next_plan(place: Place, nth: int) -> None:
    first = stack_in(place.path, *tasks("abc"))
    first.apply(first.plan())
    stack = stack_in(place.path, *tasks("abc", task_management={"utility_threshold_price": "18.00"}))
    with pytest.raises(ValueError, match="mine"):
        stack.apply(stack.plan(), parallelism=1, reporter=Hostile(nth, ValueError("mine")))
    stack.apply(stack.plan())
    assert stack.plan().plan.empty
    with pytest.raises(ValueError, match="mine"):
        stack.destroy(parallelism=1, reporter=Hostile(nth, ValueError("mine")))
    stack.destroy()
    assert (dict(stack.state().bindings), live_ids(place)) == ({}, [])


def test_a_saved_plan_of_what_was_made_after_all_is_carried_out(place: Place) -> None:
    """The plan presumes what the apply then finds: more than the marker of the bid says."""
    left_in_doubt(place)
    place.ok("plan", "--out", "p")
    place.ok("apply", "p", "--settle-window", "0.1")
    assert len(live_ids(place)) == 1
    assert "No changes" in place.ok("plan")


def test_an_apply_whose_process_ends_saves_what_it_did(tmp_path: Path) -> None:
    """The main thread ends while another one applies: Python lets no call begin after that."""
    program = f"""
import threading, flowplan

class Reporter(flowplan.Silent):
    def started(self, step, change):
        main.join()

def work():
    try:
        stack.apply(stack.plan(), parallelism=1, reporter=Reporter())
    except flowplan.ApplyFailed:
        print(len(stack.state().bindings), stack.state().serial, stack.recover())

main = threading.main_thread()
stack = flowplan.load(*{tasks("abc")!r}, directory={str(tmp_path)!r}, api_url="sim:", environ={START!r})
threading.Thread(target=work).start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0 1 False\n", "")
    stack = stack_in(tmp_path, *tasks("abc"))
    stack.apply(stack.plan())
    assert stack.plan().plan.empty
