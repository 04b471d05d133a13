"""`for_each`: several of one task or volume, each with a key of its own. Pure."""

from __future__ import annotations

import re
from typing import TypeGuard

from flowplan.config.stack.substitution import Each
from flowplan.config.yaml import KINDS, Document, Node, Scalar, Sequence, quoted
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.patterns import regex

KEY = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_EXAMPLE = "write for_each: [a, b], or a mapping of keys to values"


def instances_of(document: Document, node: Node) -> list[Each]:
    """The instances that `node`, the value of a for_each, makes: of a list each item is key and value. Problems are
    reported."""
    if isinstance(node, MappingNode):
        pairs: list[tuple[Node, Node]] = [(node.key(name), node.value(name)) for name in node.entries]
    elif isinstance(node, Sequence):
        pairs = [(item, item) for item in node.items]
    else:
        if node.kind != "broken":
            summary = f"for_each must be a list or a mapping, not {KINDS[node.kind]}"
            document.problem(node, summary, _EXAMPLE, code="type")
        return []
    found: dict[str, tuple[Node, Each]] = {}
    for key, value in pairs:
        if not _is_key(key, document):
            continue
        text = key.text
        if text in found:
            also = (("first given here", found[text][0]),)
            summary = f"for_each has the key {quoted(text)} twice"
            document.problem(key, summary, "each instance needs a key of its own", code="for-each", also=also)
            continue
        found[text] = (key, Each(text, value, key))
    return [each for _, each in found.values()]


def holds_nothing(node: Node) -> bool:
    """Whether `node`, the value of a for_each, makes no instance, and rightly so."""
    return not (node.entries if isinstance(node, MappingNode) else node.own if isinstance(node, Sequence) else [node])


def _is_key(node: Node, document: Document) -> TypeGuard[Scalar]:
    if not isinstance(node, Scalar) or node.kind not in ("string", "int"):
        if node.kind != "broken":
            hint = "to give each instance more than a key, write a mapping: {a: {...}, b: {...}}"
            document.problem(node, f"a key of for_each must be text, not {KINDS[node.kind]}", hint, code="for-each")
        return False
    if not KEY.fullmatch(node.text):
        hint = "letters, digits and . _ - beginning with a letter or a digit, at most 63: it becomes part of a name"
        document.problem(node, f"{quoted(node.text)} cannot be a key of for_each", hint, code="for-each")
        return False
    return True
