"""Whole rounds of the watch where something else has a say: the place, a task that another waits for, quotas, policies,
what changes hands in the files, how often a bid has ended, another watcher, and a signal."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends import open as opening
from flowplan.documents.watch import Round
from flowplan.operations.watching import one_round
from tests.cli.terminals import started
from tests.conftest import APPLY, Place, bid_id, made_once
from tests.contracts.memory import Memory, opener
from tests.loaded import client
from tests.operations.watching import ALL, end, look, only, posts, stack, task
from tests.processes import LONGEST, Process

ANYWHERE, THERE = ("h100.8x.SXM5.IB", ""), ("h100.8x.SXM5.IB", "us-central1-a")


def acts(found: Round) -> dict[str, str | None]:
    return {one.address.name: one.act for one in found.findings if one.address.kind == "bid"}


def kinds(found: Round) -> dict[str, str]:
    return {str(one.address): one.kind for one in found.findings}


# ---- the place -----------------------------------------------------------------------------------------------


@pytest.fixture
@made_once
def waiting(place: Place) -> Place:
    """A bid that waits in a region that its task has not asked for since."""
    place.write(stack("{switch_region: true}", train=task("14.00", *THERE)))
    place.ok(*APPLY)
    place.write(stack("{switch_region: true}", train=task("14.00", *ANYWHERE)))
    return place


def test_a_bid_that_waits_is_placed_where_it_does_better(waiting: Place) -> None:
    old = bid_id(waiting, "bid.train")
    found = look(waiting)
    assert (only(found).kind, only(found).act, found.error) == ("moves", "move", None)
    assert bid_id(waiting, "bid.train") != old and posts(waiting) == 2
    waiting.ok("simulator", "advance", "10m")
    assert only(look(waiting)).kind == "runs" and posts(waiting) == 2


def test_without_switch_region_it_stays_where_it_is(waiting: Place) -> None:
    waiting.edit("{switch_region: true}", "{on_preempted: rebid}")
    found = look(waiting)
    assert (only(found).kind, only(found).act, found.differs) == ("outbid", None, False)
    assert posts(waiting) == 1


def test_it_stays_where_another_of_the_project_would_be_pushed_out(place: Place) -> None:
    """All 30 instances that were free are another bid's, for the reserve."""
    other = task("8.00", "h100.8x.SXM5.IB", "us-central1-b", ", num_instances: 30")
    place.write(stack("{switch_region: true}", other=other, train=task("14.00", *THERE)))
    place.ok(*APPLY)
    place.write(stack("{switch_region: true}", other=other, train=task("14.00", *ANYWHERE)))
    found = {one.address.name: one for one in look(place).findings}
    assert (found["train"].kind, found["train"].act, posts(place)) == ("moves", None, 2), found
    assert f"it would push out {bid_id(place, 'bid.other')}" in found["train"].why_not


# ---- one that ends again and again ---------------------------------------------------------------------------


def test_a_bid_that_ends_again_and_again_waits_longer_and_longer(running: Place) -> None:
    """Also after a restart: the watch remembers nothing of it, the cloud has it."""
    end(running)
    assert acts(look(running)) == {"train": "place"}
    for minutes in (10, 20, 40):
        end(running)
        for seconds in (0, minutes * 60 - 1):
            running.ok("simulator", "advance", f"{seconds}s")
            found = look(running)
            assert (only(found).act, only(found).why_not, found.differs) == (None, "it has ended often", False)
        running.ok("simulator", "advance", "1s")
        assert acts(look(running)) == {"train": "place"}
    assert posts(running) == 5


# ---- tasks that wait for others ------------------------------------------------------------------------------


def test_what_is_needed_is_placed_first_and_what_needs_it_in_the_next_round(place: Place) -> None:
    needs = ", depends_on: [{task: train, until: allocated}]"
    place.write(stack(ALL, train=task(), follows=task(more=needs)))
    place.ok(*APPLY, "--wait", "allocated")
    place.ok("simulator", "advance", "10m")
    place.ok(*APPLY)
    both = [bid_id(place, "bid.train"), bid_id(place, "bid.follows")]
    with place.simulator() as simulator:
        for id in both:
            simulator.faults.end(id)
    found = look(place)
    assert acts(found) == {"train": "place", "follows": None}
    assert [one.why_not for one in found.findings if one.address.name == "follows"] == ["waits"]
    assert acts(look(place)) == {"train": None, "follows": "place"}
    assert posts(place) == 4


# ---- who else has a say --------------------------------------------------------------------------------------


def quota(place: Place, total: int) -> None:
    with place.simulator() as simulator, simulator.exclusive() as db:
        db.execute(
            "UPDATE quotas SET total = ? WHERE product_type LIKE '%spot%' OR product_type LIKE '%SPOT%'", (total,)
        )


def test_a_quota_that_is_used_up_is_told_and_the_bid_is_placed_once_it_is_not(running: Place) -> None:
    end(running)
    quota(running, 0)
    found = look(running)
    assert (only(found).kind, found.acted) == ("ended", ()) and posts(running) == 1, found
    quota(running, 100)
    assert acts(look(running)) == {"train": "place"} and posts(running) == 2


@pytest.mark.parametrize(
    "policy",
    [
        "max_price_per_gpu_hour: {h100: 2.00}",
        "allowed_regions: [us-east1-a]",
        'hours: {from: "08:00", to: "08:30", days: mon, time_zone: UTC}',
    ],
)
def test_a_policy_of_the_stack_keeps_a_bid_from_being_placed_and_none_from_ending(place: Place, policy: str) -> None:
    job = task(more=", lifetime: {max_hours: 2}")
    place.write(stack(ALL, train=task(), job=job))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    end(place)
    place.write(stack(ALL, train=task(), job=job) + f"policies: {{{policy}}}\n")
    found = look(place)
    assert acts(found) == {"train": None, "job": "cancel"}, found
    assert [str(one) for one in found.acted] == ["bid.job"] and posts(place) == 2
    assert next(one.why_not for one in found.findings if one.address.name == "train")


def test_what_changes_hands_in_the_files_is_applied_by_a_person_first(running: Place) -> None:
    """Only what stops something is done before that."""
    job = task(more=", lifetime: {max_hours: 2}")
    running.write(stack(train=task(), old=task(), job=job))
    running.ok(*APPLY)
    running.ok("simulator", "advance", "3h")
    end(running)
    running.write(stack(train=task(), job=job, new=task()) + "moved: [{from: task.old, to: task.new}]\n")
    found = look(running)
    assert acts(found)["train"] is None and acts(found)["job"] == "cancel", found
    assert [str(one) for one in found.acted] == ["bid.job"] and found.differs
    assert posts(running) == 3


# ---- two at the same moment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("served", [False, True])
def test_two_watchers_at_the_same_moment_place_a_bid_once(
    running: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    """Without the lock of the watch, as at a server that has none: both have looked before either acts."""
    if served:
        objects = Memory(tmp_path / "objects")
        monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(objects)})
        running.ok("state", "migrate", "flowplan.state.json", "memory://states/train")
        monkeypatch.setenv("FLOWPLAN_STATE", "memory://states/train")
    end(running)
    met, act = threading.Barrier(2), one_round._Round._act

    def together(self: Any, *arguments: Any) -> None:
        met.wait(LONGEST)
        act(self, *arguments)

    monkeypatch.setattr(one_round._Round, "_act", together)
    found: list[Round] = []
    both = [threading.Thread(target=lambda: found.append(look(running))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(one.error.code if one.error is not None else "" for one in found)[0] == "", found
    assert sum(bool(one.acted) for one in found) == 1 and posts(running) == 2
    assert {type(one.error).__name__ for one in found if not one.acted} <= {"Locked", "StalePlan"}


# ---- until it is stopped -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_pause_with_the_code_of_the_signal(running: Place, number: signal.Signals, code: int) -> None:
    process = Process(
        [*client(), "watch", "--every", "1h"],
        cwd=running.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "1 run" in process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == code, (out, err)
    assert "Traceback" not in err
    assert running.run("watch", "--once").code == 0  # the lock of the watch is free


def test_a_signal_in_a_round_lets_what_is_under_way_be_done(running: Place) -> None:
    end(running)
    with running.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "slow", seconds=2)
    process = Process([*client(), "watch"], cwd=running.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "creating" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 143, (out, err)
    assert posts(running) == 2
    assert kinds(look(running)) == {"bid.train": "runs"} and posts(running) == 2


def test_on_a_terminal_the_last_line_counts_down(running: Place) -> None:
    run, seen = started(running, "watch", "--every", "1h"), set[str]()
    for shown in run.reads():
        seen |= {line for line in shown.splitlines() if line.startswith("next look in ")}
        if len(seen) > 1:
            run.type("\x03")
            break
    assert list(run.reads()) is not None
    assert "next look" not in run.shown
    assert run.end() == 130 and all(line.endswith("; 1 run") for line in seen), seen


def once(place: Place, change: Callable[[], object]) -> int:
    change()
    return place.run("watch", "--once").code


def test_the_exit_codes_of_a_look(running: Place) -> None:
    """0: as written, or made so; 2: something stays as it is until a person decides; 65: the files have problems."""
    edit, back = partial(running.edit, "17.92", "16"), partial(running.edit, "16", "17.92")
    changes = (lambda: None, lambda: end(running), edit, back, lambda: end(running, by_cloud=False))
    assert [once(running, change) for change in changes] == [0, 0, 2, 0, 2]
    assert once(running, lambda: running.write("tasks: [")) == 65


# ---- one in whose place another was made -----------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True], ids=["a plan", "no plan"])
def test_one_whose_successor_is_there_ends_with_its_lifetime(place: Place, broken: bool) -> None:
    """A run has placed the successor and could not cancel it. What it is there for is over, and both cost money."""
    more = ", num_instances: {n}, lifecycle: {{create_before_destroy: true}}, lifetime: {{max_hours: 2}}"
    place.write(stack(train=task(more=more.format(n=1))))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "1h")
    place.write(stack(train=task(more=more.format(n=2))))
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403, times=None)
    assert place.run(*APPLY).code == 1
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert kinds(look(place))["bid.train@g1"] == "unapplied"
    place.ok("simulator", "advance", "90m")
    if broken:
        place.write(stack(train=task(more=more.format(n=2)), other=task(region="nowhere")))
    found = look(place)
    assert (found.error is not None) == broken, found
    assert [str(one) for one in found.acted] == ["bid.train@g1"], found
    assert kinds(found)["bid.train@g1"] == "lifetime_over"
    assert "bid.train@g1  Allocated" not in place.ok("status")
    place.write(stack(train=task(more=more.format(n=2))))
    place.ok(*APPLY)
    assert "bid.train@g1" not in place.ok("status") and posts(place) == 2
