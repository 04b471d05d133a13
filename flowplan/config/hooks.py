"""`hooks` of a stack file -> commands; every problem with its place. Pure."""

from __future__ import annotations

from flowplan.config import keys
from flowplan.config.keys.hooks import LONGEST
from flowplan.config.section import Section, open_section
from flowplan.config.values import as_text, items, whole
from flowplan.config.yaml import KINDS, Document, Node
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.model.hooks import EVENTS, TIMEOUT, Event, Hook


def read_hooks(document: Document, node: Node) -> list[Hook]:
    """The commands that `node` holds; its problems are reported."""
    section = open_section(document, node, "hooks", keys.HOOKS)
    found = [] if section is None else [_hook(section, event) for event in EVENTS]
    return [one for one in found if one is not None]


def _hook(section: Section, event: Event) -> Hook | None:
    node = section.get(event)
    if node is None:
        return None
    inner = section.within(event, keys.HOOK) if isinstance(node, MappingNode) else None
    of = node if inner is None else inner.get("command")
    timeout = None if inner is None else whole(inner, "timeout", 1, LONGEST, "seconds")
    if of is None:
        if inner is not None and inner.lacks("command"):
            hint = "add command: [./notify.sh]"
            section.document.problem(node, f"{inner.title} has no command", hint, code="missing")
        return None
    command = _command(section, of, section.name(event) if inner is None else inner.name("command"))
    return Hook(event, command, timeout or TIMEOUT, section.document.position(of)) if command else None


def _command(section: Section, node: Node, name: str) -> tuple[str, ...]:
    """A program and its arguments; () where that is not clear."""
    if not isinstance(node, SequenceNode):
        summary = f"{name} must be a list, not {KINDS[node.kind]}"
        section.document.problem(node, summary, "write the program and each argument: [./notify.sh, ops]", code="type")
        return ()
    found = [as_text(section.document, one, name) for one in items(section.document, node, name)]
    texts = tuple(one.text for one in found if one is not None)
    wrong = next((one for one in found if one is not None and "\0" in one.text), None)
    if wrong is not None or (texts and not texts[0].strip()):
        section.document.problem(wrong or node, f"{name} names no program", "write [./notify.sh]", code="value")
        return ()
    return texts if len(texts) == len(node.items) else ()
