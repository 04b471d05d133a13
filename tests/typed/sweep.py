"""A program of somebody else that uses flowplan, as `mypy --strict` sees it: `make lint` checks it, tests run it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import flowplan


def place(directory: Path, names: list[str]) -> flowplan.Outcome:
    tasks = [
        {
            "name": name,
            "project_name": "my-foundry-project",
            "resources_specification": {
                "fcp_instance": "h100.8x.SXM5.IB",
                "cluster_id": "us-central1-b",
            },
            "task_management": {"utility_threshold_price": Decimal("17.92")},
        }
        for name in names
    ]
    stack: flowplan.Stack = flowplan.load(*tasks, directory=directory, api_url="sim:", environ={})
    proposal: flowplan.Proposal = stack.plan(max_hourly_cost=Decimal("100.00"))
    plan: flowplan.Plan = proposal.plan
    changes: tuple[flowplan.Change, ...] = plan.changes
    assert len(changes) == len(names)
    try:
        return stack.apply(proposal, wait="placed", timeout="10m")
    except flowplan.StalePlan as error:
        raise SystemExit(f"{error}: {error.hint}") from error
