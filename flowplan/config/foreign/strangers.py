"""Whether a file that nobody named is for something else: in a directory lie many. Pure."""

from __future__ import annotations

import re

from flowplan.classes import frozen
from flowplan.config.config import Source
from flowplan.config.foreign.shapes import Tool, is_plainly_ours, tool_of
from flowplan.config.keys import HOMES, MEANINGS, STACK, STACK_FILE, TASK
from flowplan.config.keys.stack import INCLUDING
from flowplan.config.yaml import (
    Findings,
    Mapping,
    Node,
    Scalar,
    Sequence,
    TooManyProblems,
    documents,
    read_text,
)
from flowplan.diagnostics import looks_like
from flowplan.patterns import regex

_ALIKE = 0.75  # of a key that may be one of ours with a slip
_AT_THE_TOP = frozenset((*TASK.known, *STACK_FILE.known))
_OURS = frozenset((*HOMES, *STACK, *STACK_FILE.known, *STACK_FILE.instead, *TASK.instead, *MEANINGS))
_OURS -= {"state", "backend", *INCLUDING}  # files of anything have those
# A line that begins with one of these, in any spelling: a key of flowplan's, which other tools may have too.
_BEGINS = regex(rb"^[\"']?(" + "|".join(sorted(_OURS)).encode() + rb")[\"']?[ \t]*:", re.MULTILINE)


@frozen
class Stranger:
    """A file that is none of flowplan's. `tool`: whose it is by its shape; None: no key of it is one of flowplan's, and
    what it is instead is not known."""

    tool: Tool | None

    @property
    def why(self) -> str:
        """What it is, for people."""
        if self.tool is None:
            return "none of its keys is one of flowplan's"
        return f"it is {self.tool.a_file}" + (", which `flowplan convert` reads" if self.tool.converts else "")


def stranger(source: Source) -> Stranger | None:
    """What `source` is, if it can be none of flowplan's files: it has the shape of another tool's, or none of its keys
    is one, or like one, or what people write instead. None: it may be, also where it cannot be read."""
    if is_plainly_ours(source.data):
        return None
    findings = Findings()
    try:
        text = read_text(source.name, source.data, findings)
        found = [] if text is None else list(documents(text))
    except TooManyProblems:
        return None
    if not found or findings.all:
        return None
    tools = [tool_of(document.root) for document in found]
    may_be_ours = _BEGINS.search(source.data) or not all(_is_strange(document.root) for document in found)
    if None in tools and may_be_ours:
        return None
    return Stranger(next(filter(None, tools), None))


def is_bare(source: Source) -> bool:
    """Whether `source` says nothing but its version, as one does that was cut off after its first line."""
    if is_plainly_ours(source.data):
        return False
    try:
        text = read_text(source.name, source.data, findings := Findings())
        found = [] if text is None else list(documents(text))
    except TooManyProblems:
        return False
    return bool(found) and not findings.all and all(_says_nothing(document.root) for document in found)


def _says_nothing(root: Node) -> bool:
    return isinstance(root, Mapping) and all(key == "version" or _is_empty(root.value(key)) for key in root.entries)


def _is_empty(node: Node) -> bool:
    if isinstance(node, Scalar):
        return node.is_null
    return (isinstance(node, Mapping) and not node.entries) or (isinstance(node, Sequence) and not node.items)


def _is_strange(root: Node) -> bool:
    if isinstance(root, Sequence):
        return all(isinstance(item, Scalar) or _is_strange(item) for item in root.items)
    if not isinstance(root, Mapping) or not root.entries or any(_plain(key) in _OURS for key in root.entries):
        return False
    return tool_of(root) is not None or not any(looks_like(key, _AT_THE_TOP, _ALIKE) for key in root.entries)


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")
