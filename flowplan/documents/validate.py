"""What a check of the configuration found, as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from flowplan.diagnostics import Diagnostic
from flowplan.documents.diagnostics import refused, with_line
from flowplan.documents.failure import Failure

if TYPE_CHECKING:
    from flowplan.documents.shapes.validate import ValidateDocument


@frozen
class Checked:
    """What a check of the configuration found: how many tasks and volumes, where it can be read, and its problems.
    `exit_code`: what the command ends with."""

    problems: Sequence[Diagnostic]
    tasks: int = 0
    volumes: int = 0
    exit_code: int = 0


def unchecked(failure: Failure) -> Checked:
    """What is reported of a check that failed."""
    return Checked(failure.said, exit_code=failure.exit_code)


def document(found: Checked) -> ValidateDocument:
    """The shape of `terraform validate -json`, with our positions."""
    errors = sum(problem.severity == "error" for problem in found.problems)
    return {
        "format_version": "1.0",
        **refused(found.exit_code),
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(found.problems) - errors,
        "diagnostics": [with_line(problem) for problem in found.problems],
    }
