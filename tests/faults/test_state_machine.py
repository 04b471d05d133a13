"""Random lives of a stack: edits, drift, preemption, faults, crashes, second processes. After every step the
invariants hold; once the faults stop, one apply converges, and the plan after it is empty.

The model (model.py) says what an apply must do from what is there and what is asked for; the simulator's own ledger
says what was done. Time is the simulator's, so the settle window is the real one, of 45 s.

A sequence that fails is shown with what each command said. SHRINK=1 looks for a shorter one, for up to five minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.lives import live
from tests.faults.stack import Stack

STEPS = 14  # of a sequence, at most


def lives(seed: int, sequences: int, in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = live(Stack, STEPS, seed, sequences, in_memory, monkeypatch)
    print(f"{figures.line()}: all converged by one apply, 0 duplicates, 0 orphans")


def test_five_lives(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lives(50, 5, in_memory, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_fifty_lives(seed: int, in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lives(seed, 50, in_memory, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_ten_thousand_lives(seed: int, in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of them each."""
    lives(seed, 500, in_memory, monkeypatch)
