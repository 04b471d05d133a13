"""What a program does after a run that was interrupted: it plans, and applies that; everything is made once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import flowplan
from flowplan.planning.actions import Change
from flowplan.planning.steps import Step
from flowplan.simulator import SIMULATOR_KEY, Simulator
from flowplan.simulator.serve import Server
from tests.api.stacks import stack_in, tasks
from tests.conftest import START, Place, left_in_doubt, live_ids
from tests.faults.state_servers import SERVERS
from tests.processes import LONGEST


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


LAST = """
import atexit, sys, threading, flowplan
tasks, api_url, at_the_end = eval(sys.argv[1])
stack = flowplan.load(*tasks, directory=".", api_url=api_url, environ={environ!r})

def no_thread(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

def end():
    if at_the_end == "without a thread":  # as Python 3.12 has it
        threading.Thread.start = no_thread
    stack.apply(stack.plan(), settle_window=0.2, parallelism=2)
    print(len(stack.status().bids), len(stack.destroy(settle_window=0.2).done))

def work():
    threading.main_thread().join()
    end()

if at_the_end == "in a thread":
    threading.Thread(target=work).start()
else:
    atexit.register(end)
"""


@pytest.mark.parametrize("api", ["embedded", "served"])
@pytest.mark.parametrize("at_the_end", ["atexit", "without a thread", "in a thread"])
def test_a_program_that_ends_still_cancels_what_it_placed(tmp_path: Path, at_the_end: str, api: str) -> None:
    """`atexit.register(stack.destroy)` is how a program stops paying. Once the main thread has ended, Python lets no
    executor of its own begin anything."""
    with Simulator.open(tmp_path / "cloud.db") as simulator, Server(simulator) as server:
        url = server.url if api == "served" else f"sim:{tmp_path / 'cloud.db'}"
        placed_and_cancelled(tmp_path, at_the_end, url, {})
        asked = [one.method for one in simulator.ledger() if one.path.startswith("/v2/spot/bids")]
    assert asked == ["POST"] * 3 + ["DELETE"] * 3


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("at_the_end", ["atexit", "without a thread"])
def test_so_it_does_where_its_state_is_on_a_server(tmp_path: Path, at_the_end: str, kind: str) -> None:
    """No thread renews the lock then: it is sure for as long as it was taken."""
    server = SERVERS[kind]()
    home = {"XDG_STATE_HOME": str(tmp_path / "home")}
    placed_and_cancelled(tmp_path, at_the_end, "sim:", {**server.environ(), **home, "FLOWPLAN_STATE": server.new()})
    server.close()


def placed_and_cancelled(directory: Path, at_the_end: str, api_url: str, more: Mapping[str, str]) -> None:
    program = LAST.format(environ={**START, "FLOWPLAN_API_KEY": SIMULATOR_KEY, **more})
    command = [sys.executable, "-X", "dev", "-c", program, repr((tasks("abc"), api_url, at_the_end))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory, timeout=LONGEST)
    assert (done.stdout, done.stderr) == ("3 3\n", "")


def test_an_apply_whose_process_ends_is_carried_out(tmp_path: Path) -> None:
    """The main thread ends while another one applies: Python waits for that, and so the process does."""
    program = f"""
import threading, flowplan

class Reporter(flowplan.Silent):
    def started(self, step, change):
        main.join()

def work():
    stack.apply(stack.plan(), parallelism=1, reporter=Reporter())
    print(len(stack.state().bindings), stack.state().serial, stack.recover())

main = threading.main_thread()
stack = flowplan.load(*{tasks("abc")!r}, directory={str(tmp_path)!r}, api_url="sim:", environ={START!r})
threading.Thread(target=work).start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3 1 False\n", "")
    assert stack_in(tmp_path, *tasks("abc")).plan().plan.empty
