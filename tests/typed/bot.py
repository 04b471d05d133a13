"""A CI bot of somebody else, as `mypy --strict` sees it: it says what a pull request would do, and does that once it is
merged."""

from __future__ import annotations

from pathlib import Path

import flowplan


def opened(directory: Path) -> tuple[str, str]:
    """The comment, and the digest of the plan that it is about; "": it cannot be merged."""
    stack = flowplan.load("flowplan.yaml", directory=directory, api_url="sim:", environ={})
    try:
        proposal = stack.plan(max_hourly_cost="100.00", out="plan.json")
    except flowplan.ConfigError as error:
        return "\n".join(f"- {one.position}: {one.summary}" for one in error.problems), ""
    except flowplan.FlowplanError as error:
        return f"{error} ({error.hint})", ""
    return proposal.markdown(), "" if proposal.refused else proposal.document["sha256"]


def merged(directory: Path, digest: str) -> tuple[int, str]:
    """The exit code of the step, and what it says."""
    stack = flowplan.load("flowplan.yaml", directory=directory, api_url="sim:", environ={})
    try:
        outcome: flowplan.Outcome = stack.apply("plan.json", expect=digest)
    except flowplan.StalePlan as error:
        return error.exit_code, f"plan again: {error}"
    except (flowplan.ApplyFailed, flowplan.RefusedMeanwhile, flowplan.SaveFailed, flowplan.OutcomeUnknown) as error:
        return error.exit_code, f"{error}: {len(error.outcome.done) if error.outcome is not None else 0} done"
    except flowplan.FlowplanError as error:
        return error.exit_code, f"{error} ({error.hint})"
    return 0, ", ".join(str(step.address) for step in outcome.done)
