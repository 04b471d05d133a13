"""What changes the state alone, without a call to the cloud, killed and failed at the k-th point: what holds after that
is what `test_crashes.py` holds an apply to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.ends import ANY, FAILED, KILLED, ON_FILES, killed, prove, refused
from tests.faults.proof import Proof
from tests.faults.runner import Runner
from tests.faults.scenarios import APPLY, Command, Folder, Scenario, stack, task

MOVE: Command = ("state", "mv", "task.a", "task.b")
RELEASE: Command = ("state", "rm", "bid.a")
PUSH: Command = ("state", "push", "--force", "pulled.yaml")


def _applied_as_a(folder: Folder) -> None:
    folder.write(stack("a"))
    folder.ok(APPLY)
    folder.write(stack("b"))


def _applied_both(folder: Folder) -> None:
    folder.write(task("a", ports="8080"), task("b"))
    folder.ok(APPLY)
    folder.write(task("b"))


def _pulled(folder: Folder) -> None:
    """What was pulled has a bid that was released since."""
    folder.write(task("a"), task("b"))
    folder.ok(APPLY)
    pulled = folder.path / "pulled.yaml"  # no file of ours: its reads are no points
    pulled.write_text(folder.run(("state", "pull")).out)
    folder.ok(("state", "rm", "bid.b"))


GONE = "bid.a is not in the state"
CHANGES = {
    "state move": Scenario(_applied_as_a, MOVE, (MOVE,), tells=GONE, idle=True),
    "state release": Scenario(_applied_both, RELEASE, (RELEASE,), tells=GONE, idle=True),
    "state push": Scenario(_pulled, PUSH, (PUSH,)),
}


@pytest.fixture(params=CHANGES)
def proof(request: pytest.FixtureRequest, in_memory: Path, runner: Runner) -> Proof:
    return Proof(request.param, CHANGES[request.param], in_memory, runner)


def test_interrupted_at_every_6th_point(proof: Proof) -> None:
    prove(proof, *KILLED, *FAILED, every=6, among=CHANGES)


@pytest.mark.slow
def test_interrupted_at_every_call(proof: Proof) -> None:
    prove(
        proof,
        *(("kill", ANY, killed), ("power", ANY, killed)),
        *(("ENOSPC", ON_FILES, refused), ("EIO", ON_FILES, refused)),
        *FAILED,
        among=CHANGES,
    )
