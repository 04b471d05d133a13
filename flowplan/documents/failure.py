"""A command that failed, as a document: what a program reads in the place of what it asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.documents.diagnostics import with_line

if TYPE_CHECKING:
    from flowplan.documents.shapes.failure import FailureDocument


@frozen
class Failure:
    """`exit_code`: what the command ends with, `said`: why; `timestamp` in RFC 3339."""

    exit_code: int
    said: Sequence[Diagnostic]
    timestamp: str


def document(failure: Failure) -> FailureDocument:
    """What stands in the place of a document that did not come about: the exit code, and each reason with its place."""
    return {
        "format_version": "1.0",
        "flowplan_version": __version__,
        "timestamp": failure.timestamp,
        "errored": True,
        "exit_code": failure.exit_code,
        "diagnostics": [with_line(one) for one in failure.said],
    }
