"""What a stack reports: a value, and what is filled in once it is known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from flowplan.config import keys
from flowplan.config.config import OutputWanted
from flowplan.config.section import open_section
from flowplan.config.stack.names import Names
from flowplan.config.stack.substitution import Scope
from flowplan.config.stack.variables import NAME, NAME_HINT
from flowplan.config.values import flag, prose
from flowplan.config.yaml import KINDS, Document, Node, Scalar, Secretive, quoted
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import Position, candidates
from flowplan.model.address import Address
from flowplan.model.outputs import ATTRIBUTES, references


def read_outputs(document: Document, node: Node, scope: Scope, found: dict[str, OutputWanted]) -> None:
    """Add the outputs that `node`, the section of one document, declares. Problems are reported."""
    if not isinstance(node, MappingNode):
        hint = f"write {keys.OUTPUT.example}"
        document.problem(node, f"outputs must be a mapping, not {KINDS[node.kind]}", hint, code="type")
        return
    for name in node.entries:
        key = node.key(name)
        if not NAME.fullmatch(name):
            document.problem(key, f"{quoted(name)} is not a name of an output", NAME_HINT, code="value")
        elif name in found:
            also = (("first given here", found[name].source),)
            summary = f"output {name} is given twice"
            document.text.problem(document.position(key), summary, "keep one of the two", code="duplicate", also=also)
        else:
            _read(document, name, key, node.value(name), scope, found)


def unknown_references(
    outputs: Mapping[str, OutputWanted], known: Collection[Address], declared: Names
) -> Iterator[tuple[Position, str, str | None]]:
    """What outputs name and nothing is, each with its place, summary and hint. `known`: every task and volume;
    `declared`: their names, also of those that are faulty."""
    bases = {(one.kind, one.base) for one in (*known, *declared.empty)}
    for output in outputs.values():
        for one in references(output.template):
            word = "task" if one.address.kind == "bid" else "volume"
            explained = declared.explain(one.address)
            if not explained and one.address not in known and (one.address.kind, one.address.name) not in bases:
                names = (other.name for other in known if other.kind == one.address.kind)
                hint = candidates(one.address.name, names)
                yield output.source, f"output {output.name} names {word}.{one.address.name}, which does not exist", hint
            elif not explained and one.address not in known and not _is_alone(output.template):
                hint = f'name one of them, {word}.{one.address.name}["KEY"]; alone, it gives all of them by key'
                yield (
                    output.source,
                    f"output {output.name}: {word}.{one.address.name} has several instances, "
                    "so it cannot be part of text",
                    hint,
                )
            elif one.attribute not in ATTRIBUTES[one.address.kind]:
                hint = candidates(one.attribute, ATTRIBUTES[one.address.kind])
                yield output.source, f"output {output.name}: a {word} has no attribute {one.attribute}", hint


def _is_alone(template: str) -> bool:
    """Whether a template is nothing but one reference."""
    return template.startswith("${") and template.find("}") == len(template) - 1


def _read(document: Document, name: str, key: Scalar, node: Node, scope: Scope, found: dict[str, OutputWanted]) -> None:
    description, sensitive, value = "", False, node
    if isinstance(node, MappingNode):
        section = open_section(document, node, f"outputs.{name}", keys.OUTPUT)
        if section is None:
            return
        description, sensitive = prose(section, "description"), flag(section, "sensitive")
        inner = section.get("value")
        if inner is None:
            if section.lacks("value"):
                document.problem(key, f"output {name} has no value", f"write {keys.OUTPUT.example}", code="missing")
            return
        value = inner
    made = scope.replaced(value, ("outputs", name))
    if not isinstance(made, Scalar) or made.is_null:
        if made.kind != "broken":
            summary = f"the value of output {name} must be text, not {KINDS[made.kind]}"
            document.problem(value, summary, code="type")
        return
    if isinstance(made, Secretive) and not sensitive:
        hint = f"write {{value: ..., sensitive: true}} for {name}"
        document.problem(value, f"output {name} holds the value of a sensitive variable", hint, code="sensitive")
        return
    found[name] = OutputWanted(name, made.text, description, sensitive, document.position(key))
