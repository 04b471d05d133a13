"""The events of an apply that no golden run has: a step that fails, one that takes long, a remark."""

from __future__ import annotations

import json
from typing import Any

from flowplan.diagnostics import Position
from flowplan.errors import CloudError
from flowplan.planning.actions import Create
from flowplan.planning.steps import Step
from flowplan.reports.events import EventLines
from tests.builders import TRAIN, bid

CREATE = Create(TRAIN, after=bid(), position=Position("flowplan.yaml", 3, 7))


def events(tell: Any) -> list[dict[str, Any]]:
    lines: list[str] = []
    tell(EventLines(lines.append, lambda: "2026-03-01T12:00:00Z"))
    return [json.loads(line) for line in lines]


def test_a_step_that_fails_is_told_with_its_place() -> None:
    error = CloudError("the quota is used up", hint="ask for more", detail="H100: 8 of 8")
    errored, said = events(lambda lines: lines.failed(Step("up", TRAIN), CREATE, error))
    assert (errored["type"], errored["address"], errored["action"]) == ("apply_errored", "bid.train", "creating")
    assert said == {
        "type": "diagnostic",
        "timestamp": "2026-03-01T12:00:00Z",
        "address": "bid.train",
        "severity": "error",
        "summary": "the quota is used up",
        "detail": "H100: 8 of 8",
        "source": {"file": "flowplan.yaml", "line": 3, "column": 7},
        "hint": "ask for more",
    }


def test_a_step_that_takes_long_and_a_remark() -> None:
    (going,) = events(lambda lines: lines.progress(Step("up", TRAIN), CREATE, 12.34567))
    assert (going["type"], going["elapsed_seconds"]) == ("apply_progress", 12.346)
    (said,) = events(lambda lines: lines.note("recovering 1 operation of an earlier run"))
    assert (said["severity"], said["summary"]) == ("note", "recovering 1 operation of an earlier run")
