"""A lifetime that ends while `apply` waits for something else."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from flowplan.backends.local import LocalStore
from flowplan.state.state import State
from tests.conftest import APPLY, Place, bid_id, live_ids, made_once
from tests.faults.full_disk import full
from tests.operations.jobs import AT_ONCE, HEAD, created, entries

RUN_ON = (
    HEAD
    + """\
  pre:
    lifetime: {max_hours: 12}
    ports: [6006]
  train:
    depends_on: [{task: pre, until: terminated}]
"""
)
WAITS = (*APPLY, "--timeout", "20s")  # which nothing here needs


@pytest.fixture
@made_once
def running_on(place: Place) -> Place:
    """`pre` has run 13 hours, of 12, but the plan cannot know it: its bills cannot be fetched, just once."""
    train = RUN_ON.index("  train:")
    place.write(RUN_ON[:train])
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    place.write(RUN_ON)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances/pricing/history", "status", status=403, body="{}")
    return place


def test_a_run_that_waits_cancels_what_is_past_its_lifetime_and_goes_on(running_on: Place) -> None:
    done = running_on.run(*WAITS)
    assert done.code == 0, done
    said = " ".join(done.err.split())
    assert "the lifetime of bid.pre is over: it has run 13.0 hours, of max_hours 12" in said
    assert said.index("bid.pre: destroying") < said.index("bid.pre: destroyed") < said.index("bid.train: creating")
    assert "Apply complete: 1 added, 0 changed, 1 destroyed." in done.out
    assert created(running_on) == {"pre": 1, "train": 1}
    assert running_on.run("plan", "--detailed-exitcode").code == 0
    found = entries(running_on)
    assert found["bid.pre"]["action_reason"] == "completed"
    assert running_on.ok("state", "list").split() == ["bid.pre", "bid.train"]


def test_what_waits_for_it_to_run_is_not_placed(running_on: Place) -> None:
    running_on.edit("until: terminated", "until: running")
    with running_on.simulator() as simulator:  # it is no further yet
        simulator.faults.add("GET /v2/instances", "edited", put={"status": "STATUS_STARTING"}, times=None)
    failed = running_on.run(*WAITS)
    assert failed.code == 1, failed
    said = " ".join(failed.err.split())
    assert "waits until bid.pre is running, but its lifetime is over: it has run 13.0 hours, of max_hours 12" in said
    assert "to run bid.pre again: flowplan apply --replace bid.pre" in said
    assert "0 added, 0 changed, 1 destroyed; 1 failed" in " ".join(failed.out.split())
    assert created(running_on) == {"pre": 1}


def test_what_cannot_be_cancelled_ends_the_wait(running_on: Place) -> None:
    with running_on.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=400, body='{"detail": "no"}', times=None)
    failed = running_on.run(*WAITS)
    assert failed.code == 1, failed
    said = " ".join(failed.err.split())
    assert "bid.train: waits until bid.pre is terminated; its lifetime is over, but it could not be cancelled" in said
    assert created(running_on) == {"pre": 1}
    assert "ports.pre" in running_on.ok("state", "list").split(), "which are open as long as it runs"
    with running_on.simulator() as simulator:
        simulator.faults.clear()
    assert "1 added, 0 changed, 2 destroyed" in running_on.ok(*WAITS)


def test_what_may_not_be_destroyed_runs_on_and_that_is_said(running_on: Place) -> None:
    running_on.edit("    ports: [6006]", "    ports: [6006]\n    lifecycle: {prevent_destroy: true}")
    failed = running_on.run(*AT_ONCE)
    assert failed.code == 1, failed
    assert "of max_hours 12), but prevent_destroy keeps it running" in " ".join(failed.err.split())
    assert bid_id(running_on, "bid.pre") in live_ids(running_on)


def test_waiting_for_bids_to_run_ends_those_past_their_lifetime(running_on: Place) -> None:
    """--wait, once all is placed: of what it saves then, nothing is lost."""
    running_on.edit("depends_on: [{task: pre, until: terminated}]", "paused: true")
    with running_on.simulator() as simulator:
        simulator.faults.add("GET /v2/instances", "edited", put={"status": "STATUS_STARTING"}, times=None)
    failed = running_on.run(*WAITS, "--wait", "running")
    assert failed.code == 1, failed
    said = " ".join(failed.err.split())
    assert "bid.pre: placed, but its lifetime is over: it has run 13.0 hours, of max_hours 12" in said
    assert "bid.pre: destroyed" in said
    assert "1 added, 0 changed, 1 destroyed; 1 failed" in " ".join(failed.out.split())
    assert entries(running_on)["bid.pre"]["action_reason"] == "completed"
    assert running_on.run("plan", "--detailed-exitcode").code == 0


def test_nor_does_that_need_room(running_on: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a disk that is full by the time of the wait."""
    running_on.edit("depends_on: [{task: pre, until: terminated}]", "paused: true")
    with running_on.simulator() as simulator:
        simulator.faults.add("GET /v2/instances", "edited", put={"status": "STATUS_STARTING"}, times=None)
    save = LocalStore.save
    with ExitStack() as ends:

        def saved(store: LocalStore, *arguments: Any, **options: Any) -> State:
            state = save(store, *arguments, **options)
            ends.enter_context(full())
            return state

        monkeypatch.setattr(LocalStore, "save", saved)
        failed = running_on.run(*WAITS, "--wait", "running")
    assert failed.code == 1, failed
    assert "bid.pre: destroyed" in failed.err
    assert bid_id(running_on, "bid.pre") not in live_ids(running_on)


def test_what_ran_and_ends_while_another_is_waited_for_has_not_failed(running_on: Place) -> None:
    running_on.edit("depends_on: [{task: pre, until: terminated}]", "ports: [8080]")
    late = running_on.run(*APPLY, "--timeout", "1s", "--wait", "running")
    said = " ".join(late.err.split())
    assert "bid.pre: destroyed" in said and "error: bid.pre" not in said
    assert "error: bid.train: allocated, but its instances are not running after 1 s" in said
    assert entries(running_on)["bid.pre"]["action_reason"] == "completed"
