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
        outcome = stack.apply(proposal, wait="placed", timeout="10m")
        kept(stack)
        return outcome
    except flowplan.StalePlan as error:
        raise SystemExit(f"{error}: {error.hint}") from error


def kept(stack: flowplan.Stack) -> dict[str, str]:
    """One round of a watch: the kind of each finding, by address."""
    kinds: dict[str, str] = {}
    for told in stack.watch("5m", once=True, max_hourly_cost=Decimal(100)):
        round: flowplan.Told = told
        findings: tuple[flowplan.Finding, ...] = round.findings
        kinds |= {str(one.address): one.kind for one in findings}
        if round.error is not None:
            raise SystemExit(f"{round.error}: {round.error.hint}")
    return kinds
