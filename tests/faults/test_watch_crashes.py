"""A round of the watch, killed and failed at the k-th point: what holds of an apply in `test_crashes.py` holds of it.

The next watcher goes on, or a person's apply does: each bid is placed once, and a limit is the one that is decided,
in the cloud, in the state and in what the watch remembers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.faults.ends import FAILED, KILLED, Allowed, Wanted, killed, of
from tests.faults.points import Act
from tests.faults.proof import Proof
from tests.faults.runner import Runner
from tests.faults.scenarios_of_watch import SCENARIOS_OF_WATCH
from tests.faults.state_servers import ServedFolder, StateServer

POINTS = of("sent", "answer", "asked", "replied")

# Those that `make test` takes; `make soak` takes all.
CORE = ("places a bid again, then a person", "raises a limit", "all at once")


@pytest.fixture(params=SCENARIOS_OF_WATCH)
def proof(request: pytest.FixtureRequest, in_memory: Path, runner: Runner) -> Proof:
    return Proof(request.param, SCENARIOS_OF_WATCH[request.param], in_memory, runner)


def prove(proof: Proof, *plan: tuple[Act, Wanted, Allowed], every: int = 1) -> None:
    """Every act at every point that it is for, or at each `every`-th: in each scenario others."""
    turn = list(SCENARIOS_OF_WATCH).index(proof.name)
    for act, wanted, allowed in plan:
        numbers = proof.numbers(wanted)
        for number in numbers[7 * turn % min(every, len(numbers) or 1) :: every]:
            proof.interrupt(number, act, allowed)
    proof.conclude()


@pytest.mark.parametrize("proof", CORE, indirect=True)
def test_interrupted_at_some_points(proof: Proof) -> None:
    """SIGKILL at a write, sync, rename, request or answer, and the disk full or broken."""
    prove(proof, *KILLED, *FAILED, every=80)


@pytest.mark.slow
def test_interrupted_at_every_point(proof: Proof) -> None:
    prove(proof, *KILLED, *FAILED)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORE)
def test_killed_at_every_point_with_the_state_on_a_server(
    name: str, served: StateServer, in_memory: Path, runner: Runner
) -> None:
    folder = partial(ServedFolder, server=served)
    prove(Proof(name, SCENARIOS_OF_WATCH[name], in_memory, runner, folder), ("kill", POINTS, killed))
