"""Size, and slowness."""

from __future__ import annotations

import re
import threading

from flowplan.apply import workers
from flowplan.planning.actions import Change
from flowplan.planning.steps import Step
from flowplan.reports.text.progress import ProgressLines
from tests.conftest import many
from tests.faults.api.rows import cell, failed_or_stopped
from tests.faults.world import BIDS, World
from tests.processes import LONGEST


def stack_of(world: World, command: str, tasks: int) -> None:
    """What `command` finds: `tasks` tasks of three resources each."""
    world.fresh(tasks)
    if command != "apply":
        assert world.do("apply").code == 0
    if command == "plan":
        world.place.write(many(tasks, price="21.50"))


def pages_of(rows: int) -> int:
    return -(-rows // 100) or 1


@cell("10000-resources", "apply", variants={"reduced-to-450": 150})
@cell("10000-resources", "plan", "destroy", variants={"reduced-to-450": 150}, usual=())
def large_stacks_are_read_by_pages(world: World, command: str, tasks: int) -> None:
    stack_of(world, command, tasks)
    told = world.do(command)
    assert told.code == 0, told.err[-2000:]
    listed = len(told.calls("GET", BIDS))
    assert listed == pages_of(0 if command == "apply" else tasks)
    single = len(told.calls("GET", f"{BIDS}/{{fid}}"))
    assert single == (tasks if command == "destroy" else 0)  # a removal looks whether it is over


@cell("slow-api", "plan", "apply", "destroy")
def ten_seconds_a_call_are_borne(world: World, command: str) -> None:
    world.begin(command)
    world.fault("* /v2/*", "slow", seconds=10, times=None)
    told = world.do(command)
    assert told.code == 0, told
    assert told.seconds >= 10 * len(told.sent) / 2
    only_shown = "/v2/pricing/" if command == "destroy" else None  # what is to stop waits for no price
    given_up = [one.path for one in told.sent if not one.outcome.isdigit()]
    assert all(only_shown and path.startswith(only_shown) for path in given_up), given_up


@cell("slow-api", "plan", "apply", "destroy", variants={"beyond-the-deadline": 31})
def an_answer_after_the_deadline_is_no_answer(world: World, command: str, seconds: int) -> None:
    world.begin(command)
    world.fault("GET /v2/projects", "slow", seconds=seconds, times=None)
    told = world.do(command)
    assert "timed out" in told.said
    failed_or_stopped(world, told, command)


@cell("slow-api", "apply", "destroy", variants={"says-that-it-goes-on": 10})
def a_slow_change_says_that_it_goes_on(world: World, command: str, seconds: int) -> None:
    """Ten seconds pass on the virtual clock for each answer that is slow, and several may be on their way at once."""
    said, tell = threading.Event(), ProgressLines.progress

    def told_once(progress: ProgressLines, step: Step, change: Change, elapsed: float) -> None:
        tell(progress, step, change, elapsed)
        said.set()

    world.monkeypatch.setattr(ProgressLines, "progress", told_once)
    world.monkeypatch.setattr(workers, "PROGRESS_EVERY", 0.05)
    world.begin(command)
    world.held_back = lambda: said.wait(LONGEST)
    world.fault("POST /v2/volumes" if command == "apply" else "DELETE *", "slow", seconds=seconds)
    told = world.do(command)
    assert told.code == 0, told
    assert re.search(r"still (creating|destroying)\.\.\. \([1-9]0 s\)", told.said)
