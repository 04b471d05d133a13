"""Random lives of a stack file in two environments: lifecycles, waits, lifetimes, moves, removals, imports, selections,
saved plans, releases and restores, while others cancel, outbid and preempt, and runs are killed.

A sequence that fails is shown with what each command said. SHRINK=1 looks for a shorter one, for up to five minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.language import Language
from tests.faults.lives import live

STEPS = 16  # of a sequence, at most


def lives(seed: int, sequences: int, in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = live(Language, STEPS, seed, sequences, in_memory, monkeypatch)
    print(f"{figures.line()}: all as planned, nothing lost, nothing bought twice")


@pytest.mark.parametrize("seed", [50])
def test_two_lives(seed: int, in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lives(seed, 2, in_memory, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_five_thousand_lives(seed: int, in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of them each."""
    lives(seed, 250, in_memory, monkeypatch)
