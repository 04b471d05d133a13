"""A small scheduler of somebody else, as `mypy --strict` sees it: a stack a team, each in a thread, until it is told to
stop. What ends a run it tells by type."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import flowplan

MOST = Decimal("20.00")  # dollars per instance-hour


def schedule(root: Path, teams: list[str], stop: threading.Event) -> dict[str, str]:
    """What became of each team."""

    def one(team: str) -> str:
        return run(root / team, team, stop)

    with ThreadPoolExecutor() as pool:
        return dict(zip(teams, pool.map(one, teams), strict=True))


def run(directory: Path, team: str, stop: threading.Event) -> str:
    directory.mkdir(exist_ok=True)
    limit = limit_of(flowplan.load(directory=directory, api_url="sim:", environ={}))
    if limit is None:
        return "nobody knows the price"
    stack = flowplan.load(task(team, limit), directory=directory, api_url="sim:", environ={})
    proposal = stack.plan(max_hourly_cost="100.00")
    if proposal.refused:
        return "; ".join(one.summary for one in proposal.diagnostics if one.severity == "error")
    try:
        outcome: flowplan.Outcome = stack.apply(proposal, wait="allocated", stop=stop)
    except flowplan.Interrupted as error:
        return f"{error}: {came(error.outcome)}"
    except flowplan.OutcomeUnknown as error:
        return f"{error}: {came(error.outcome)}"
    except (flowplan.ApplyFailed, flowplan.RefusedMeanwhile) as error:
        return f"{error.summary}: {came(error.outcome)}"
    except flowplan.FlowplanError as error:
        return f"{error} ({error.hint})"
    return came(outcome)


def limit_of(stack: flowplan.Stack) -> Decimal | None:
    found = (one.market.spot for one in stack.market("h100.8x.SXM5.IB").offers)
    known = [price for price in found if price is not None]
    return min(min(known) * 2, MOST) if known else None


def task(name: str, limit: Decimal) -> dict[str, object]:
    return {
        "name": name,
        "project_name": "my-foundry-project",
        "resources_specification": {"fcp_instance": "h100.8x.SXM5.IB", "cluster_id": "us-central1-b"},
        "task_management": {"utility_threshold_price": limit},
    }


def came(outcome: flowplan.Outcome | None) -> str:
    if outcome is None:
        return "nothing was begun"
    address: flowplan.Address
    said = [f"{step.address} done" for step in outcome.done]
    for step, why in {**outcome.failed, **outcome.unknown}.items():
        address = step.address
        said.append(f"{address}: {why}")
    return ", ".join(said)
