"""YAML as it is read, without its places."""

from __future__ import annotations

from typing import Any

from flowplan.config.yaml import (
    Document,
    Findings,
    Mapping,
    Node,
    Scalar,
    Sequence,
    documents,
    read_text,
)
from flowplan.diagnostics import Diagnostic
from tests.config.task_texts import line


def parse(content: str | bytes) -> tuple[list[Document], list[Diagnostic]]:
    findings = Findings()
    text = read_text("a.yaml", content.encode() if isinstance(content, str) else content, findings)
    found = list(documents(text)) if text is not None else []
    return found, findings.all


def plain(node: Node) -> Any:
    """A tree without its positions; scalars as (kind, text)."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key in node.entries if (value := node.get(key)) is not None}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return (node.kind, node.text) if isinstance(node, Scalar) else None


def root(content: str) -> Any:
    """The only document of a text without problems."""
    found, problems = parse(content)
    assert not problems, [line(problem) for problem in problems]
    (document,) = found
    return plain(document.root)


def said(content: str | bytes) -> list[str]:
    return [line(problem).removeprefix("a.yaml:") for problem in parse(content)[1]]
