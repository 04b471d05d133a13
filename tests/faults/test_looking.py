"""Looking takes no lock and is refused by none; a change takes it after the answer, and looks again."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import pytest

from flowplan.backends import state_files
from flowplan.backends.local import LocalStore
from flowplan.backends.lock import Lock
from flowplan.backends.overflow import Overflow
from flowplan.backends.processes import this_process
from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.owner import Owner
from flowplan.state.records import Done, Record
from flowplan.state.state import Binding
from tests.builders import DATA, bound, create_of, volume
from tests.cli.terminals import at_terminal, started
from tests.conftest import Place, live_ids, many
from tests.faults.process.running import Running
from tests.faults.world import World
from tests.loaded import client
from tests.processes import LONGEST, Process

LOOKS = ("plan", "status", "cost", "orphans", "state list", "output", "graph", "plan --no-lock")
OTHER = Address("volume", "other")
FIRST, SECOND = bound(DATA, "vol_1", volume()), bound(OTHER, "vol_2", volume("other"))


def locked(place: Place) -> tuple[Lock, Owner]:
    """The lock, held by another descriptor: for flock, that is another process."""
    owner = attrs.evolve(this_process("flowplan apply elsewhere", {}, "2026-11-02T09:00:00Z"), pid=1, started="")
    owner = attrs.evolve(owner, boot="b" * 36, machine="c" * 32)  # of which nobody here knows whether it is alive
    lock = Lock(place.path / "flowplan.state.lock")
    lock.acquire(owner)
    (place.path / "flowplan.lock").write_text(json.dumps(attrs.asdict(owner)))
    return lock, owner


@pytest.mark.parametrize("command", LOOKS)
def test_looking_is_refused_by_no_lock_and_says_who_changes_things(applied: Place, command: str) -> None:
    lock, owner = locked(applied)
    try:
        result = applied.run(*command.split())
    finally:
        lock.release()
    assert result.code == 0, result
    if command not in ("state list", "output", "graph"):
        said = " ".join(result.err.split())
        assert f"{owner.who} is changing things ({owner.command}, since {owner.since})" in said
        assert "this is the state as of serial 1" in said


def test_looking_takes_no_lock(example: Place) -> None:
    for command in ("plan", "status", "cost", "orphans"):
        example.ok(*command.split())
    assert [one.name for one in example.path.rglob("*lock*")] == []


# ---- a state that is saved while it is read -----------------------------------------------------------------------


def recorded(store: LocalStore, address: Address, made: Binding, *, save: bool) -> None:
    journal = store.prepare(store.read().state)
    journal.append([attrs.evolve(create_of(address, made.applied), intent=made.id)])
    journal.append([Done(made.id, address, made)])
    if save:
        store.save(store.read().state)
    store.close()


def overflowed(store: LocalStore) -> None:
    """A run whose result could not be recorded: it is kept elsewhere."""
    journal = store.prepare(store.read().state)
    journal.append([attrs.evolve(create_of(OTHER, SECOND.applied), intent=SECOND.id)])
    journal.overflow([Done(SECOND.id, OTHER, SECOND)])
    store.close()


def taken_over(store: LocalStore) -> None:
    """What overflowed goes over into the journal, and then into the snapshot."""
    loaded = store.read()
    nothing: list[Record] = []
    journal = store.prepare(loaded.state)
    journal.append(nothing)
    store.save(loaded.state)
    store.close()


BESIDE: dict[str, tuple[Callable[[LocalStore], None], Callable[[LocalStore], None], list[set[Address]]]] = {
    "recorded": (
        lambda _: None,
        lambda store: recorded(store, OTHER, SECOND, save=False),
        [{DATA}, {DATA, OTHER}],
    ),
    "saved": (
        lambda store: recorded(store, OTHER, SECOND, save=False),
        lambda store: taken_over(store),
        [{DATA, OTHER}],
    ),
    "recorded and saved": (
        lambda _: None,
        lambda store: recorded(store, OTHER, SECOND, save=True),
        [{DATA}, {DATA, OTHER}],
    ),
    "taken over": (overflowed, taken_over, [{DATA, OTHER}]),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_reader_sees_one_moment_wherever_a_run_writes_in_between(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, beside, allowed = BESIDE[name]
    for number in itertools.count(1):
        directory = tmp_path / str(number)
        directory.mkdir()
        recorded(stored(directory), DATA, FIRST, save=True)
        before(stored(directory))
        with monkeypatch.context() as patch:
            reads = writing_before(number, patch, partial(beside, stored(directory)))
            loaded = stored(directory).read()
        assert set(loaded.state.bindings) in allowed, number
        assert not loaded.pending, number
        if next(reads) <= number:  # the reader was done before
            assert number > 3
            return


def stored(directory: Path) -> LocalStore:
    return LocalStore(directory / "flowplan.state.json", directory / "overflow")


def writing_before(number: int, patch: pytest.MonkeyPatch, write: Callable[[], None]) -> itertools.count[int]:
    """The `number`-th time that the state, or what overflowed, is looked at, `write` comes first. Counts the looks."""
    looks, writing = itertools.count(1), False
    read, found = state_files._bytes_of, Overflow.found

    def meanwhile() -> None:
        nonlocal writing
        if not writing and next(looks) == number:
            writing = True
            write()
            writing = False

    def reading(path: Path) -> bytes | None:
        meanwhile()
        return read(path)

    def finding(overflow: Overflow, lineage: str | None = None) -> list[Path]:
        meanwhile()
        return found(overflow, lineage)

    patch.setattr(state_files, "_bytes_of", reading)
    patch.setattr(Overflow, "found", finding)
    return looks


def test_a_state_that_never_rests_is_an_error_and_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path / "flowplan.state.json")
    recorded(store, DATA, FIRST, save=True)
    real = state_files._bytes_of

    def reading(path: Path) -> bytes | None:
        data = real(path)
        if path.suffix == ".json":
            with monkeypatch.context() as patch:
                patch.setattr(state_files, "_bytes_of", real)
                store.save(store.read().state)
        return data

    monkeypatch.setattr(state_files, "_bytes_of", reading)
    with pytest.raises(StateError, match="saved again each time"):
        store.read()


# ---- plans beside an apply ----------------------------------------------------------------------------------------


def beside_an_apply(world: World, plans: int, tasks: int = 12) -> None:
    """Plans in processes of their own while an apply makes one thing after the other. What is made by then, each of
    them shows: so of any two, one has all that the other has."""
    world.fresh(tasks)
    apply = Running(world, "apply", "--auto-approve", "--parallelism", "1").until("creating...")
    looking: list[subprocess.Popen[str]] = []
    ended, left = [], plans
    while left or looking:
        while left and len(looking) < 5:
            command = (*client(), "plan", "--format", "json")
            pipe = subprocess.PIPE
            looking.append(Process(command, cwd=world.path, stdout=pipe, stderr=pipe, text=True))
            left -= 1
        one = looking.pop(0)
        ended.append((one, *one.communicate(timeout=LONGEST)))
    assert apply.end().code == 0
    seen = []
    for process, out, err in ended:
        assert process.returncode == 0, err
        actions = {one["address"]: one["change"]["actions"] for one in json.loads(out)["resource_changes"]}
        assert all(each in (["create"], ["no-op"]) for each in actions.values()), actions
        assert len(actions) == 3 * tasks
        seen.append({address for address, each in actions.items() if each == ["no-op"]})
    seen.sort(key=len)
    assert all(fewer <= more for fewer, more in itertools.pairwise(seen))
    assert len(world.executed("POST")) == 2 * tasks


def test_plans_beside_an_apply_are_each_of_one_moment(world: World) -> None:
    beside_an_apply(world, 8)


@pytest.mark.slow
def test_fifty_plans_beside_an_apply(world: World) -> None:
    beside_an_apply(world, 50, 40)


# ---- the lock after the answer ------------------------------------------------------------------------------------


def test_an_apply_at_its_prompt_keeps_nobody_from_anything(example: Place) -> None:
    def meanwhile() -> None:
        example.ok("plan")
        assert example.ok("lock", "show") == "Nobody holds the lock.\n"
        example.ok("apply", "--auto-approve")

    code, shown = at_terminal(example, "yes\n", "apply", meanwhile=meanwhile)
    assert code == 3, shown
    assert "nothing was done" in " ".join(shown.split())
    assert len(live_ids(example)) == 1  # bought once


def test_of_two_prompts_the_second_yes_buys_nothing_again(example: Place) -> None:
    second: list[tuple[int, str]] = []
    code, shown = at_terminal(
        example, "yes\n", "apply", meanwhile=lambda: second.append(at_terminal(example, "yes\n", "apply"))
    )
    assert [code, second[0][0]] == [3, 0], (shown, second)
    assert len(live_ids(example)) == 1


def test_what_another_run_did_elsewhere_in_the_state_stales_nothing(place: Place) -> None:
    """It is kept, and what was approved is done beside it."""
    (place.path / "a.yaml").write_text(many(1))
    (place.path / "b.yaml").write_text(many(1, first=1))
    code, shown = at_terminal(
        place, "yes\n", "apply", "a.yaml", meanwhile=lambda: place.ok("apply", "b.yaml", "--auto-approve")
    )
    assert code == 0, shown
    assert len(live_ids(place)) == 2
    assert len(json.loads(place.ok("state", "pull"))["resources"]) == 6
    for name in ("a.yaml", "b.yaml"):
        assert "No changes." in place.ok("plan", name)


def test_what_another_run_leaves_in_doubt_stops_it(example: Place) -> None:
    """It is settled by the next run, before anything is shown."""

    def meanwhile() -> None:
        with example.simulator() as simulator:
            simulator.faults.add("POST /v2/spot/bids", "reset", times=None)
        assert example.run("apply", "--auto-approve", "--on-unknown", "stop").code == 6

    code, shown = at_terminal(example, "yes\n", "apply", meanwhile=meanwhile)
    assert code == 3, shown
    assert "another run has begun to change things" in " ".join(shown.split())


def test_a_lock_taken_during_the_prompt_is_told_after_the_answer(example: Place) -> None:
    locks: list[Lock] = []
    code, shown = at_terminal(example, "yes\n", "apply", meanwhile=lambda: locks.append(locked(example)[0]))
    locks[0].release()
    assert code == 4, shown
    assert live_ids(example) == []


def test_killed_at_the_prompt_it_leaves_no_lock(example: Place) -> None:
    run = started(example, "apply")
    for _ in run.reads():
        if run.raw.rstrip("\x1b[0m ").endswith(":"):
            os.kill(run.pid, signal.SIGKILL)
    assert run.end() == -signal.SIGKILL
    assert example.ok("lock", "show") == "Nobody holds the lock.\n"
    example.ok("apply", "--auto-approve")


def test_what_an_earlier_run_left_is_settled_before_the_question(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_SETTLE_WINDOW", "0.2")  # a process of its own has the time of this machine
    world.fresh(1)
    world.fault("POST /v2/volumes", "slow", seconds=LONGEST)
    killed = Running(world, "apply", "--auto-approve").until("creating...").send(signal.SIGKILL)
    killed.end()
    world.clear()
    code, shown = at_terminal(world.place, "yes\n", "apply", meanwhile=lambda: world.place.ok("plan"))
    assert code == 0, shown
    assert len(live_ids(world.place)) == 1
    assert "No changes." in world.place.ok("plan")
