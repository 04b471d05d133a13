"""The keys of task files and stack files, from the table that the reader and the JSON Schema share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowplan.config import keys
from flowplan.config.keys.kinds import Either, Key, Keys, Kind, ListOf, Named, Value, Within
from reference.markup import code, fence, plain, slug, table

TASK, STACK = "reference/task-file.md", "reference/stack-file.md"
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
_TYPES |= {"object": "mapping", "null": ""}


def pages() -> dict[str, str]:
    task = {id(one): (TASK, name) for name, one in _mappings("", keys.TASK)}
    stack = {id(one): (STACK, name) for name, one in _mappings("", keys.STACK_FILE) if id(one) not in task}
    places = {**stack, **task}
    return {
        TASK: _page("Keys of a task file", _TASK, keys.TASK, TASK, places),
        STACK: _page("Keys of a stack file", _STACK, keys.STACK_FILE, STACK, places),
    }


_TASK = """A task file is Foundry's own format; its `version` is anything but 2. Keys that begin with `x-` are ignored,
at every level. Editors read the same from `flowplan schema`, as a JSON Schema.
"""
_STACK = """A file with `version: 2` is a stack file ([how it works](../stack.md)). A value may be a `${...}`, except in
`version` and in `variables`. Keys that begin with `x-` are ignored, at every level.
"""


def _mappings(path: str, known: Keys) -> Iterator[tuple[str, Keys]]:
    """Every mapping of a file, each with its path, the outermost first; one that occurs again only once."""
    seen: dict[int, tuple[str, Keys]] = {}
    waiting = [(path, known)]
    while waiting:
        name, one = waiting.pop(0)
        if id(one) not in seen:
            seen[id(one)] = (name, one)
            fields = sorted(one.fields.items(), key=lambda item: item[0] == "defaults")  # it has what tasks have
            waiting += [below for key, field in fields for below in _within(_join(name, key), field.kind)]
    yield from seen.values()


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _within(path: str, kind: Kind) -> Iterator[tuple[str, Keys]]:
    if isinstance(kind, Within):
        yield path, kind.keys
    elif isinstance(kind, ListOf):
        yield from _within(path, kind.of)
    elif isinstance(kind, Named):
        yield from _within(_join(path, "NAME"), kind.of)
    elif isinstance(kind, Either):
        for one in kind.kinds:
            yield from _within(path, one)


Places = dict[int, tuple[str, str]]  # id of Keys -> the page, and the path in the file, where it is described


def _page(title: str, says: str, top: Keys, page: str, places: Places) -> str:
    parts = [f"# {title}\n", says]
    for path, one in _mappings("", top):
        if places[id(one)][0] == page:
            parts += [f"## {path or 'At the top'}\n", _table(one, page, places), fence("yaml", one.example)]
    return "\n".join(parts)


def _table(known: Keys, page: str, places: Places) -> str:
    return table(
        ("key", "what it is for", "value", "default"),
        (_row(name, key, name in known.required, page, places) for name, key in known.fields.items()),
    )


def _row(name: str, key: Key, required: bool, page: str, places: Places) -> tuple[str, ...]:
    default = "**required**" if required else code("" if key.default is None else _written(key.default))
    return code(name), plain(key.says), _value(key.kind, page, places), default


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(kind: Kind, page: str, places: Places) -> str:
    if isinstance(kind, Value):
        return _scalar(kind.schema)
    if isinstance(kind, Within):
        where, path = places[id(kind.keys)]
        file = "" if where == page else where.rpartition("/")[2]
        return f"mapping: [`{path or 'a task'}`]({file}#{slug(path or 'At the top')})"
    if isinstance(kind, ListOf):
        of = _value(kind.of, page, places) or "anything"
        return f"list of {of}" + (", or one alone" if kind.one else "")
    if isinstance(kind, Named):
        return f"names, each with: {_value(kind.of, page, places)}"
    found = [_value(one, page, places) for one in kind.kinds]
    return ", or ".join(dict.fromkeys(one for one in found if one))


def _scalar(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(code(str(one)) for one in dict.fromkeys(map(str, schema["enum"])))
    types = schema.get("type", "")
    if types == ["number", "string"]:
        return "number"
    names = [_TYPES[one] for one in ([types] if isinstance(types, str) else types) if one]
    within = f", {schema['minimum']} to {schema['maximum']}" if "minimum" in schema else ""
    return (" or ".join(one for one in names if one) + within) or ("anything" if not schema else "")
