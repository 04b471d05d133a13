"""Files whose layout changes -> their names, or what changes in them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff

from flowplan.documents.fmt import LaidOut
from flowplan.masking import masked
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint


def names(files: Sequence[LaidOut], _: Paint) -> str:
    """A line for each."""
    return "".join(f"{shown(file.name)}\n" for file in files)


def diff(files: Sequence[LaidOut], paint: Paint) -> str:
    """A unified diff for each; what looks like a credential is masked."""
    return "".join(_diff(file, paint) for file in files)


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def _diff(file: LaidOut, paint: Paint) -> str:
    before, after = file.data.decode("utf-8-sig").splitlines(), file.text.splitlines()
    name = shown(file.name)
    lines = list(unified_diff(before, after, name, name, lineterm=""))
    if not lines:
        return f"{name}: line ends or the end of the file\n"
    head, rest = lines[:2], lines[2:]
    return "".join(f"{line}\n" for line in [*head, *(paint(masked(one), *_colour(one)) for one in rest)])


def _colour(line: str) -> tuple[str, ...]:
    return (_COLOURS[line[0]],) if line[0] in _COLOURS else ()
