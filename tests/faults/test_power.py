"""The power goes at every write, sync, rename and request of an apply: what was not synced is lost.

A kill alone would not notice a sync that is missing. Whatever the disk kept, the next apply finishes the work and
makes nothing twice, and what was called created is in what the disk kept.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from flowplan.backends.local import LocalStore
from flowplan.simulator import Simulator
from tests.faults.disk import Cut, Way
from tests.faults.forked import Command, Ended, run_all
from tests.faults.model import Storage, Task, World, text_of

TASKS = {"a": Task(storage=Storage()), "b": Task(ports=())}
MADE = ["a", "b", "data-a"]


def apply(path: Path, cut: Cut | None = None) -> Ended:
    environ = {"FLOWPLAN_API_URL": "sim:"}
    words = ("apply", "--auto-approve", "--parallelism", "1")
    [ended] = run_all(Command(words, str(path), environ, cut, virtual_time=True))
    return ended


def hold_told(path: Path, told: str) -> None:
    """What was called created is in the state, as the disk has it."""
    state = LocalStore(path / "flowplan.state.json").read().state
    known = {(str(address), id) for address, id in state.ids().items()}
    assert set(re.findall(r"^(\S+): created.*\((\w+)\)$", told, re.MULTILINE)) <= known


def made(path: Path) -> list[str]:
    """The names of everything that was ever made."""
    with Simulator.open(path / ".flowplan" / "simulator.db") as simulator:
        project = simulator.faults.third_party("GET", "/v2/projects").json[0]["fid"]
        world = World.look(simulator, project)
    return sorted([bid.name for bid in world.bids.values()] + [volume.name for volume in world.volumes.values()])


# Each way, and the first of its points in `make test`.
WAYS: dict[Way, int] = {"kill": 4, "power": 2, "power, names kept": 3, "power, last name kept": 4}


@pytest.mark.parametrize("way", WAYS)
def test_the_power_goes_at_every_sixth_point(in_memory: Path, way: Way) -> None:
    """Of a first run. What was not synced before a call stays so for several points. The first point of each way is
    one with which it finds every mistake of tests/mutants that is made there."""
    points = interrupted(in_memory, True, way, range(WAYS[way], 200, 6))
    assert points > 6
    print(f"{points} points, {points} recovered, 0 duplicates, 0 told and lost")


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False], ids=["first run", "later run"])
@pytest.mark.parametrize("way", WAYS)
def test_the_power_goes_at_every_point(in_memory: Path, first: bool, way: Way) -> None:
    points = interrupted(in_memory, first, way, range(1, 200))
    assert points > 40
    print(f"{points} points, {points} recovered, 0 duplicates, 0 told and lost")


def interrupted(in_memory: Path, first: bool, way: Way, numbers: range) -> int:
    """At how many of these points a run was interrupted, each with what is said above. They must go beyond its end."""
    begun = in_memory / "begun"
    (begun / ".flowplan").mkdir(parents=True)
    Simulator.open(begun / ".flowplan" / "simulator.db").close()
    if not first:
        (begun / "flowplan.yaml").write_text(text_of({"before": Task()}))
        assert apply(begun).code == 0
    tasks = TASKS if first else {"before": Task(), **TASKS}
    for points, at in enumerate(numbers):
        path = in_memory / "work"
        shutil.copytree(begun, path)
        (path / "flowplan.yaml").write_text(text_of(tasks))
        ended = apply(path, Cut(way, at))
        if ended.code == 0:
            return points
        assert ended.code == -9, ended
        hold_told(path, ended.err)
        again = apply(path)
        assert again.code == 0, (at, again)
        assert made(path) == sorted([*MADE, *(() if first else ["before"])]), at
        assert set(LocalStore(path / "flowplan.state.json").read().state.ids().values())
        shutil.rmtree(path)
    raise AssertionError("it has more points than that")
