"""Many processes apply in one directory at once: nobody's work is lost, and nothing is made twice.

Each process is told another configuration of the same tasks (or all the same one). Whoever gets the lock brings the
stack to its own configuration, so after a round the stack is what the last one wanted: its whole, never a mixture.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flowplan.simulator import Simulator
from flowplan.simulator.simulator import LedgerEntry
from tests.faults.forked import Command, Ended, run_all
from tests.faults.model import Judge, Storage, Task, World, text_of
from tests.processes import until

# ordinary rounds, those of the long run besides, processes: 200 rounds of each number of processes in all
ROUNDS = ((4, 196, 2), (2, 198, 8), (2, 198, 32))


class Directory:
    """A working directory, its cloud, and what the ledger has told so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.simulator = Simulator.open(path / ".flowplan" / "simulator.db")
        self._project = self.simulator.faults.third_party("GET", "/v2/projects").json[0]["fid"]
        self._read = 0

    def round(self, configurations: list[dict[str, Task]], *how: str) -> list[Ended]:
        """Every process applies its own file, all at once. The files have one name, in directories of their own:
        what a file made is its own, and here all of them are the same file of the same stack."""
        for number, tasks in enumerate(configurations):
            checkout = self.path / f"checkout-{number}"
            if not checkout.exists():
                checkout.mkdir()
                (checkout / ".flowplan").symlink_to(self.path / ".flowplan")
            (checkout / "flowplan.yaml").write_text(text_of(tasks))
        words = ("--state", str(self.path / "flowplan.state.json"), "apply", "--auto-approve", *how)
        environ = {"FLOWPLAN_API_URL": "sim:"}
        return run_all(
            *(
                Command((*words, "--allow-volume-destroy", "*"), str(self.path / f"checkout-{number}"), environ)
                for number in range(len(configurations))
            )
        )

    def world(self) -> World:
        return World.look(self.simulator, self._project)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "flowplan.state.json").read_text())
        return found

    def news(self) -> list[LedgerEntry]:
        """The changes executed since this was last asked."""
        ledger = self.simulator.ledger()
        news, self._read = ledger[self._read :], len(ledger)
        return news


@pytest.fixture
def directory(in_memory: Path) -> Iterator[Directory]:
    made = Directory(in_memory)
    yield made
    made.simulator.close()


def stack(round_: int, number: int) -> dict[str, Task]:
    """Three tasks: one the same for everybody, one with a price of its own, one that each second process lacks."""
    tasks = {
        "same": Task(storage=Storage()),
        "priced": Task(price=price_of(round_, number), ports=()),
    }
    return tasks | ({"often": Task(ports=(8080, 8081))} if (round_ + number) % 2 else {})


def price_of(round_: int, number: int) -> str:
    return f"{10 + round_ % 50 + number / 100:.2f}"


def winner(directory: Directory, configurations: list[dict[str, Task]]) -> int:
    """The process whose configuration the cloud has, told by its price; all else must be its own too."""
    world = directory.world()
    bids = world.ours()
    price = bids["priced"].price
    [number] = [n for n, tasks in enumerate(configurations) if Decimal(tasks["priced"].price) == price]
    volumes = {volume.name: volume for volume in world.volumes.values() if not volume.deleted}
    assert Judge(configurations[number], bids, volumes, {}).satisfied()
    known = {one["address"]: one["id"] for one in directory.state()["resources"] if one["type"] != "ports"}
    assert known == {f"bid.{name}": bid.id for name, bid in bids.items()} | {
        f"volume.{name}": volume.id for name, volume in volumes.items()
    }
    return number


def hold_ledger(directory: Directory, alive: set[str]) -> int:
    """Each creation once: nothing is made while it is there. `alive`: the names that are there; it goes on."""
    world, made = directory.world(), 0
    for entry in directory.news():
        id = entry.subject or ""
        name = world.bids[id].name if "/spot/" in entry.path else world.volumes[id].name
        if entry.method == "POST":
            assert name not in alive, f"{name} was made twice"
            alive.add(name)
            made += 1
        elif entry.method == "DELETE":
            alive.remove(name)
    return made


def run_rounds(directory: Directory, rounds: range, processes: int) -> str:
    """Everybody waits for the lock, so everybody gets through, and every work is the next one's beginning."""
    alive: set[str] = set()
    made = 0
    serials = [0]
    for round_ in rounds:
        everybody_the_same = round_ % 4 == 3
        configurations = [stack(round_, 0 if everybody_the_same else number) for number in range(processes)]
        ended = directory.round(configurations, "--lock-timeout", "5m")
        assert {one.code for one in ended} == {0}, ended
        made += hold_ledger(directory, alive)
        if everybody_the_same:
            configurations = configurations[:1]
        winner(directory, configurations)
        serials.append(directory.state()["serial"])
        if not everybody_the_same:  # each of them had something to change, and each change was counted
            assert serials[-1] - serials[-2] == processes, "an update was lost"
    assert sorted(serials) == serials
    return f"{len(rounds)} rounds of {processes} processes: {made} creations, 0 twice, 0 lost updates"


@pytest.mark.parametrize(
    ("rounds", "processes"),
    [pytest.param(few, count, marks=[pytest.mark.slow] * (count > 8)) for few, _, count in ROUNDS],
)
def test_all_get_through_one_after_the_other(directory: Directory, rounds: int, processes: int) -> None:
    print(run_rounds(directory, range(2, 2 + rounds), processes))  # of these the second is one of all the same


@pytest.mark.slow
@pytest.mark.parametrize(("first", "rounds", "processes"), ROUNDS)
def test_two_hundred_rounds(directory: Directory, first: int, rounds: int, processes: int) -> None:
    print(run_rounds(directory, range(first, first + rounds), processes))


@pytest.mark.parametrize(("rounds", "processes"), [(4, 2), (2, 8), pytest.param(4, 32, marks=pytest.mark.slow)])
def test_who_does_not_wait_is_told(directory: Directory, rounds: int, processes: int) -> None:
    """One works, and the others exit 4 (or 0, when the first was over before they came); the stack is one's whole."""
    alive: set[str] = set()
    codes: Counter[int] = Counter()
    made = 0
    for round_ in range(rounds):
        configurations = [stack(round_, number) for number in range(processes)]
        ended = directory.round(configurations)
        codes.update(one.code for one in ended)
        made += hold_ledger(directory, alive)
        assert {one.code for one in ended} <= {0, 4}, ended
        assert ended[winner(directory, configurations)].code == 0
        # Who comes between the lock and the name in it is told of "another process".
        told = [one.err for one in ended if one.code == 4]
        assert all("is held by" in text or "another process holds the lock" in text for text in told), told
    assert codes[0] >= rounds
    assert codes[4] > 0 or processes == 2, "they never met"  # two may not, on a machine that is busy
    print(f"{rounds} rounds of {processes}: {codes[0]} worked, {codes[4]} were told; {made} creations, 0 twice")


def test_exactly_one_works_while_the_lock_is_held(directory: Directory) -> None:
    """The first is slowed down, and stopped as soon as it has the lock, until all others have come."""
    directory.simulator.faults.add("POST /v2/volumes", "slow", seconds=1.5)
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(directory.round, [stack(0, 0)])
        lock = directory.path / "flowplan.lock"
        until(lambda: lock.exists() and lock.stat().st_size)
        holder = json.loads(lock.read_text())["pid"]
        os.kill(holder, signal.SIGSTOP)
        try:
            ended = directory.round([stack(0, number) for number in range(8)])
            assert [one.code for one in ended] == [4] * 8, ended
        finally:
            os.kill(holder, signal.SIGCONT)
        assert [one.code for one in first.result()] == [0]
    assert hold_ledger(directory, set()) == 3
    assert lock.stat().st_size == 0
