"""Faults of the process, the disk, the state, the lock and the plan: every cell of the matrix.

As in test_matrix_api.py: a command runs to its end (or is ended), the invariants hold, and the next run without
faults does what is left. What needs a process of its own (signals, streams) is given one.
"""

from __future__ import annotations

import pytest

from tests.faults.process import disk, lock, saved_plan, signals, state, streams
from tests.faults.process.rows import MATRIX

from .matrix import Test as Cell
from .world import World

AREAS = (disk, lock, saved_plan, signals, state, streams)  # each fills its rows while it loads


@pytest.mark.parametrize("one", MATRIX.parameters())
def test_process_fault(one: Cell, world: World) -> None:
    one.play(world, one.column, *one.given)
    world.hold_invariants()
    world.converge(one.column)


def test_every_cell_is_a_test_or_has_a_reason() -> None:
    MATRIX.hold_complete()
    assert MATRIX.figure().startswith("3.2: 28 rows x 3 = 84 cells")
    print(MATRIX.figure())
    for (row, column), why in sorted(MATRIX.reasons.items()):
        print(f"  n/a {row}/{column}: {why}")
