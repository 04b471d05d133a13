"""What a mapping holds: each key once, and what `<<` merges into it. Pure."""

from __future__ import annotations

from typing import cast

from flowplan.config.yaml.nodes import KINDS, Broken, Kind, Mapping, Node, Scalar, Sequence, reached
from flowplan.config.yaml.text import Mark, Text, quoted
from flowplan.diagnostics import Position
from flowplan.patterns import regex
from flowplan.printable import shown

_NUMBER = 40  # characters; a longer one is none that somebody wrote
_BEFORE_COMMA = regex(r"(?<![\w.])([0-9]+), ?$")
_THOUSAND = 3  # digits behind a comma that groups them


def add_entry(text: Text, mapping: Mapping, key: Node, value: Node) -> None:
    """Put `key: value` into `mapping`; a key that is no text, or stands there already, is reported to `text`."""
    if not isinstance(key, Scalar):
        mapping.incomplete = True
        if not isinstance(key, Broken):
            problem_at(text, key.alias or key.start, f"a key must be text, not {KINDS[key.kind]}", code="key")
        return
    kind = key.kind
    if kind != "string":
        mapping.incomplete = True
        _odd_key(text, key, kind, value)
    elif key.text == "<<" and not key.style:
        if mapping.merges:
            problem_at(text, key.start, "<< is given twice", "merge a list: `<<: [*a, *b]`", code="duplicate-key")
        mapping.merges.append(value)
    elif key.text in mapping.entries:
        earlier = mapping.entries[key.text][0]
        first = text.position(earlier.alias or earlier.start)
        summary = f"the key {quoted(key.text)} is given twice"
        also = (("first given here", first),)
        problem_at(text, key.alias or key.start, summary, "keep one of the two", code="duplicate-key", also=also)
    else:
        mapping.entries[key.text] = (key, value)


def _odd_key(text: Text, key: Scalar, kind: Kind, value: Node) -> None:
    name = shown(key.text)
    if kind == "null":
        problem_at(text, key.start, "this key is empty", "write a name before the ':'", code="key")
        return
    hint = f"quote it: '{name}'"
    before = _BEFORE_COMMA.search(text.content[: key.start.index][-_NUMBER:])
    if kind == "int" and before is not None and isinstance(value, Scalar) and value.kind == "null":
        whole, digits = before[1], key.text
        number = f"{whole}{digits}" if len(digits) == _THOUSAND else f"{whole}.{digits}"
        hint = f"between braces a comma begins the next key: write {shown(number)}"
    elif kind == "int" and isinstance(value, Scalar) and value.kind == "int":
        hint = f'if this maps a port, write "{name}:{shown(value.text)}", without the space'
    problem_at(text, key.start, f"a key must be text, but {name} is {KINDS[kind]}", hint, code="key")


def merge(text: Text, mapping: Mapping) -> None:
    """`<<`: the mapping's own keys win, then the earlier of those merged."""
    sources: list[Node] = []
    for merged in mapping.merges:
        sources += merged.items if isinstance(merged, Sequence) else [merged]
    mapping.merges = []
    for source in sources:
        if isinstance(source, Mapping):
            through = source.through or ("merged here", source.alias or source.start)
            for name, (key, value) in source.entries.items():
                if name not in mapping.entries:
                    mapping.entries[name] = (cast(Scalar, reached(key, through)), reached(value, through))
        elif not isinstance(source, Broken):
            mark, hint = source.alias or source.start, "write `<<: *name`, the name of an anchor"
            problem_at(text, mark, f"<< merges mappings, but this is {KINDS[source.kind]}", hint, code="alias")


def problem_at(
    text: Text,
    mark: Mark,
    summary: str,
    hint: str | None = None,
    *,
    code: str,
    also: tuple[tuple[str, Position], ...] = (),
) -> None:
    """Report something at `mark`, or at the end of what is written where that is behind it."""
    text.problem(text.inside(mark), summary, hint, code=code, also=also)
