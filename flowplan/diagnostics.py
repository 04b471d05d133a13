"""What is said of a configuration, with its place: positions and problems."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from attrs import frozen


@frozen(order=True)
class Position:
    """A place in a file: `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@frozen
class Problem:
    """One thing that is wrong (or doubtful): what, where, and what to do about it.

    `source` is the text of the line at `position`, for the caret; `also` names further places,
    each with what it is ("first given here").
    """

    summary: str
    position: Position | None = None
    hint: str | None = None
    detail: str | None = None
    severity: str = "error"
    source: str | None = None
    also: tuple[tuple[str, Position], ...] = ()
    code: str | None = None


def _by_position(problem: Problem) -> tuple[str, int, int]:
    place = problem.position
    return (place.file, place.line, place.column) if place else ("", 0, 0)


def candidates(wanted: str, names: Iterable[str]) -> str | None:
    """A hint that lists what there is, the likely one first."""
    known = sorted(set(names))
    if not known:
        return None
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    stem = re.split(r"[^a-z0-9]", wanted.lower())[0]
    alike = [name for name in known if stem and stem in name.lower()]
    shown = [*alike, *(name for name in known if name not in alike)][:12]
    listed = ", ".join(shown) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"did you mean {near[0]}? there are: {listed}" if near else f"there are: {listed}"
