"""Random lives in a working directory and its cloud: what their state machines have in common."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from flowplan.simulator import Simulator
from tests.faults import virtual_time


class Figures(Counter[str]):
    """What the sequences of a test came to."""

    def line(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in self.items())


class Life(RuleBasedStateMachine):
    """One working directory and its cloud. `template` (a simulator's data) and `figures` are the test's."""

    template: Path
    figures: Figures

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory(dir=self.template.parent)
        self.path = Path(self._directory.name) / "work"
        (self.path / ".flowplan").mkdir(parents=True)
        shutil.copy(self.template, self.path / ".flowplan" / "simulator.db")
        os.chdir(self.path)
        self.simulator = Simulator.open(self.path / ".flowplan" / "simulator.db")
        self.project = self.simulator.faults.third_party("GET", "/v2/projects").json[0]["fid"]
        self.trace: list[str] = []

    def _converge(self) -> None:
        """Nothing goes wrong any more, and everything ends as it should."""
        raise NotImplementedError

    def _told(self) -> list[str]:
        """What is shown of a sequence that failed."""
        return self.trace

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._converge()
                self.figures["sequences"] += 1
        finally:
            hypothesis.note("\n".join(self._told()))
            self.simulator.close()
            os.chdir(self.template.parent)
            self._directory.cleanup()


def live(
    life: type[Life],
    steps: int,
    seed: int,
    sequences: int,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Figures:
    """So many random lives of at most so many steps, the same for the same seed, in `directory`."""
    template = directory / "template.db"  # to be copied: making them takes as long as everything else of a sequence
    Simulator.open(template).close()
    assert not template.with_name("template.db-wal").exists(), "the copy would lack something"
    monkeypatch.chdir(directory)
    for name in list(os.environ):
        if name.startswith(("FLOWPLAN_", "FOUNDRY_", "MITHRIL_")) or name in ("CI", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    virtual_time.install(monkeypatch.setattr)
    figures = Figures()
    of_the_test = {"template": template, "figures": figures}
    machine = hypothesis.seed(seed)(type(f"{life.__name__}{seed}", (life,), of_the_test))
    how = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=list(Phase) if os.environ.get("SHRINK") else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)
    figures["sequences"] = figures.pop("sequences")  # last
    assert figures["sequences"] >= sequences
    return figures
