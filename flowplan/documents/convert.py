"""A file of another tool as a stack file, and what that does not say."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.documents.diagnostics import refused, with_line
from flowplan.documents.shapes.convert import ConvertDocument
from flowplan.documents.yaml_text import Value, mapping
from flowplan.errors import ConfigError


@frozen
class Conversion:
    """`text`: the stack file; `left`: what it does not say of `source`, a file of `tool`."""

    source: str
    tool: str
    text: str
    left: Sequence[Diagnostic]


def stack_text(source: str, tool: str, stack: dict[str, Value]) -> str:
    """The stack file, with where it is from at its head."""
    return "\n".join([f"# Converted from {source} ({tool}).", *mapping(stack)]) + "\n"


def document(made: Conversion) -> ConvertDocument:
    """The JSON document of a file that was converted."""
    return {
        "format_version": "1.0",
        "valid": True,
        "source": made.source,
        "tool": made.tool,
        "stack_file": made.text,
        "left_out": [with_line(one) for one in made.left],
        "diagnostics": [],
    }


def failed(source: str, problems: Sequence[Diagnostic]) -> ConvertDocument:
    """The document of a file that could not be converted."""
    return {
        "format_version": "1.0",
        **refused(ConfigError.exit_code),
        "valid": False,
        "source": source,
        "tool": None,
        "stack_file": None,
        "left_out": [],
        "diagnostics": [with_line(one) for one in problems],
    }
