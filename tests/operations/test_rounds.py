"""Round after round of the watch: what is told, how long it pauses, what survives a kill, and that one at a time
watches."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from flowplan.apply.events import Silent
from flowplan.apply.outcome import Interrupted
from flowplan.backends.local import LocalStore
from flowplan.backends.processes import this_process
from flowplan.documents.watch import Round
from flowplan.documents.watched import events
from flowplan.errors import CloudError, ConfigError, FlowplanError, Locked, StateError, UsageProblem
from flowplan.model.address import Address
from flowplan.operations.opening.interaction import Event, Listener
from flowplan.operations.opening.settings import Settings
from flowplan.operations.proposing.request import Request
from flowplan.operations.watching import rounds as module
from flowplan.operations.watching.memory import LONGEST, Memory, unnumbered
from flowplan.operations.watching.rounds import rounds
from flowplan.operations.watching.watcher import Watcher
from flowplan.planning.watch_findings import Finding
from tests.conftest import APPLY, Place
from tests.operations.watching import HOW, end, posts, watched

TRAIN = Address("bid", "train")
OUTBID = Finding(TRAIN, "outbid", "it waits, because winning takes a limit of $20.00", id="bid_1")


def test_a_bid_that_the_cloud_ends_is_placed_again_once_and_told_once(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = posts(running)
    told = watched(running, monkeypatch, lambda: end(running), lambda: running.ok("simulator", "advance", "10m"))
    assert [one.acted for one in told] == [(), (TRAIN,), ()]
    assert [[two.kind for two in one.began] for one in told] == [[], ["ended"], ["runs"]]
    assert posts(running) == before + 1
    assert not LocalStore(running.path / "flowplan.state.json").watch_lock.held()


def test_what_was_told_is_not_told_again_after_a_restart(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    end(running, by_cloud=False)
    first = watched(running, monkeypatch)
    assert [one.kind for one in first[0].began] == ["ended"] and first[0].differs
    again = watched(running, monkeypatch)
    assert again[0].began == () and again[0].differs


def test_a_second_watch_is_refused_and_a_person_is_not(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile() -> None:
        second = running.run("watch", "--once")
        assert second.code == 4 and "is watched already, by" in " ".join(second.err.split())
        running.ok(*APPLY, "--replace", "bid.train")

    assert len(watched(running, monkeypatch, meanwhile)) == 2


def test_a_watch_that_lost_its_lock_to_another_ends_and_does_nothing(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was suspended finds it: the other has locked a file of its own by then."""
    path = running.path / "flowplan.state.json"
    other, before = LocalStore(path).watch_lock, posts(running)

    def overtaken() -> None:
        other.path.unlink()
        other.acquire(this_process("flowplan watch", {}, "later"))
        end(running)

    with pytest.raises(Locked, match="is watched already"):
        watched(running, monkeypatch, overtaken)
    other.release()
    assert posts(running) == before


def test_a_watch_that_is_overtaken_while_it_looks_does_nothing(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks once more, under the state's lock, before it does anything."""
    before = posts(running)
    end(running)

    def lost(self: Watcher) -> None:
        raise StateError("the lock was taken away")

    monkeypatch.setattr(Watcher, "keep", lambda self: None)
    monkeypatch.setattr(Watcher, "hold", lost)
    told = watched(running, monkeypatch)
    assert isinstance(told[0].error, StateError) and told[0].acted == ()
    assert posts(running) == before


def test_a_watch_whose_lockfile_is_removed_takes_it_again(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = LocalStore(running.path / "flowplan.state.json").watch_lock
    assert len(watched(running, monkeypatch, lock.path.unlink)) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("request 4f-1 failed after 3.5 s", "request 77-a failed after 12 s", True),
        ("winning takes $5.00 now, at 10:30", "winning takes $17.92 now, at 11:45", True),
        ("it waits 1m30s", "it waits 2h", True),
        ("task-1 has no key", "task-2 has no key", False),
        ("us-east1-a is full", "us-east2-a is full", False),
        ("bid_7f3 is odd", "bid_7f4 is odd", False),
    ],
)
def test_what_differs_in_amounts_alone_is_no_news_and_another_name_is(one: str, other: str, same: bool) -> None:
    assert (unnumbered(one) == unnumbered(other)) is same


def test_where_there_are_no_files_and_nothing_was_made_there_is_nothing_to_watch(
    place: Place,
) -> None:
    settings = Settings(directory=place.path, environ=dict(os.environ), command=lambda: "flowplan watch")
    with pytest.raises(UsageProblem, match=r"there is no flowplan\.yaml"):
        next(rounds(settings, Listener(), Event(), Request(), HOW, Silent(), 300))


def test_where_the_files_are_gone_and_something_was_made_the_watch_goes_on(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (running.path / "flowplan.yaml").unlink()
    told = watched(running, monkeypatch)
    assert isinstance(told[0].error, UsageProblem)


def test_a_round_that_fails_is_told_once_and_the_watch_goes_on(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, is_away = module.one_round, list[bool]()

    def looks(*args: Any) -> Round:
        if is_away:
            raise CloudError(f"the API is unavailable (request {len(is_away)})")
        return whole(*args)

    monkeypatch.setattr(module, "one_round", looks)
    away = partial(is_away.append, True)
    told = watched(running, monkeypatch, away, away, is_away.clear)
    assert [one.error is None for one in told] == [True, False, False, True]
    assert [one.is_new_error for one in told] == [False, True, False, False]
    assert told[3].recovered and all(one.began == () for one in told)
    pauses = [one.pause or 0 for one in told]
    assert pauses[0] == 300 and 480 <= pauses[1] <= 600 and 960 <= pauses[2] <= 1200 and pauses[3] == 300


def test_a_file_that_is_being_edited_is_looked_at_again_in_the_usual_time(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (running.path / "flowplan.yaml").read_text()
    told = watched(running, monkeypatch, lambda: running.write("tasks: ["), lambda: running.write(whole))
    assert isinstance(told[1].error, ConfigError) and told[1].pause == 300
    assert told[2].error is None and told[2].recovered


def test_a_state_that_somebody_has_locked_is_left_to_him(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    end(running)
    lock = LocalStore(running.path / "flowplan.state.json").lock
    lock.acquire(this_process("flowplan apply", {}, "now"))
    told = watched(running, monkeypatch, lock.release)
    assert isinstance(told[0].error, Locked) and told[0].acted == () and told[0].pause == 300
    assert told[1].error is None and told[1].acted == (TRAIN,)


def test_the_files_may_not_lead_to_another_state(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (running.path / "flowplan.yaml").read_text()
    with pytest.raises(StateError, match="name another state by now"):
        watched(
            running, monkeypatch, lambda: running.write(text.replace("version: 2", "version: 2\nstate: other.json"))
        )


# ---- what is remembered --------------------------------------------------------------------------------------


def made(*findings: Finding, error: FlowplanError | None = None, acted: tuple[Address, ...] = ()) -> Round:
    return Round(datetime(2026, 11, 2, tzinfo=UTC), findings, acted, error)


def test_a_finding_is_told_when_it_begins_and_when_it_is_over(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path, "state")
    assert memory.after(made(OUTBID)).began == (OUTBID,)
    assert memory.after(made(evolve(OUTBID, said="it waits, because winning takes a limit of $21.00"))).began == ()
    runs = Finding(TRAIN, "runs", "it runs", id="bid_1")
    assert memory.after(made(runs)).began == (runs,)
    assert memory.after(made()).over == (Address("bid", "train"),)
    assert memory.after(made(runs)).began == ()  # calm from the start


def test_what_was_done_is_told_each_time(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path, "state")
    raised = Finding(TRAIN, "outbid", "", act="raise", id="bid_1")
    assert [len(memory.after(made(raised, acted=(TRAIN,))).began) for _ in range(2)] == [1, 1]


def test_a_look_that_failed_says_nothing_of_what_was_found_before(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path, "state")
    memory.after(made(OUTBID))
    assert memory.after(Round(None, error=CloudError("away"))).over == ()
    assert memory.after(made(OUTBID)).began == ()


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"told": 1}', '{"format_version": 2}', "\x00", "[" * 5000])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, damage: str) -> None:
    memory = Memory.of(tmp_path, "state")
    memory.after(made(OUTBID, error=CloudError("away")))
    memory.keep()
    assert Memory.of(tmp_path, "state").failures == 1
    assert Memory.of(tmp_path, "another state").failures == 0
    memory.path.write_text(damage)
    assert (Memory.of(tmp_path, "state").told, Memory.of(tmp_path, "state").failures) == ({}, 0)


def test_pauses_double_up_to_an_hour_and_are_never_shorter_than_asked_for(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path, "state")
    found = []
    for failures in (0, 1, 2, 3, 4, 10_000):
        memory.failures = failures
        found.append((memory.pause(300, 0), memory.pause(300, 1)))
    assert found[:4] == [(300, 300), (600, 480), (1200, 960), (2400, 1920)]
    assert found[4] == found[5] == (LONGEST, LONGEST * 0.8)
    memory.failures = 3
    assert memory.pause(7200, 1) == 7200


def test_a_pause_ends_at_once_when_somebody_asks() -> None:
    event = Event()
    event.stop()
    with pytest.raises(Interrupted):
        module.wait(event, 3600)


def test_a_machine_that_slept_looks_at_once_when_it_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that goes on meanwhile counts; no pause is longer than a nap."""
    now, naps = [0.0], list[float]()
    event = Event()

    def nap(seconds: float) -> None:
        naps.append(seconds)
        now[0] += 5000 if len(naps) == 2 else seconds

    monkeypatch.setattr(Event, "pause", lambda self, seconds: nap(seconds))
    monkeypatch.setattr(module.clock, "since_boot", lambda: now[0])
    module.wait(event, 3600)
    assert len(naps) == 2 and max(naps) <= 10


def test_the_events_of_a_round_say_what_is_new(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path, "state")
    first = list(events(memory.after(made(OUTBID, error=CloudError("away")))))
    assert [type for type, _, _ in first] == ["watch_finding", "diagnostic", "watch_round"]
    assert first[2][2]["findings"] == {"outbid": 1} and first[2][2]["failed"]
    assert [type for type, _, _ in events(memory.after(made(OUTBID)))] == ["watch_round"]
