"""Faults of the API, every cell of the matrix: what plan, apply and destroy make of each, from the command line.

What a single call makes of it, down to the header, is in tests/cloud. Here a command runs to its end, and
then the invariants hold: see world.py. Where a cell has several tests, the last part of the name says which.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.cloud.server import certificates, serve
from tests.conftest import FLOWPLAN
from tests.faults.api import answers, clocks, connection, others, refusals, server_errors, size
from tests.faults.api.connection import untrusted
from tests.faults.api.rows import MATRIX
from tests.faults.api.size import stack_of

from .matrix import Test as Cell
from .world import COMMANDS, World

AREAS = (answers, clocks, connection, others, refusals, server_errors, size)  # each fills its rows while it loads
__all__ = ["certificates", "serve", "untrusted"]  # fixtures


@pytest.mark.parametrize("one", MATRIX.parameters())
def test_api_fault(one: Cell, world: World) -> None:
    one.play(world, one.column, *one.given)
    world.hold_invariants()
    world.converge(one.column)


def test_every_cell_is_a_test_or_has_a_reason() -> None:
    MATRIX.hold_complete()
    assert MATRIX.figure().startswith("3.1: 36 rows x 3 = 108 cells")
    print(MATRIX.figure())
    for (row, column), why in sorted(MATRIX.reasons.items()):
        print(f"  n/a {row}/{column}: {why}")


# Runs a command and says at last how many KB it took at most. A process counts with the memory of the one that started
# it, until it begins a program of its own: this one is small, and pytest is not.
MEASURES = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], check=False).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)"""


@pytest.mark.timed
@pytest.mark.parametrize("command", COMMANDS)
def test_10000_resources(command: str, world: World) -> None:
    """The whole size, in a process of its own: seconds and memory as the matrix has them."""
    stack_of(world, command, 3334)
    started = time.monotonic()
    words = [sys.executable, "-c", MEASURES, *FLOWPLAN, *COMMANDS[command]]
    done = subprocess.run(words, cwd=world.path, capture_output=True, text=True, check=False)
    seconds, peak = time.monotonic() - started, int(done.stderr.split()[-1]) / 1024
    assert done.returncode == 0, done.stderr[-2000:]
    print(f"10,002 resources: {command} {seconds:.1f} s, {peak:.0f} MB at most")
    assert seconds < 60 or command != "plan"
    assert peak < 500
    world.hold_invariants()
