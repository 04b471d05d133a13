"""A file of another tool -> the stack that asks for the same, and what it leaves out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from flowplan.classes import frozen
from flowplan.config.config import Source
from flowplan.config.foreign.flow import read_flow
from flowplan.config.foreign.reading import Reading, Value
from flowplan.config.foreign.shapes import FLOW, Tool, is_kept, tool_of
from flowplan.config.foreign.skypilot import read_skypilot
from flowplan.config.yaml import Document, Findings, documents, read_text
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError


@frozen
class Converted:
    """`stack`: what a stack file says; `left`: what it does not say of the source, each with its place."""

    tool: Tool
    stack: Mapping[str, Value]
    left: tuple[Diagnostic, ...]


def convert(source: Source) -> Converted:
    """The stack of a flow or SkyPilot task. Raises ConfigError for any other file, and for one that has problems."""
    findings = Findings()
    text = read_text(source.name, source.data, findings)
    found = list(documents(text)) if text is not None else []
    if findings.has_errors or not found:
        raise ConfigError(findings.all)
    document = found[0]
    tool = _known(document)
    if len(found) > 1:
        hint = "split the file, and convert each"
        found[1].problem(found[1].root, "convert reads one task a file", hint, code="foreign-file")
    if tool is None or findings.has_errors:
        raise ConfigError(findings.all)
    reading = Reading(document)
    stack = (read_flow if tool is FLOW else read_skypilot)(reading, PurePath(source.name).stem)
    reading.rest()
    if findings.has_errors:
        raise ConfigError(findings.all)
    return Converted(tool, stack, tuple(reading.left))


def _known(document: Document) -> Tool | None:
    """The tool of a document that can be converted; of another one that is reported."""
    if is_kept(document):
        return None
    tool = tool_of(document.root)
    if tool is not None and tool.converts:
        return tool
    what = f"this is {tool.a_file}" if tool is not None else "this is neither a flow task nor a SkyPilot task"
    hint = "convert reads tasks of the flow SDK and of SkyPilot"
    document.problem(document.root, what, hint, code="foreign-file")
    return None
