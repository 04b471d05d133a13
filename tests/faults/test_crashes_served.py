"""Killed at the k-th point with the state on a server: before each call to it, and when it is done and not yet known.
What holds after that is what `test_crashes.py` holds a state in files to."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.faults.ends import CORE, killed, of, prove
from tests.faults.proof import Proof
from tests.faults.runner import Runner
from tests.faults.scenarios import SCENARIOS
from tests.faults.state_servers import ServedFolder, StateServer

POINTS = of("sent", "answer", "asked", "replied")


def proof_of(name: str, scratch: Path, runner: Runner, server: StateServer) -> Proof:
    return Proof(name, SCENARIOS[name], scratch, runner, partial(ServedFolder, server=server))


@pytest.mark.parametrize("name", ["create two with volumes and ports", "replace"])
def test_killed_at_some_points(name: str, served: StateServer, in_memory: Path, runner: Runner) -> None:
    prove(proof_of(name, in_memory, runner, served), ("kill", POINTS, killed), every=48)


@pytest.mark.parametrize("name", [name for name, one in SCENARIOS.items() if one.parallel])
def test_killed_while_intents_are_ahead_of_their_calls(
    name: str, served: StateServer, in_memory: Path, runner: Runner
) -> None:
    """With several calls at once, intents are durable one wave ahead: some are of calls that were never sent."""
    prove(proof_of(name, in_memory, runner, served), ("kill", POINTS, killed), every=48)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, one in SCENARIOS.items() if one.parallel])
def test_killed_at_every_point_while_intents_are_ahead(
    name: str, served: StateServer, in_memory: Path, runner: Runner
) -> None:
    prove(proof_of(name, in_memory, runner, served), ("kill", POINTS, killed))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CORE if name != "state restore"])  # it damages a file
def test_killed_at_every_point(name: str, served: StateServer, in_memory: Path, runner: Runner) -> None:
    prove(proof_of(name, in_memory, runner, served), ("kill", POINTS, killed))
