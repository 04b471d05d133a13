"""`depends_on` as somebody meets it who applies a stack: on the simulator, from end to end."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place
from tests.operations.jobs import AT_ONCE, HEAD, STACK, created, end, entries


def test_a_task_that_waits_is_placed_once_the_other_has_ended(place: Place) -> None:
    place.write(STACK)
    shown = place.ok("plan")
    assert "# waits until bid.preprocess is terminated" in shown
    waited = place.run(*AT_ONCE)
    assert waited.code == 1
    said = " ".join(waited.err.split())
    assert "bid.train: waited 0s for bid.preprocess, which is allocated, to be terminated" in said
    assert created(place) == {"preprocess": 1, "other": 1}  # what does not wait is not held up
    end(place, "bid.preprocess")
    assert entries(place)["bid.train"]["waits_for"] == [{"address": "bid.preprocess", "until": "terminated"}]
    place.ok(*AT_ONCE)
    assert created(place) == {"preprocess": 1, "other": 1, "train": 1}


def test_a_task_that_waits_for_a_sweep_is_placed_once_every_instance_has_ended(place: Place) -> None:
    place.write(STACK.replace("  preprocess:\n", "  preprocess:\n    for_each: [a, b]\n"))
    place.run(*AT_ONCE)
    assert created(place) == {"preprocess-a": 1, "preprocess-b": 1, "other": 1}
    end(place, 'bid.preprocess["a"]')
    said = " ".join(place.run(*AT_ONCE).err.split())
    assert 'waited 0s for bid.preprocess["b"], which is allocated, to be terminated' in said
    assert created(place)["train"] == 0
    end(place, 'bid.preprocess["b"]')
    place.ok(*AT_ONCE)
    assert created(place) == {"preprocess-a": 1, "preprocess-b": 1, "other": 1, "train": 1}


def test_a_job_that_has_ended_is_done(place: Place) -> None:
    """What the bid of any other task would be placed again for."""
    place.write(STACK)
    place.run(*AT_ONCE)
    end(place, "bid.preprocess")
    place.ok(*AT_ONCE)
    settled = place.run("plan", "--detailed-exitcode")
    assert settled.code == 0
    assert "bid.preprocess is done and will not be placed again" in " ".join(settled.out.split())
    serial = json.loads((place.path / "flowplan.state.json").read_text())["serial"]
    place.ok(*APPLY)
    assert json.loads((place.path / "flowplan.state.json").read_text())["serial"] == serial
    done = entries(place)["bid.preprocess"]
    assert (done["action_reason"], done["cost"]) == ("completed", None)
    place.edit("until: terminated", "until: placed")  # it was recorded: no other word of the file runs it again
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok(*APPLY, "--replace", "bid.preprocess")
    assert created(place)["preprocess"] == 2


def test_a_job_that_is_done_stays_so_when_an_earlier_state_is_pushed(place: Place) -> None:
    place.write(STACK)
    place.run(*AT_ONCE)
    place.write(place.ok("state", "pull"), "old.json")
    end(place, "bid.preprocess")
    place.ok(*AT_ONCE)
    place.edit("until: terminated", "until: placed")
    place.ok("state", "push", "--force", "old.json")
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert created(place)["preprocess"] == 1


def test_what_is_no_job_is_placed_again(place: Place) -> None:
    place.write(STACK)
    place.run(*AT_ONCE)
    end(place, "bid.other")
    assert entries(place)["bid.other"]["action_reason"] == "create_because_gone"


@pytest.mark.parametrize("until", ["placed", "allocated"])
def test_one_run_does_both_in_their_order(place: Place, until: str) -> None:
    place.write(STACK.replace("terminated", until))
    place.ok(*APPLY)
    names = list(created(place))
    assert names.index("preprocess") < names.index("train")
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_running_is_more_than_allocated(place: Place) -> None:
    place.write(STACK.replace("terminated", "running"))
    waited = place.run(*AT_ONCE)
    assert waited.code == 1
    assert "which is allocated, to be running" in " ".join(waited.err.split())
    place.ok("simulator", "advance", "30m")
    place.ok(*AT_ONCE)
    assert created(place)["train"] == 1


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ({"status": "Terminated", "deactivated_at": "2026-11-02T09:00:00Z"}, "but it has ended"),
        ({"status": "Paused"}, "but it is paused"),
    ],
)
def test_what_cannot_come_that_far_fails_alone(place: Place, put: dict[str, str], says: str) -> None:
    """An hour would be waited for otherwise; what does not wait for it is placed."""
    place.write(STACK.replace("terminated", "running"))
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "edited", nth=2, put=put, times=None)
    failed = place.run(*APPLY, "--timeout", "1h")
    assert failed.code == 1, failed
    assert f"waits until bid.preprocess is running, {says}" in " ".join(failed.err.split())
    assert created(place) == {"preprocess": 1, "other": 1}


def test_after_a_failure_dependents_are_not_started_and_independent_tasks_are_done(place: Place) -> None:
    place.write(STACK)
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", nth=2, status=400, body='{"detail": "no"}')
    failed = place.run(*APPLY, "--parallelism", "1", "--timeout", "1h")
    assert failed.code == 1
    assert "1 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 2 not started" in " ".join(failed.out.split())
    assert "error: bid.preprocess: " in failed.err
    assert "at flowplan.yaml:7:3" in failed.err
    assert "not started: bid.train, ports.train" in " ".join(failed.err.split())
    assert created(place) == {"other": 1}
    place.run(*AT_ONCE)
    assert created(place) == {"other": 1, "preprocess": 1}


def test_destroying_waits_for_nobody(place: Place) -> None:
    """Who stops paying is not held up."""
    place.write(STACK.replace("terminated", "allocated"))
    place.ok(*APPLY)
    assert "4 destroyed" in place.ok("destroy", "--auto-approve")


# ---- what is said of a run that came half-way --------------------------------------------------------------------

HALF = (
    HEAD
    + """\
  p: {startup_script: echo 1}
  t: {ports: [8080], lifecycle: {create_before_destroy: true}}
"""
)


def test_each_resource_is_counted_once_of_what_waited_in_vain(place: Place) -> None:
    """Its bid is made and taken away: one failed, so the other is not one more that was not started."""
    place.write(HALF)
    place.ok(*APPLY)
    place.edit("echo 1", "echo 2")
    place.edit("ports: [8080]", "ports: [9090], depends_on: [{task: p, until: running}]")
    with place.simulator() as simulator:  # it is no further yet
        simulator.faults.add("GET /v2/instances", "edited", put={"status": "STATUS_STARTING"}, times=None)
    failed = place.run(*APPLY, "--timeout", "1s")
    assert failed.code == 1, failed
    assert "; 1 failed, 0 unknown, 1 not started." in " ".join(failed.out.split())
    assert "not started: ports.t error:" in " ".join(failed.err.split()), failed
    place.edit("echo 2", "echo 3")
    events = [json.loads(one) for one in place.run(*APPLY, "--timeout", "1s", "--json").out.splitlines()]
    assert (events[-1]["failed"], events[-1]["not_started"]) == (1, ["ports.t"])
