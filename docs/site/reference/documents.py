"""What is printed as JSON, from the JSON Schemas of the documents."""

from __future__ import annotations

import json
from typing import Any

from flowplan.documents.schema import AMOUNT, SHAPES, Schema, schema_of
from reference.markup import code, plain, slug, table

HOME = "reference/json"
# Documents that are not called after the command that prints them.
_PRINTED_BY = {
    "event": "a line of `apply --json` and `destroy --json`",
    "failure": "a command that was asked for JSON and failed",
    "addresses": "`state list --format json`",
    "resource": "`state show --format json`",
    "state": "`show --format json` and `state pull`",
    "history": "`state history --format json`",
    "released": "`state rm --format json`",
    "recovered": "`recover --format json`",
    "rekeyed": "`state rekey --format json`",
    "books": "`simulator market --format json`",
    "offers": "`market --for FILE --format json`",
    "hook": "the stdin of a hook",
    "moved": "`state mv --format json`",
    "pushed": "`state push --format json`",
    "migrated": "`state migrate --format json`",
    "restored": "`state restore --format json`",
    "lock": "`lock show --format json`",
    "plan": "`plan --format json`, `plan --out FILE` and `show PLANFILE --format json`",
}


def pages() -> dict[str, str]:
    """An index, a page for each document, and its schema."""
    schemas = {name: schema_of(name) for name in SHAPES}
    made = {f"{HOME}/index.md": _index(schemas)}
    made |= {f"{HOME}/{name}.md": _page(name, schema) for name, schema in schemas.items()}
    return made | {f"{HOME}/{name}.schema.json": json.dumps(one, indent=1) for name, one in schemas.items()}


def _printed_by(name: str) -> str:
    return _PRINTED_BY.get(name, f"`{name} --format json`")


def _index(schemas: dict[str, Schema]) -> str:
    rows = ((f"[{name}]({name}.md)", _printed_by(name), f"[schema]({name}.schema.json)") for name in schemas)
    return (
        "# JSON documents\n\nMoney is text with a decimal number, in dollars; what is not known is null, never 0. How a"
        " failure is reported: [formats for programs](../../formats.md).\n\n" + table(("document", "of", ""), rows)
    )


def _page(name: str, schema: Schema) -> str:
    body = {key: one for key, one in schema.items() if key not in ("$schema", "title", "$defs")}
    parts = [
        f"# JSON: {name}\n",
        f"The JSON of {_printed_by(name)}: {_type(body)}. [JSON Schema]({name}.schema.json)\n",
    ]
    for title, one in _in_order(body, schema["$defs"]):
        said = [plain(one["description"]) + "\n"] if "description" in one else []
        parts += [f"## {title}\n", *said, _table(one)]
    return "\n".join(parts)


def _in_order(body: Schema, classes: dict[str, Schema]) -> list[tuple[str, Schema]]:
    """The classes of a document in the order in which somebody meets them who reads it from its beginning."""
    order: list[str] = []
    waiting = _named(body)
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            waiting += _named(classes[name])
    return [(name, classes[name]) for name in order]


def _named(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for one in schema for name in _named(one)]
    if not isinstance(schema, dict):
        return []
    here = [schema["$ref"].rpartition("/")[2]] if "$ref" in schema else []
    return here + [name for one in schema.values() for name in _named(one)]


def _table(schema: Schema) -> str:
    required = schema.get("required", ())
    rows = (
        (code(name), _type(one) + ("" if name in required else ", not always there"))
        for name, one in schema["properties"].items()
    )
    return table(("key", "value"), rows)


def _type(schema: Schema) -> str:
    if schema == AMOUNT:
        return "decimal"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{slug(name)})"
    if "enum" in schema:
        return ", ".join(code(json.dumps(one)) for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    return _plain_type(schema)


_NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def _plain_type(schema: Schema) -> str:
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object":
        return f"mapping of names to {_type(schema['additionalProperties'])}"
    return " or ".join(_NAMES.get(one, one) for one in ([kind] if isinstance(kind, str) else kind))
