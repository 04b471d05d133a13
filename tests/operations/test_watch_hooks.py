"""Hooks of a watch: what begins sets them off once, whatever a round does, and none disturbs a round."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from flowplan.clock import since_boot
from flowplan.documents.watch import Round
from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.operations.running import hooks
from flowplan.operations.watching import rounds
from flowplan.operations.watching.memory import Memory
from flowplan.planning.watch_findings import Finding
from tests.cli.running import watched
from tests.conftest import APPLY, Place, bid_id, made_once
from tests.documents.schemas import fits
from tests.operations.watching import end, posts, stack, task

ALL = "{on_preempted: rebid, raise_limit_up_to: 25}"
KEEP = "cat >> heard.jsonl"


def hooked(policy: str = ALL, command: str = KEEP, timeout: int = 30) -> str:
    hook = f"{{command: [sh, -c, {json.dumps(command)}], timeout: {timeout}}}"
    each = "".join(f"  {one}: {hook}\n" for one in ("applied", "preempted", "drifted"))
    return stack(policy, train=task()).replace("tasks:\n", f"hooks:\n{each}tasks:\n")


@pytest.fixture
@made_once
def running(place: Place) -> Place:
    place.write(hooked())
    place.ok(*APPLY, "--no-hooks")
    place.ok("simulator", "advance", "10m")
    return place


def heard(place: Place) -> list[tuple[str, list[str]]]:
    """What the hooks have read since, by event, with the ids that it is about; forgotten then."""
    path = place.path / "heard.jsonl"
    found: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    for one in found:
        fits("hook", one)
    return [(one["event"], [two["id"] for two in one["resources"]]) for one in found]


def changed(place: Place, limit: str) -> None:
    id = bid_id(place, "bid.train")
    assert place.call("PATCH", f"/v2/spot/bids/{id}", json.dumps({"limit_price": f"${limit}"}).encode()).status == 200


def test_what_was_changed_outside_is_heard_once_also_after_a_restart(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = bid_id(running, "bid.train")
    changed(running, "19.00")
    watched(running, monkeypatch, lambda: None, lambda: None)
    assert heard(running) == [("drifted", [id])]
    watched(running, monkeypatch, lambda: None)
    running.run("watch", "--once")
    assert heard(running) == []
    changed(running, "17.92")
    running.ok("watch", "--once")
    changed(running, "19.00")
    running.run("watch", "--once")
    assert heard(running) == [("drifted", [id])]  # it has begun again


def test_what_the_cloud_ends_is_heard_with_the_bid_that_ended_and_what_is_done_about_it_after_it(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = end(running)
    watched(running, monkeypatch, lambda: None)
    assert heard(running) == [("preempted", [old]), ("applied", [bid_id(running, "bid.train")])]


def test_what_somebody_ends_is_changed_outside(running: Place) -> None:
    old = end(running, by_cloud=False)
    assert running.run("watch", "--once").code == 2
    assert heard(running) == [("drifted", [old])]


def test_what_is_outbid_is_heard_once_though_its_limit_is_raised_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = task("5.00", "a100.8x.SXM4.IB", "us-central1-a")
    place.write(hooked("{raise_limit_up_to: 40}").replace(task(), train))
    place.ok(*APPLY, "--no-hooks")
    watched(place, monkeypatch, lambda: None, lambda: None)
    id = bid_id(place, "bid.train")
    assert heard(place) == [("preempted", [id]), ("applied", [id])]


def test_a_hook_that_fails_or_hangs_disturbs_no_round(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    running.write(hooked(command="sleep 90", timeout=600))
    monkeypatch.setattr(rounds, "LEAST", 0.3)
    old, before = end(running), posts(running)
    begun = since_boot()
    done = watched(running, monkeypatch, lambda: None, line="--every 1s")
    assert since_boot() - begun < 60
    said = " ".join(done.err.split())
    assert posts(running) == before + 1 and bid_id(running, "bid.train") != old
    assert "the hook preempted (sh -c 'sleep 90', flowplan.yaml:7:24) was killed as the next round" in said
    assert (
        "the hook applied (sh -c 'sleep 90', flowplan.yaml:6:22) was not run: the next round of the watch is due"
        in said
    )
    running.write(hooked(command="exit 7"))
    end(running)
    done = watched(running, monkeypatch, lambda: None)
    assert "failed with exit code 7; what flowplan did stands" in " ".join(done.err.split())
    assert "error" not in done.out and done.code == 130


@pytest.mark.parametrize("how", [("--no-hooks",), ()])
def test_they_run_only_where_they_may(running: Place, how: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    if not how:
        monkeypatch.setenv("FLOWPLAN_NO_HOOKS", "1")
    end(running)
    running.ok("watch", "--once", *how)
    assert heard(running) == []


def test_ctrl_c_while_one_runs_ends_it_and_it_is_heard_again(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(running, "19.00")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hooks, "run", interrupted)
        assert running.run("watch", "--once").code == 130
    assert running.run("watch", "--once").code == 2
    assert [event for event, _ in heard(running)] == ["drifted"]


# ---- when they are set off ------------------------------------------------------------------------------------------

TRAIN = Address("bid", "train")


def made(kind: Any, *, to_decide: bool = False, why: str = "", id: str = "bid_1") -> Finding:
    return Finding(TRAIN, kind, "", to_decide=to_decide, why_not=why, id=id)


@pytest.mark.parametrize(
    ("found", "events"),
    [
        ([made("runs"), made("preempted"), made("outbid"), made("preempted")], ["preempted"]),
        ([made("preempted"), made("runs"), made("preempted")], ["preempted", "preempted"]),
        (
            [made("outbid"), made("outbid", why="it would pass the budget"), made("outbid", why="still")],
            ["preempted"] * 2,
        ),
        ([made("outbid", why="too dear"), made("outbid")], ["preempted"]),
        ([made("ended"), made("ended", id="bid_2")], ["preempted", "preempted"]),
        ([made("ended", to_decide=True), made("drift", to_decide=True)], ["drifted"]),
        ([made("waits"), made("unapplied", to_decide=True), made("lifetime_over"), made("done"), made("moves")], []),
    ],
)
def test_a_finding_sets_them_off_when_it_begins(
    tmp_path: Any, found: list[Finding], events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    got = []
    for one in found:
        memory = Memory.of(tmp_path, "state")  # each time after a restart
        got += [two.event for two in memory.after(Round(None, (one,))).heard]
        memory.after(Round(None, error=CloudError("away")))
        memory.keep()
    assert got == events


def test_a_memory_of_something_else_sets_them_off_again(tmp_path: Any) -> None:
    memory = Memory.of(tmp_path, "state")
    memory.told = {"bid.train": [None, [], {}, 7, None]}
    found: Callable[[], tuple[Finding, ...]] = lambda: memory.after(Round(None, (made("drift"),))).heard  # noqa: E731
    assert [len(found()), len(found())] == [1, 0]
