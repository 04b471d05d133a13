"""The lock: held, left behind, lost."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from flowplan.backends.local import LocalStore
from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.cloud.fcp import Fcp
from flowplan.model.owner import Owner
from tests.faults.process.rows import cell
from tests.faults.process.running import SLOW, SLOW_ROUTE, Running
from tests.faults.world import COMMANDS, LOCK, STATE, World


@contextlib.contextmanager
def holding(world: World) -> Iterator[Owner]:
    """Another descriptor holds the lock: for flock, that is another process."""
    lock = Lock(world.path / LOCK)
    owner = this_process("flowplan apply elsewhere", {}, "2026-11-02T09:00:00Z")
    lock.acquire(owner)
    try:
        yield owner
    finally:
        lock.release()


ELSEWHERE = {"host": "elsewhere.test", "boot": "b" * 36, "machine": "c" * 32}


def left_behind(world: World, **changes: Any) -> Owner:
    """A lock file that names a run which nobody here holds the lock for."""
    owner = this_process("flowplan apply", {}, "2026-11-02T09:00:00Z")
    given = {name: getattr(owner, name) for name in Owner.__annotations__}
    path = world.path / LOCK
    path.write_text(json.dumps({**given, "pid": 4_194_304, "started": "1", **changes}))
    path.chmod(0o600)
    return Owner(**json.loads(path.read_text()))


@cell("lock-held", "apply", "destroy", variants={"at-once": None, "after-a-wait": "0.2s"})
def a_lock_that_is_held_names_its_holder(world: World, command: str, wait: str | None) -> None:
    world.begin(command)
    with holding(world) as owner:
        told = world.do(command, *(("--lock-timeout", wait) if wait else ()))
        assert told.code == 4, told
        for word in (owner.who, owner.command, owner.since):
            assert word in told.said
        assert not told.sent
        assert ("waiting up to 0.2 s" in told.said) is bool(wait)


@cell("lock-held", "plan", variants={"plain": (), "no-lock": ("--no-lock",)})
def a_plan_does_without_and_says_who_changes_things(world: World, command: str, options: tuple[str, ...]) -> None:
    world.begin(command)
    with holding(world):
        owner = left_behind(world, **ELSEWHERE)  # of this process itself it would say nothing
        told = world.do(command, *options)
        (world.path / LOCK).write_text("")
    assert told.code == 0, told
    assert f"{owner.who} is changing things ({owner.command}" in " ".join(told.said.split())


@cell("lock-of-the-dead", "plan")
def the_lock_of_a_dead_run_is_left_to_who_changes_things(world: World, command: str) -> None:
    world.begin(command)
    left_behind(world)
    told = world.do(command)
    assert told.code == 0, told
    assert "is changing things" not in told.said


@cell("lock-of-the-dead", "apply", "destroy")
def the_lock_of_a_dead_run_is_taken_over(world: World, command: str) -> None:
    world.begin(command)
    left_behind(world)
    told = world.do(command)
    assert told.code == 0, told
    assert "died; taking over its lock" in told.said


@cell("lock-elsewhere", "apply", "destroy")
def the_lock_of_another_host_is_never_broken(world: World, command: str) -> None:
    world.begin(command)
    owner = left_behind(world, **ELSEWHERE, who="kim@elsewhere.test")
    before = (world.path / LOCK).read_bytes()
    told = world.do(command, "--lock-timeout", "0.1s")
    assert told.code == 4, told
    assert "kim@elsewhere.test" in told.said and owner.since in told.said
    assert f"flowplan force-unlock {owner.id}" in told.said
    assert (world.path / LOCK).read_bytes() == before
    assert not told.sent
    world.mend.append(lambda: unlocked(world, owner.id))


def unlocked(world: World, id: str) -> None:
    told = world.run("force-unlock", id)
    assert told.code == 0, told


@cell("force-unlock", "apply", variants={"elsewhere": ELSEWHERE, "alive": None})
def a_wrong_id_breaks_nothing(world: World, command: str, host: Any) -> None:
    world.begin(command)
    owner = left_behind(world, **host) if host else None
    with holding(world) if not host else contextlib.nullcontext(owner) as owner:
        before = (world.path / LOCK).read_bytes()
        told = world.run("force-unlock", "00000000-0000-4000-8000-000000000000")
        assert told.code == 1, told
        assert "it stays" in told.said
        assert (world.path / LOCK).read_bytes() == before
        assert world.do(command).code == 4
    if host:
        assert owner is not None
        world.mend.append(lambda: unlocked(world, owner.id))


@cell("concurrent", "apply", "destroy", variants={"4": 4})
def one_of_several_works_and_the_others_are_told(world: World, command: str, count: int) -> None:
    world.begin(command)
    world.fault(SLOW_ROUTE[command], "slow", seconds=SLOW)  # so that it is not over before it is stopped
    first = Running(world, *COMMANDS[command])
    first.until("creating..." if command == "apply" else "destroying...").send(signal.SIGSTOP)
    others = [Running(world, *COMMANDS[command]) for _ in range(count - 1)]
    assert [one.end().code for one in others] == [4] * (count - 1)
    assert first.let_go().send(signal.SIGCONT).end().code == 0
    assert len(world.executed("POST")) == 4


@cell("concurrent", "apply", "destroy", variants={"waiting": 3})
def those_that_wait_plan_anew(world: World, command: str, count: int) -> None:
    world.begin(command)
    runs = [Running(world, *COMMANDS[command], "--lock-timeout", "10m") for _ in range(count)]
    told = [one.end() for one in runs]
    assert [one.code for one in told] == [0] * count
    assert sum("complete" in one.out for one in told) == 1
    assert len(world.executed("POST")) == 4


@cell("lock-elsewhere", "plan")
def of_another_host_a_plan_says_who_may_change_things(world: World, command: str) -> None:
    world.begin(command)
    owner = left_behind(world, **ELSEWHERE, who="kim@elsewhere.test")
    before = (world.path / LOCK).read_bytes()
    told = world.do(command)
    assert told.code == 0, told
    assert "kim@elsewhere.test is changing things" in " ".join(told.said.split())
    assert (world.path / LOCK).read_bytes() == before
    world.mend.append(lambda: unlocked(world, owner.id))


@cell("concurrent", "plan", variants={"plain": (), "no-lock": ("--no-lock",)})
def several_plans_all_read(world: World, command: str, options: tuple[str, ...]) -> None:
    world.begin(command)
    told = [one.end() for one in [Running(world, "plan", *options) for _ in range(3)]]
    assert [one.code for one in told] == [0] * 3
    assert len({one.out for one in told}) == 1


@cell("lock-lost", "apply", "destroy")
def without_its_lock_a_run_changes_nothing_more(world: World, command: str) -> None:
    """The local lock's form of it: somebody removes the file."""
    world.begin(command)
    name = "create" if command == "apply" else "cancel_bid"
    real = getattr(Fcp, name)

    def losing(fcp: Fcp, *arguments: Any, **options: Any) -> Any:
        (world.path / LOCK).unlink(missing_ok=True)
        return real(fcp, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fcp, name, losing)
        told = world.do(command, "--parallelism", "1")
    assert told.code == 5, told
    assert "was taken away while this command ran" in told.said
    assert not told.mutations  # it looks once more before each attempt
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.state.bindings) == (0 if command == "apply" else 6)
