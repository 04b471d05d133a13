"""Signals, kills, and workers that die."""

from __future__ import annotations

import signal
from typing import Any

from flowplan.backends.local import LocalStore
from flowplan.cloud.fcp import Fcp
from tests.faults.process.lock import holding
from tests.faults.process.rows import cell
from tests.faults.process.running import SLOW, Running, held_up, shell_code
from tests.faults.world import BIDS, COMMANDS, JOURNAL, LOCK, POST_BID, POST_VOLUME, STATE, VOLUMES, World
from tests.processes import LONGEST

SIGNALS = {"int": (signal.SIGINT, 130), "term": (signal.SIGTERM, 143)}
PATIENT = f"import flowplan.apply.durable as d, flowplan.apply.workers as w; d.GRACE = w.GRACE = {LONGEST}"
ONCE = {**SIGNALS, "hup": (signal.SIGHUP, 143)}


@cell("signal-once", "plan", variants=ONCE, usual=("int",))
def a_plan_ends_at_once(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    world.fresh()
    world.fault("GET /v2/pricing/current", "slow", seconds=SLOW)
    told = Running(world, "plan").until(f"{BIDS} ->").send(number).end()
    assert shell_code(told) == code, told
    assert "/v2/pricing/current ->" not in told.err  # it did not wait for the answer
    assert told.out == ""
    assert not world.state_files()


@cell("signal-once", "apply", variants=ONCE)
@cell("signal-once", "destroy", variants=ONCE, usual=("term",))
def what_is_under_way_is_finished_and_nothing_new_begins(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    told = held_up(world, command, before=PATIENT).send(number).until("stopping").let_go().end()
    assert told.code == code, told
    assert "0 unknown" in told.out and "not started: " in told.err
    assert len(world.executed()) == (3 if command == "apply" else 6)  # of four; two more, after the four that made them
    assert (world.path / LOCK).read_bytes() == b""


@cell("signal-once", "apply", "destroy", variants={"beyond-the-grace": (signal.SIGINT, 6)})
def what_does_not_end_in_time_is_left_as_an_intent(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    grace = "import flowplan.apply.workers as a; a.GRACE = 0.2"
    told = held_up(world, command, before=grace).send(number).end()
    assert told.code == (code if command == "apply" else 130), told  # UNKNOWN goes before INT
    assert len(LocalStore(world.path / STATE).read().pending) == 1


@cell("signal-twice", "apply", "destroy", variants=SIGNALS)
def the_second_signal_ends_it_at_once(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    running = held_up(world, command, before=PATIENT).send(number).until("stopping")
    told = running.send(number).end()
    assert told.code == code, told
    assert "stopped at once" in told.said and "the next run checks it" in told.said
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.pending) == 1
    assert (world.path / LOCK).read_bytes() == b""  # another machine may go on at once
    again = world.do(command)
    assert again.code == 0, again


@cell("sigkill", "plan")
def a_killed_plan_loses_nothing(world: World, command: str) -> None:
    world.fresh()
    world.fault("GET /v2/pricing/current", "kill")
    told = Running(world, "plan").end()
    assert told.code == -signal.SIGKILL, told
    assert not world.state_files()


AT_POSTS = {
    f"{kind}-{nth}-{'after' if done else 'before'}-commit": (route, nth, done)
    for kind, route in (("volume", POST_VOLUME), ("bid", POST_BID))
    for nth in (1, 2)
    for done in (False, True)
}
AT_DELETES = {
    f"{kind}-{nth}-{'after' if done else 'before'}-commit": (f"DELETE {path}/*", nth, done)
    for kind, path in (("volume", VOLUMES), ("bid", BIDS))
    for nth in (1, 2)
    for done in (False, True)
}


@cell(
    "sigkill", "apply", variants=AT_POSTS, usual=("volume-1-after-commit", "bid-2-before-commit", "bid-2-after-commit")
)
@cell("sigkill", "destroy", variants=AT_DELETES, usual=("volume-2-before-commit", "bid-1-after-commit"))
def a_kill_at_a_call_is_recovered_from(world: World, command: str, given: tuple[str, int, bool]) -> None:
    route, nth, done = given
    world.begin(command)
    world.fault(route, "kill", nth=nth, after_commit=done)
    told = Running(world, *COMMANDS[command]).end()
    assert told.code == -signal.SIGKILL, told
    world.hold_invariants()
    assert LocalStore(world.path / STATE).read().pending
    again = world.do(command)
    assert again.code == 0, again
    assert "recovering" in again.said
    if command == "apply":
        assert len(world.executed("POST")) == 4


@cell("sigkill", "apply", "destroy", variants={"torn-journal": 7})
def a_torn_record_at_the_end_counts_for_nothing(world: World, command: str, cut: int) -> None:
    """Killed in the middle of a write: the call that the torn record announces was never made."""
    world.begin(command)
    route = POST_BID if command == "apply" else f"DELETE {BIDS}/*"
    world.fault(route, "kill")
    assert Running(world, *COMMANDS[command], "--parallelism", "1").end().code == -signal.SIGKILL
    journal = world.path / JOURNAL
    journal.write_bytes(journal.read_bytes().rstrip(b"\0")[:-cut])


@cell("sigstop", "apply", "destroy", variants={"lock-kept": False, "lock-lost": True})
def whoever_wakes_up_looks_for_its_lock_first(world: World, command: str, lost: bool) -> None:
    running = held_up(world, command, nth=1).send(signal.SIGSTOP)
    if lost:
        (world.path / LOCK).unlink()
        with holding(world):  # another run, meanwhile
            told = running.let_go().send(signal.SIGCONT).end()
        assert told.code == 5, told
        assert "was taken away while this command ran" in told.said
        # Nothing after the one under way; and that looks once more before it is sent, if it was not yet.
        assert len(world.executed()) in ((0, 1) if command == "apply" else (4, 5))
    else:
        told = running.let_go().send(signal.SIGCONT).end()
        assert told.code == 0, told


@cell(
    *("worker-dies", "apply", "destroy"),
    variants={
        "before-the-call": (MemoryError, False),
        "after-the-call": (MemoryError, True),
        "exit": (SystemExit, True),
    },
)
def a_worker_that_dies_leaves_its_intent(world: World, command: str, given: tuple[type[BaseException], bool]) -> None:
    kind, done = given
    world.begin(command)
    name = "create" if command == "apply" else "cancel_bid"
    real = getattr(Fcp, name)
    deaths = iter([True])

    def dying(fcp: Fcp, *arguments: Any, **options: Any) -> Any:
        dies = next(deaths, False)
        made = real(fcp, *arguments, **options) if done or not dies else None
        if dies:
            raise kind("a worker is gone")
        return made

    world.monkeypatch.setattr(Fcp, name, dying)
    told = world.do(command, "--parallelism", "1")
    assert f"internal error: {kind.__name__}" in told.said
    assert told.code == (0 if command == "apply" else 1), told  # a create is looked up at once
    assert len(world.executed("POST")) == 4
