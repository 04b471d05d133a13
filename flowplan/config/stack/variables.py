"""Variables of a stack: what is declared, and the values that it is given. Pure.

A value is a node, as if it stood where `${var.NAME}` does: what reads it need not know, and its problems have a place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import attrs
from attrs import field

from flowplan.classes import define, frozen
from flowplan.config import keys
from flowplan.config.config import Source
from flowplan.config.section import open_section
from flowplan.config.stack.given import Given
from flowplan.config.values import choice, flag, prose
from flowplan.config.yaml import (
    KINDS,
    Broken,
    Document,
    Findings,
    Kind,
    Node,
    Scalar,
    Sequence,
    Text,
    carried,
    documents,
    mark_at,
    quoted,
    read_text,
    scalars,
)
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import Diagnostic, candidates, looks_like
from flowplan.model.given import GivenValue
from flowplan.patterns import regex

Type: TypeAlias = Literal["string", "int", "number", "bool", "list", "map"]
NAME = regex(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
NAME_HINT = "a name has letters, digits and _, and begins with no digit"
TYPES: tuple[Type, ...] = ("string", "int", "number", "bool", "list", "map")
ENVIRONMENT = "FLOWPLAN_VAR_"
# What kind of node is a value of each type.
_KINDS: Mapping[Type, tuple[Kind, ...]] = {
    "string": ("string",),
    "int": ("int",),
    "number": ("int", "float"),
    "bool": ("bool",),
    "list": ("list",),
    "map": ("mapping",),
}
_LIKE: Mapping[Type, str] = {
    "string": "text, such as us-central1-b",
    "int": "a whole number, such as 500",
    "number": "a number, such as 17.92",
    "bool": "true or false",
    "list": "a list, such as [a, b]",
    "map": "a mapping, such as {a: 1, b: 2}",
}
# What a sensitive variable without a value is taken for where files are only checked: text, whatever its type, since it
# may stand only where it becomes text. It is hidden as any such value, so it is nothing that a file has by chance.
_STAND_IN = "a-value-that-is-not-given"
_TYPE_OF: Mapping[Kind, Type] = {
    "int": "int",
    "float": "number",
    "bool": "bool",
    "list": "list",
    "mapping": "map",
}


@frozen
class Variable:
    """A declared variable and its value, None: a problem was reported. `value` may be used in documents of any text."""

    name: str
    type: Type
    sensitive: bool
    value: Node | None = field(repr=False)
    given: GivenValue | None = field(default=None, repr=False)  # None: it has its default


@define(eq=False)
class Ungiven(MappingNode):
    """A map whose value is not given: `entry` stands in for any entry of it, at any depth."""

    entry: Scalar | None = None


@define(eq=False)
class _Declared:
    """A variable as it is declared."""

    document: Document
    key: Scalar
    type: Type | None
    sensitive: bool
    default: Node | None
    faulty: bool = False  # a problem of its type or its default was reported


def read_variables(sections: Iterable[tuple[Document, Node]], given: Given, findings: Findings) -> dict[str, Variable]:
    """The variables that `sections` (each `variables` of one document) declare, with the values that win. Problems are
    reported; the values of sensitive ones are hidden in every later one."""
    declared: dict[str, _Declared] = {}
    for document, node in sections:
        if not isinstance(node, MappingNode):
            document.problem(node, f"variables must be a mapping, not {KINDS[node.kind]}", _EXAMPLE, code="type")
            continue
        for name in node.entries:
            _declare(document, node, name, declared)
    values = _Values(declared, given, findings)
    found = {name: values.of(name, one) for name, one in declared.items()}
    values.refuse_unknown()
    return found


_EXAMPLE = f"write {keys.VARIABLE.example}"


def _declare(document: Document, node: MappingNode, name: str, declared: dict[str, _Declared]) -> None:
    key, value = node.key(name), node.value(name)
    if not NAME.fullmatch(name):
        document.problem(key, f"{quoted(name)} is not a name of a variable", NAME_HINT, code="value")
        return
    if name in declared:
        first = declared[name]
        also = (("first declared here", first.document.text.position(first.key.start)),)
        summary = f"variable {name} is declared twice"
        document.text.problem(document.position(key), summary, "keep one of the two", code="duplicate", also=also)
        return
    section = None
    if isinstance(value, MappingNode):
        section = open_section(document, value, f"variables.{name}", keys.VARIABLE)
    elif not (isinstance(value, Scalar) and value.is_null):
        hint = f"write {{type: ..., default: ...}}: {name} is declared here, and its value is its default"
        document.problem(value, f"variables.{name} must be a mapping, not {KINDS[value.kind]}", hint, code="type")
        declared[name] = _Declared(document, key, None, False, Broken(value.start), faulty=True)
        return
    if section is None:
        declared[name] = _Declared(document, key, None, False, None)
        return
    default, sensitive = section.node.get("default"), flag(section, "sensitive")
    if sensitive and default is not None:
        document.text.findings.secrets.update(one.text for one in scalars(default))
    prose(section, "description")
    kind = choice(section, "type", TYPES)
    if kind is None and not section.has("type") and default is not None:
        kind = _TYPE_OF.get(default.kind, "string")
    faulty = "default" in section.misspelt or (kind is None and not section.lacks("type"))
    declared[name] = _Declared(document, key, kind, sensitive, default, faulty)


@define(eq=False)
class _Values:
    """The values that are given, by precedence: --var, --var-file, the environment, the default."""

    declared: Mapping[str, _Declared]
    given: Given
    findings: Findings
    filed: dict[str, tuple[Document, Scalar, Node]] = field(init=False)
    unread: bool = field(init=False)  # whether a --var-file could not be read
    meant: set[str | None] = field(init=False)  # what names that nobody declares were probably meant to be

    def __attrs_post_init__(self) -> None:
        before = len(self.findings.all)
        self.filed = {name: one for source in self.given.files for name, one in _in_file(source, self.findings).items()}
        self.unread = any(one.severity == "error" for one in self.findings.all[before:])
        unknown = {*self.given.options, *self.filed} - self.declared.keys()
        self.meant = {looks_like(name, self.declared) for name in unknown}

    def of(self, name: str, declared: _Declared) -> Variable:
        kind: Type = declared.type or "string"
        if declared.faulty and declared.type is None:
            return Variable(name, kind, declared.sensitive, None)
        found = self._value(name, kind, declared)
        if found is not None and declared.sensitive:
            self._hide(found)
        return Variable(name, kind, declared.sensitive, found, self._given(name, kind, declared, found))

    def _given(self, name: str, kind: Type, declared: _Declared, found: Node | None) -> GivenValue | None:
        """How the value came from outside; None: it did not, or there is none."""
        outside = name in self.given.options or name in self.filed or self._exported(name) != ""
        if found is None or not (outside or name in self.given.saved):
            return None
        if declared.sensitive:
            return GivenValue(None)
        default = None if declared.default is None else _written(declared.default, bare=kind == "string")
        return GivenValue(_written(found, bare=kind == "string"), default)

    def _exported(self, name: str) -> str:
        """What the environment gives; "": nothing, as CI leaves a secret empty that it does not pass on."""
        return self.given.environ.get(ENVIRONMENT + name, "")

    def _value(self, name: str, kind: Type, declared: _Declared) -> Node | None:
        if name in self.given.options:
            return self._typed(f"--var {name}", self.given.options[name], kind, declared)
        if name in self.filed:
            document, _, node = self.filed[name]
            return _checked(document, node, name, kind, declared.sensitive, self.findings)
        if exported := self._exported(name):
            return self._typed(ENVIRONMENT + name, exported, kind, declared)
        if name in self.given.saved:
            return self._typed(f"{name}, as the saved plan has it", self.given.saved[name], kind, declared)
        if declared.default is not None:
            return _checked(declared.document, declared.default, name, kind, declared.sensitive, self.findings)
        if declared.faulty or name in self.meant or self.unread:
            return None
        if declared.sensitive:  # neither in this file, nor in the list of processes
            hint = f"{ENVIRONMENT}{name}, or a line `{name}: VALUE` in a --var-file that you keep out of Git"
        else:
            hint = f"--var {name}=VALUE, a line `{name}: VALUE` in a --var-file, {ENVIRONMENT}{name}, or a default here"
        if ENVIRONMENT + name in self.given.environ:
            hint = f"{ENVIRONMENT}{name} is empty, which counts as not set; give it with {hint}"
        if declared.sensitive and self.given.checked_alone:
            summary = f"variable {name} has no value; it is sensitive, so the rest is checked without it"
            declared.document.problem(declared.key, summary, hint, code="variable-missing", severity="warning")
            return _stand_in(kind, declared)
        declared.document.problem(declared.key, f"variable {name} has no value", hint, code="variable-missing")
        return None

    def _typed(self, where: str, written: str, kind: Type, declared: _Declared) -> Node | None:
        """The text of an option or of the environment as a value of this type."""
        if declared.sensitive and written:
            self.findings.secrets.add(written)
        text = read_text(where, written.encode("utf-8", "surrogateescape"), self.findings)
        if text is None:
            return None
        if kind == "string":
            mark = mark_at(text.content, 0)
            return carried(Scalar(written, '"', mark, mark), text)
        document = _only_document(text, f"write {_LIKE[kind]}")
        if document is None:
            return None
        return _checked(document, document.root, declared.key.text, kind, declared.sensitive, self.findings)

    def _hide(self, node: Node) -> None:
        """Let no problem show a text that is in `node`."""
        for one in scalars(node):
            self.findings.secrets.add(one.text)

    def refuse_unknown(self) -> None:
        """Report values of variables that nobody declares."""
        for name in self.given.options:
            if name not in self.declared:
                hint = candidates(name, self.declared) or "no stack file here declares variables"
                summary = f"--var {name}: no variable of this name is declared"
                self.findings.add(Diagnostic("variable-unknown", summary, hint))
        for name, (document, key, _) in self.filed.items():
            if name not in self.declared:
                near = looks_like(name, self.declared)
                hint = f"did you mean {near}?" if near else "declare it under `variables`, or delete the line"
                document.problem(key, f"no variable {quoted(name)} is declared", hint, code="variable-unknown")


def _stand_in(kind: Type, declared: _Declared) -> Node:
    key, home = declared.key, declared.document.text
    text = carried(Scalar(_STAND_IN, '"', key.start, key.end), home)
    if kind == "list":
        return carried(Sequence(key.start), home)
    return Ungiven(text.start, entry=text) if kind == "map" and isinstance(text, Scalar) else text


def _in_file(source: Source, findings: Findings) -> dict[str, tuple[Document, Scalar, Node]]:
    """NAME -> its place and value in a --var-file."""
    text = read_text(source.name, source.data, findings)
    found: dict[str, tuple[Document, Scalar, Node]] = {}
    for document in documents(text, required=False) if text is not None else ():
        root = document.root
        if not isinstance(root, MappingNode):
            hint = "write a line NAME: VALUE for each variable"
            document.problem(root, f"a file of variables must be a mapping, not {KINDS[root.kind]}", hint, code="type")
            continue
        found.update({name: (document, root.key(name), root.value(name)) for name in root.entries})
    return found


def _only_document(text: Text, hint: str) -> Document | None:
    """The document of a value; None where there is not exactly one, which is reported with `hint`."""
    before = len(text.findings.all)
    found = list(documents(text, required=False))
    if len(found) != 1 and len(text.findings.all) == before:
        text.problem(text.position(mark_at(text.content, 0)), "this is not a value", hint, code="variable-type")
    return found[0] if len(found) == 1 else None


def written(node: Node) -> str:
    """`node` as --var takes it, whatever the type of its variable."""
    return _written(node, bare=False)


def _written(node: Node, *, bare: bool) -> str:
    """`node` as --var takes it. `bare`: a text stands as it is."""
    if isinstance(node, Scalar):
        if node.kind == "string":
            return node.text if bare else json.dumps(node.text, ensure_ascii=False)
        return "null" if node.is_null else node.text
    if isinstance(node, Sequence):
        return f"[{', '.join(_written(one, bare=False) for one in node.items)}]"
    if isinstance(node, MappingNode):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}: {_written(node.value(key), bare=False)}" for key in node.entries
        )
        return f"{{{', '.join(pairs)}}}"
    return ""


def _checked(document: Document, node: Node, name: str, kind: Type, sensitive: bool, findings: Findings) -> Node | None:
    """`node` as a value of this type; None when it is none, which is reported."""
    if sensitive:
        findings.secrets.update(one.text for one in scalars(node))
    hint: str | None = None
    if kind == "string" and isinstance(node, Scalar) and node.kind in ("int", "float", "bool"):
        hint = f'put it in quotes: "{node.text}", or declare another type'
    elif node.kind in _KINDS[kind]:
        return carried(node, document.text)
    elif isinstance(node, Scalar) and node.style in ("'", '"') and attrs.evolve(node, style="").kind in _KINDS[kind]:
        hint = f"quotes make it text: write {node.text}"
    else:
        hint = f"write {_LIKE[kind]}"
    if node.kind != "broken":
        summary = f"variable {name} has the type {kind}, but this is {KINDS[node.kind]}"
        document.problem(node, summary, hint, code="variable-type")
    return None
