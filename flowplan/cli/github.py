"""What a step of GitHub Actions says beside its log: the summary of its job, and outputs for the steps after it. The
runner names the two files in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowplan.cli.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from flowplan.documents.shapes.plan import FailedPlan, SealedPlan

SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
_LIMIT = 1024 * 1024  # bytes of a summary
LEAST = 4000  # bytes for what has to stand in one, or in a comment


def from_top(document: Mapping[str, Any]) -> dict[str, Any]:
    """A plan whose diagnostics name files as the repository does: a runner knows no directory of a step."""
    from pathlib import Path

    from flowplan.operations.opening.repository import checkout_of

    checkout = checkout_of(Path())
    said = []
    for one in document["diagnostics"]:
        place = one["source"]
        said.append({**one, "source": place and {**place, "file": checkout.name(place["file"])}})
    return {**document, "diagnostics": said}


def tell_step(terminal: Terminal, document: SealedPlan | FailedPlan, plan: str = "") -> None:
    """Append a plan to the summary, and its figures to the outputs, where a runner takes them. `plan`: the file that it
    is saved in. Raises FlowplanError: steps that find no outputs would take it for a plan without changes."""
    from pathlib import Path

    from flowplan.operations.files import append

    if path := os.environ.get(SUMMARY):
        _summarize(terminal, document, Path(path))
    if path := os.environ.get(OUTPUT):
        from flowplan.reports.github.plan import outputs

        append(Path(path), terminal.secretless(outputs(document, str(Path(plan).absolute()) if plan else "")), OUTPUT)


def _summarize(terminal: Terminal, document: SealedPlan | FailedPlan, path: Path) -> None:
    from flowplan.operations.files import append
    from flowplan.reports.formats import report_of

    room = _LIMIT - (path.stat().st_size if path.is_file() else 0) - 1
    if room < LEAST:
        terminal.note(f"the summary of this step has no room left for the plan: GitHub takes {_LIMIT // 1024:,} KiB")
        return
    append(path, terminal.secretless(report_of("plan", "markdown", room)(document, terminal.paint)), SUMMARY)
