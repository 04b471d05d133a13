"""What a state on a server costs a command: how often it writes there, and how often it waits for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.runner import Runner
from tests.faults.scenarios import APPLY, SETTLED, created, task
from tests.faults.state_servers import S3, GitLab, Postgres, ServedFolder, StateServer

WRITES = ("put", "delete", "POST", "PUT", "LOCK", "UNLOCK", "DELETE", "INSERT", "UPDATE", "WITH")

# At most so many rounds of an apply beside one of each wave, on a machine that knows the server. With PostgreSQL and
# GitLab that is every call; S3 has up to 25, of which some of the first are made while the files are read.
BESIDE: Mapping[type[StateServer], int] = {S3: 14, Postgres: 11, GitLab: 9}


RUNS = 3  # the least of so many: which calls are under way at the same time depends on the machine, too


def rounds(points: Sequence[str]) -> int:
    """How many calls to the server came after each other: those under way at the same time are one."""
    over, begun = 0, defaultdict[str, list[int]](list)
    for kind, _, call in (point.partition(" ") for point in points):
        if kind == "asked":
            begun[call].append(over + 1)
        elif kind == "replied":
            over = max(over, begun[call].pop(0))
    return over


def writes(points: Sequence[str]) -> int:
    return sum(point.startswith(tuple(f"asked {write} " for write in WRITES)) for point in points)


def waves(points: Sequence[str]) -> int:
    """One change at a time: each is a wave."""
    return sum(point.startswith("sent POST ") for point in points)


def test_a_wave_is_at_most_two_writes_and_a_plan_a_few_rounds(
    served: StateServer, in_memory: Path, runner: Runner
) -> None:
    counted = []
    for names in ("ab", "abcdef"):
        path = in_memory / names / "work"
        path.mkdir(parents=True)
        folder = ServedFolder(path, runner, served)
        folder.write(*(task(name, volume=created(f"v{name}")) for name in names))
        counted.append(folder.run(APPLY, counting=True).points)
    more = [of(counted[1]) - of(counted[0]) for of in (writes, waves)]
    planned = min(rounds(folder.run(SETTLED, counting=True).points) for _ in range(RUNS))
    changes = []
    for names in ("abcdefg", "abcdefgh", "abcdefghi")[:RUNS]:
        folder.write(*(task(name, volume=created(f"v{name}")) for name in names))
        changes.append(folder.run(APPLY, counting=True).points)
    beside = min(rounds(points) - waves(points) for points in changes)
    a_wave = more[0] / more[1]
    print(f"{a_wave:.2f} writes a wave, {planned} rounds of a plan with nothing to change, {beside} of a change")
    assert more[1] == 8
    assert more[0] <= 2 * more[1]
    assert 0 < planned <= 8
    assert 0 < beside <= BESIDE[type(served)], changes
