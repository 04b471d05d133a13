"""Names and addresses as people read them: in natural order."""

from __future__ import annotations

import re
from typing import TypeAlias

_DIGITS = re.compile(r"([0-9]+)")
Natural: TypeAlias = tuple[tuple[int, str, str], ...]


def natural(name: str) -> Natural:
    """What names are sorted by: a-2 before a-10. Of one number in two spellings, that with more zeros is first."""
    return tuple(_part(one, index) for index, one in enumerate(_DIGITS.split(name)))


def _part(text: str, index: int) -> tuple[int, str, str]:
    """Every second part is a number: by its size, which is its length first."""
    digits = text.lstrip("0") if index % 2 else text
    return (len(digits) if index % 2 else 0, digits, text)
