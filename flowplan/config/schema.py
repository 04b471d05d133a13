"""The keys of task files and stack files -> one JSON Schema (draft-07), for editors and other programs. Pure.

It says what a schema can say: every key, the kind of its value, the words it may be. What only the reader can tell
(grammars, sums, what must agree) it lets pass, and it refuses nothing that the reader takes.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import evolve, field

from flowplan.classes import frozen
from flowplan.config import keys
from flowplan.config.keys.kinds import Key, Keys, Kind, ListOf, Named, Value, Within

Schema: TypeAlias = dict[str, object]
_LATER: Schema = {"type": "string", "pattern": r"\$\{"}  # what a stack fills in before it is read
_NOTHING: Schema = {"type": "null"}
_IGNORED = "^x-"  # a place to hang anchors on
_AS_WRITTEN = ("version", "state", "variables")  # keys of a stack in whose values nothing is filled in


def schema() -> Schema:
    """The schema of a document: `version: 2` is a stack file, everything else a task file."""
    definitions: Schema = {}
    task, stack = _Maker(definitions, "task"), _Maker(definitions, "stack", later=True)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flowplan: a task file or a stack file",
        "type": "object",
        "if": {"properties": {"version": {"enum": [2, "2"]}}, "required": ["version"]},
        "then": stack.mapping("file", keys.STACK_FILE),
        "else": task.mapping("file", keys.TASK),
        "definitions": dict(sorted(definitions.items())),
    }


@frozen
class _Maker:
    """Makes schemas of kinds. Those of mappings are put into `definitions`, each once, under names that begin with
    `format`. `later`: a value may be a `${...}`. `merged`: what is missing may stand in the defaults of the stack."""

    definitions: Schema = field(repr=False)
    format: str
    later: bool = False
    merged: bool = False

    def mapping(self, name: str, known: Keys) -> Schema:
        """A reference to the schema of a mapping with these keys."""
        title = f"{self.format}.{name}"
        if title not in self.definitions:
            merged = self.merged or known is keys.STACK_TASK
            made: Schema = {
                "type": "object",
                "properties": {key: evolve(self, merged=merged).key(key, one) for key, one in known.fields.items()},
                "patternProperties": {_IGNORED: {}},
                "additionalProperties": False,
            }
            self.definitions[title] = made if merged or not known.required else {**made, "required": [*known.required]}
        return {"$ref": f"#/definitions/{title}"}

    def key(self, name: str, key: Key) -> Schema:
        """The schema of the value of a key."""
        made = (evolve(self, later=False) if name in _AS_WRITTEN else self).kind(name, key.kind)
        made = {"allOf": [made]} if "$ref" in made else made  # draft-07 ignores what stands beside a reference
        return {"description": key.says, **made, **({} if key.default is None else {"default": key.default})}

    def kind(self, name: str, kind: Kind) -> Schema:
        """The schema of a value of this kind. `name`: the key that has it."""
        if isinstance(kind, Value):
            return self._filled(kind.schema)
        if isinstance(kind, Within):
            made = self._filled(self.mapping(name, kind.keys))
            return _any(made, _NOTHING) if kind.empty else made
        if isinstance(kind, ListOf):
            return self._list(name, kind)
        if isinstance(kind, Named):
            of = self.kind(name, kind.of)
            of = _any(of, _NOTHING) if kind.bare else of
            named: Schema = {"type": "object", "patternProperties": {kind.names: of}, "additionalProperties": False}
            return self._filled(named) if self.merged else named
        return _any(*(self.kind(name, one) for one in kind.kinds))

    def _list(self, name: str, kind: ListOf) -> Schema:
        item = self.kind(name, kind.of)
        several = self._filled({"type": "array", "items": item, "minItems": kind.least})
        alone = [item] if kind.one else []
        return _any(several, *alone, *([_NOTHING] if kind.empty else []))

    def _filled(self, made: Schema) -> Schema:
        """`made`, or what is filled in later."""
        taken = made.get("type", "")
        is_text = isinstance(taken, str | list) and "string" in taken
        return made if not self.later or not made or is_text else _any(made, _LATER)


def _any(*schemas: Schema) -> Schema:
    """A value of any of these, each said once."""
    found: list[object] = []
    for one in schemas:
        alternatives = one["anyOf"] if one.keys() == {"anyOf"} else [one]
        found += [each for each in (alternatives if isinstance(alternatives, list) else []) if each not in found]
    return {"anyOf": found} if len(found) > 1 else dict(schemas[0])
