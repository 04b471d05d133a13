"""Random lives of a stack file in two environments: lifecycles, waits, lifetimes, moves, removals, imports, selections,
saved plans, releases and restores, while others cancel, outbid and preempt, and runs are killed.

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
from tests.faults.language import Figures, Language
from tests.faults.zygote import Zygote

STEPS = 16  # of a sequence, at most


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made:
        yield made


@pytest.fixture
def template(in_memory: Path) -> Path:
    """A simulator's data, to be copied."""
    path = in_memory / "template.db"
    Simulator.open(path).close()
    return path


def live(seed: int, sequences: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many random lives, the same for the same seed."""
    monkeypatch.chdir(template.parent)
    for name in list(os.environ):
        if name.startswith(("FLOWPLAN_", "FOUNDRY_", "MITHRIL_")) or name in ("CI", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    virtual_time.install(monkeypatch.setattr)
    figures = Figures()
    machine = hypothesis.seed(seed)(
        type(f"Language{seed}", (Language,), {"zygote": zygote, "template": template, "figures": figures})
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
    print(f"{figures.line()}: all as planned, nothing lost, nothing bought twice")
    assert figures["sequences"] >= sequences


@pytest.mark.parametrize("seed", [50])
def test_four_lives(seed: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(seed, 4, zygote, template, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_five_thousand_lives(seed: int, zygote: Zygote, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of them each."""
    live(seed, 250, zygote, template, monkeypatch)
