"""Values -> YAML text that any parser reads alike. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from flowplan.patterns import regex

Value: TypeAlias = "str | int | bool | Decimal | Mapping[str, Value] | Sequence[Value]"
_PLAIN = regex(r"[A-Za-z][A-Za-z0-9_.-]*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))  # no texts, to one parser or another
_UNSEEN = regex(r"[\x7f-\xa0\u2028\u2029\ufeff]")  # what YAML takes for a line end, or does not allow as it is
# Lines that a literal block gives back exactly; the first must show how far it is indented.
_LITERAL = regex(r"[!-~][\t -~\w]*\n(?:[\t -~\w]*\n)*")


def mapping(values: Mapping[str, Value], indent: str = "") -> list[str]:
    """The lines of a mapping, `indent` before each; texts of several lines as they are, other lists in one."""
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{_scalar(key)}:", *mapping(value, f"{indent}  ")]
        elif isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(v, Mapping) for v in value):
            lines += [f"{indent}{_scalar(key)}:", *(f"{indent}  - {_flow(one)}" for one in value)]
        elif isinstance(value, str) and (block := _block(value)):
            lines += [f"{indent}{_scalar(key)}: {block}"]
            lines += [f"{indent}  {one}" if one else "" for one in value.splitlines()]
        else:
            lines.append(f"{indent}{_scalar(key)}: {_flow(value)}")
    return lines


def _block(text: str) -> str:
    """How a literal block begins that gives `text` back; "": none does, or it is one line."""
    if text.endswith("\n\n") or "\n" not in text:
        return ""
    closed = text.endswith("\n")
    return ("|" if closed else "|-") if _LITERAL.fullmatch(text if closed else f"{text}\n") else ""


def _flow(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: str | int | bool | Decimal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else _UNSEEN.sub(lambda one: f"\\u{ord(one[0]):04x}", json.dumps(value, ensure_ascii=False))
