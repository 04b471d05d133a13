"""The lines of a run that no golden one has: a step that takes long."""

from __future__ import annotations

from flowplan.planning.actions import Create, Delete
from flowplan.planning.steps import Step
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.progress import ProgressLines
from tests.builders import TRAIN, bid


def test_a_step_that_takes_long_is_reported_with_its_time() -> None:
    out: list[str] = []
    said: list[str] = []
    lines = ProgressLines(out.append, said.append, Paint(on=False), Paint(on=False))
    made, gone = Create(TRAIN, bid()), Delete(TRAIN, bid(), id="bid_1")
    lines.started(Step("up", TRAIN), made)
    lines.progress(Step("up", TRAIN), made, 10.04)
    lines.done(Step("up", TRAIN), made, "bid_1", 13.4)
    lines.progress(Step("down", TRAIN), gone, 20.0)
    assert said == [
        "bid.train: creating...",
        "bid.train: still creating... (10 s)",
        "bid.train: created after 13 s (bid_1)",
        "bid.train: still destroying... (20 s)",
    ]
    assert out == []
