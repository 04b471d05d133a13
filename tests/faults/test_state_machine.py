"""Random lives of a stack: edits, drift, preemption, faults, crashes, second processes. After every step the
invariants hold; once the faults stop, one apply converges, and the plan after it is empty.

The model (model.py) says what an apply must do from what is there and what is asked for; the simulator's own ledger
says what was done. Time is the simulator's, so the settle window is the real one, of 45 s.

A sequence that fails is shown with what each command said. SHRINK=1 looks for a shorter one, for up to five minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from flowplan.simulator import Simulator
from tests.faults import virtual_time
from tests.faults.stack import Figures, Stack
from tests.faults.zygote import Zygote

STEPS = 14  # of a sequence, at most


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made:
        yield made


@pytest.fixture
def template(in_memory: Path) -> Path:
    """A simulator's data, to be copied: making them takes as long as everything else of a sequence."""
    path = in_memory / "template.db"
    Simulator.open(path).close()
    assert not path.with_name("template.db-wal").exists(), "the copy would lack something"
    return path


def live(seed: int, sequences: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> Figures:
    """So many random lives, the same for the same seed."""
    monkeypatch.chdir(template.parent)
    for name in list(os.environ):
        if name.startswith(("FLOWPLAN_", "FOUNDRY_", "MITHRIL_")) or name in ("CI", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    virtual_time.install(monkeypatch.setattr)
    figures = Figures()
    machine = hypothesis.seed(seed)(
        type(f"Stack{seed}", (Stack,), {"zygote": zygote, "template": template, "figures": figures})
    )
    how = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=list(Phase) if os.environ.get("SHRINK") else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)
    figures["sequences"] = figures.pop("sequences")  # last
    print(f"{figures.line()}: all converged by one apply, 0 duplicates, 0 orphans")
    assert figures["sequences"] >= sequences
    return figures


@pytest.mark.parametrize("seed", range(50, 52))
def test_ten_lives(seed: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(seed, 10, zygote, template, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_fifty_lives(seed: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(seed, 50, zygote, template, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_ten_thousand_lives(seed: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of them each."""
    live(seed, 500, zygote, template, monkeypatch)
