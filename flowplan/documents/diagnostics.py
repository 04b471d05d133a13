"""What is said of a configuration or a plan -> its part of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.diagnostics import Diagnostic, Position

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Place, Said
    from flowplan.documents.shapes.validate import Found, Refused, Span


def refused(exit_code: int) -> Refused:
    """What a document says besides where the command ends with `exit_code`."""
    return {"errored": True, "exit_code": exit_code} if exit_code else {}


def with_line(said: Diagnostic) -> Found:
    """It with everything that it says, the text of its line too."""
    return {
        "severity": said.severity,
        "code": said.code,
        "summary": said.summary,
        "detail": said.detail,
        "hint": said.hint,
        "source": None if said.position is None else _span(said.position, said.end),
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


def _span(position: Position, end: Position | None) -> Span:
    if end is None:
        return {"file": position.file, "line": position.line, "column": position.column}
    return {
        "file": position.file,
        "line": position.line,
        "column": position.column,
        "end_line": end.line,
        "end_column": end.column,
    }


def _place(position: Position) -> Place:
    return {"file": position.file, "line": position.line, "column": position.column}
