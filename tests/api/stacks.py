"""Stacks of the Python API, and the tasks that they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flowplan
from flowplan.apply.outcome import Outcome
from tests.conftest import EXAMPLES, START

TASK = {
    "name": "train",
    "project_name": "my-foundry-project",
    "resources_specification": {"fcp_instance": "h100.8x.SXM5.IB", "cluster_id": "us-central1-b"},
}
EXAMPLE = EXAMPLES / "task" / "flowplan.yaml"


def stack_in(directory: Path, *sources: Any, **more: Any) -> flowplan.Stack:
    return flowplan.load(*sources, directory=directory, api_url="sim:", environ=START, **more)


def untyped(value: Any) -> Any:
    """A value that no type checker would let through: a notebook has none."""
    return value


def addresses(outcome: Outcome) -> list[str]:
    return [str(step.address) for step in outcome.done]


def task(name: str, **more: Any) -> dict[str, Any]:
    return {**TASK, "name": name, **more}


def tasks(names: str, **more: Any) -> list[dict[str, Any]]:
    return [{**TASK, "name": name, **more} for name in names]
