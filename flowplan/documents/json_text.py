"""A document as indented JSON: what `json.dumps` makes with an indent of 2, in less time. Pure.

The encoder in C makes no indented text, and the one in Python yields piece after piece through every level.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _text
from typing import Any

_plain = json.JSONEncoder().encode


def dumps(body: Mapping[str, object]) -> str:
    """A document as it is printed and saved. Every key is a string."""
    return _indented(body, "\n") + "\n"


def _indented(value: Any, start: str) -> str:
    """`value`, whose last line begins with `start`."""
    if not isinstance(value, (dict, list, tuple)) or not value:
        return _plain(value)
    inside = start + "  "
    if isinstance(value, dict):
        items = [
            f"{_text(key)}: {_text(one) if type(one) is str else _indented(one, inside)}" for key, one in value.items()
        ]
        return f"{{{inside}{f',{inside}'.join(items)}{start}}}"
    items = [_text(one) if type(one) is str else _indented(one, inside) for one in value]
    return f"[{inside}{f',{inside}'.join(items)}{start}]"
