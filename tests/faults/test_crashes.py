"""Killed at the k-th point, for every k, and failed there: everything goes on as if nothing had happened.

After each: nothing live that is neither in the state nor in doubt; nothing live twice; the state the whole old or the
whole new one; the lock free. After the next run: the cloud, the state and the number of creates of an undisturbed
run, and a plan with nothing in it. `scenarios.py` has the scenarios, `points.py` what a point is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.faults.ends import (
    ANY,
    CORE,
    FAILED,
    KILLED,
    ON_FILES,
    changing,
    done_or_in_doubt,
    killed,
    of,
    prove,
    refused,
    refused_if_room_is_needed,
)
from tests.faults.proof import Proof, numbers
from tests.faults.runner import Runner
from tests.faults.scenarios import SCENARIOS


@pytest.fixture(params=SCENARIOS)
def proof(request: pytest.FixtureRequest, in_memory: Path, runner: Runner) -> Proof:
    return Proof(request.param, SCENARIOS[request.param], in_memory, runner)


core = pytest.mark.parametrize("proof", CORE, indirect=True)


# ---- at one point -----------------------------------------------------------------------------------------------


@core
def test_interrupted_at_every_36th_point(proof: Proof) -> None:
    """SIGKILL at a write, sync, rename, request or answer, and in the middle of a write. The disk full or broken at a
    write, a sync or a rename; the connection broken before and after a change; and the power lost, with all that was
    not synced, wherever a sync could have been forgotten. In each scenario other points; all of them in `make soak`."""
    prove(proof, *KILLED, *FAILED, every=36)


@pytest.mark.slow
def test_killed_at_every_point(proof: Proof) -> None:
    prove(proof, *KILLED)


@pytest.mark.slow
@core
def test_an_error_at_every_point(proof: Proof) -> None:
    prove(proof, *FAILED)


@pytest.mark.slow
def test_killed_at_every_call(proof: Proof) -> None:
    prove(proof, ("kill", ANY, killed), ("power", ANY, killed))


@pytest.mark.slow
def test_an_error_at_every_call(proof: Proof) -> None:
    prove(
        proof,
        ("ENOSPC", ON_FILES, refused),
        ("EIO", ON_FILES, refused),
        ("short, ENOSPC", of("write"), refused),
        ("full", ON_FILES, refused_if_room_is_needed),
        ("reset", of("sent", "answer"), done_or_in_doubt),
    )


# ---- at two points: killed, and killed again while recovering ----------------------------------------------------


SMALL = ("create", "replace", "destroy")


def every_eighth(turn: int) -> Callable[[Sequence[str]], list[int]]:
    return lambda labels: numbers(labels, changing)[turn % 8 :: 8]


# The scenario, and at which of its points it is killed first: from the first on, each that follows after so many.
TWICE = [
    ("replace", 0, 8),
    ("replace, the successor first", 4, 8),
    *(pytest.param(name, 0, 4, marks=pytest.mark.slow) for name in ("replace", "replace, the successor first")),
]


@pytest.mark.parametrize(("name", "first", "each"), TWICE)
def test_killed_twice(name: str, first: int, each: int, in_memory: Path, runner: Runner) -> None:
    """At some of the writes, syncs, renames and changes, and then, in turn, at every eighth of the recovering run."""
    proof = Proof(name, SCENARIOS[name], in_memory, runner)
    for turn, at in enumerate(proof.numbers(changing)[first::each]):
        proof.interrupt_twice(at, every_eighth(turn))
    proof.conclude()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_killed_twice_at_every_pair_of_calls(name: str, in_memory: Path, runner: Runner) -> None:
    """Wherever a first kill can leave something, and then at every point of the recovering run."""
    proof = Proof(name, SCENARIOS[name], in_memory, runner)
    for at in proof.numbers(changing):
        proof.interrupt_twice(at, lambda labels: numbers(labels, ANY))
    proof.conclude()
