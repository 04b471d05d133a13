"""The text of a state file, and its digest, which is of the same text. Pure.

A line for each resource, so that a change of one is a change of one line. Each line is a piece of the canonical JSON
that the digest is of (`model/digest.py`): it is made once for both, by the encoder in C, which makes no indented text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_as_it_is = json.JSONEncoder(separators=(",", ":")).encode
_IN_ORDER = ("outputs",)  # what keeps the order that somebody gave it
_DIGEST = "sha256"


def written(body: Mapping[str, Any]) -> bytes:
    """`body` as JSON, with its digest at the end: each key begins a line, and so does what stands in a list or an
    object below it."""
    said = {key: _said(value, _as_it_is if key in _IN_ORDER else _encode) for key, value in body.items()}
    ordered = {key: _encode(value) for key, value in body.items() if key in _IN_ORDER}
    digest = _digest_of({key: "".join(lines) for key, lines in said.items()} | ordered)
    entries = [f" {_encode(key)}: " + "\n  ".join(lines[:-1] or lines) + _closed(lines) for key, lines in said.items()]
    return ("{\n" + ",\n".join([*entries, f' "{_DIGEST}": "{digest}"']) + "\n}\n").encode()


def is_intact(data: bytes, body: Mapping[str, Any], stated: object) -> bool:
    """Whether the digest of `data`, which is read as `body`, is the one `stated`, by its lines as they are. False also
    where `written` has not made them: the digest of `body` decides then. Only blanks between values and the order of
    keys are left out: a text with the right digest says what the text did that it was made of."""
    if b"\n   " in data:  # an earlier flowplan indented every value
        return False
    said: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in data.decode("ascii", "replace").split("\n")[1:-2]:
        if line.startswith(' "'):
            key, colon, rest = line[2:].partition('": ')
            if not colon or key in said:
                return False
            lines = said[key] = [rest]
        else:
            lines.append(line.strip(" "))
    if said.keys() != {*body, _DIGEST} or list(said)[-1] != _DIGEST:
        return False
    del said[_DIGEST]
    ordered = {key: _encode(body[key]) for key in _IN_ORDER if key in body}
    return stated == _digest_of({key: "".join(lines).removesuffix(",") for key, lines in said.items()} | ordered)


def _said(value: Any, encode: Any) -> list[str]:
    """`value` in lines: what stands in it between its brackets, the commas included."""
    if isinstance(value, list) and value:
        return ["[", *_apart(map(encode, value)), "]"]
    if isinstance(value, dict) and value:
        pairs = value.items() if encode is _as_it_is else sorted(value.items())
        return ["{", *_apart(f"{encode(key)}:{encode(one)}" for key, one in pairs), "}"]
    return [encode(value)]


def _apart(items: Iterable[str]) -> list[str]:
    *others, last = items
    return [*(f"{one}," for one in others), last]


def _closed(lines: list[str]) -> str:
    return f"\n {lines[-1]}" if len(lines) > 1 else ""


def _digest_of(said: Mapping[str, str]) -> str:
    """The digest of a body, of the canonical JSON of each of its values."""
    whole = ",".join(f'"{key}":{said[key]}' for key in sorted(said))
    return hashlib.sha256(f"{{{whole}}}".encode()).hexdigest()
