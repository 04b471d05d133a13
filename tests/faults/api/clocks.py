"""Lists that lag, and clocks that jump."""

from __future__ import annotations

from typing import Any

from flowplan.cloud.fcp import Fcp
from tests.faults.api.rows import cell
from tests.faults.api.server_errors import adopted
from tests.faults.world import BIDS, POST_BID, World


@cell("list-lag", "plan")
def what_was_just_made_is_not_planned_again(world: World, command: str) -> None:
    world.fresh()
    world.conditions(list_lag=30)
    assert world.do("apply").code == 0
    told = world.do(command, "--detailed-exitcode")
    assert told.code in (0, 1), told
    assert "will be created" not in told.out
    assert told.code == 0 or "the API lists it neither as live nor as ended" in told.said


@cell("list-lag", "apply")
def a_create_that_is_listed_late_is_waited_for(world: World, command: str) -> None:
    world.begin(command)
    world.conditions(list_lag=30)
    world.fault(POST_BID, "timeout", after_commit=True)
    told = world.do(command)
    adopted(world, told)
    assert 30 <= told.seconds < 60


@cell("list-lag", "destroy")
def a_removal_is_over_when_the_bid_says_so(world: World, command: str) -> None:
    world.applied()
    world.conditions(list_lag=30)
    told = world.do(command)
    assert told.code == 0, told
    assert not world.bids()


DAY = 86_400.0


def jump(world: World, seconds: float, when: str) -> None:
    """The wall clock jumps as the first call of `when` is made."""
    method = when.partition(" ")[0]
    real = Fcp.create if method == "POST" else Fcp.cancel_bid if method == "DELETE" else Fcp.projects

    def jumping(fcp: Fcp, *given: Any, **more: Any) -> Any:
        world.time.ahead = seconds
        return real(fcp, *given, **more)

    world.monkeypatch.setattr(Fcp, real.__name__, jumping)


@cell("clock", "plan", "destroy", variants={"ahead": DAY, "back": -DAY})
def the_wall_clock_decides_nothing(world: World, command: str, seconds: float) -> None:
    world.begin(command)
    jump(world, seconds, "GET /v2/projects" if command == "plan" else "DELETE")
    told = world.do(command)
    assert told.code == 0, told


@cell("clock", "apply", variants={"ahead": DAY, "back": -DAY})
def a_jump_changes_nothing_about_the_settle_window(world: World, command: str, seconds: float) -> None:
    world.begin(command)
    jump(world, seconds, POST_BID)
    world.fault(POST_BID, "timeout", late=40)
    told = world.do(command)
    adopted(world, told)


@cell("clock", "apply", variants={"back-between-runs": -DAY})
def a_clock_set_back_between_two_runs_shortens_nothing(world: World, command: str, seconds: float) -> None:
    world.begin(command)
    world.fault(POST_BID, "timeout", late=100)
    world.fault("GET /v2/spot/bids", "status", status=503, nth=2, times=None)
    assert world.do(command).code == 6
    first = world.time.now
    world.clear()
    world.time.ahead = seconds
    told = world.do(command, "--settle-window", "600")
    assert told.code == 0, told
    assert len(world.executed("POST", BIDS)) == 2
    assert world.time.now > first
