"""What is said of a configuration or a plan -> its part of a document, and the document of `flowplan validate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from flowplan.diagnostics import Diagnostic, Position
from flowplan.errors import ConfigError

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Place, Said
    from flowplan.documents.shapes.validate import Found, Refused, ValidateDocument


@frozen
class Checked:
    """What a check of the configuration found: how many tasks and volumes, where it can be read, and its problems."""

    problems: Sequence[Diagnostic]
    tasks: int = 0
    volumes: int = 0


def document(found: Checked) -> ValidateDocument:
    """The shape of `terraform validate -json`, with our positions."""
    errors = sum(problem.severity == "error" for problem in found.problems)
    return {
        "format_version": "1.0",
        **refused(errors > 0),
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(found.problems) - errors,
        "diagnostics": [with_line(problem) for problem in found.problems],
    }


def refused(problems: bool) -> Refused:
    """What a document says besides where there are `problems`."""
    return {"errored": True, "exit_code": ConfigError.exit_code} if problems else {}


def with_line(said: Diagnostic) -> Found:
    """It with everything that it says, the text of its line too."""
    return {
        "severity": said.severity,
        "code": said.code,
        "summary": said.summary,
        "detail": said.detail,
        "hint": said.hint,
        "source": source(said.position),
        "snippet": said.source,
        "related": [{"message": what, "source": _place(where)} for what, where in said.also],
    }


def of(said: Diagnostic) -> Said:
    """As a plan document has it: of what has a word, that is its `detail`."""
    return {
        "severity": said.severity,
        "summary": said.summary,
        "detail": said.word or said.detail,
        "source": source(said.position),
        "hint": said.hint,
    }


def source(position: Position | None) -> Place | None:
    """A place in a file; null where there is none."""
    if position is None:
        return None
    return _place(position)


def _place(position: Position) -> Place:
    return {"file": position.file, "line": position.line, "column": position.column}
