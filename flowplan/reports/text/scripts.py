"""The startup script of a bid that is placed, below its fields: what differs from the one that runs, or all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowplan.printable import shown
from flowplan.reports.text.paint import LONGEST_LINE, Paint, columns, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry, Running

_INDENT = "        "
_HEAD, _TAIL = 40, 20  # lines of a long script that are shown unless everything is
_PIECES = 4  # lines that one line of a script may take
_SAYS: dict[Running, str] = {
    "new": "startup script{size}:",
    "none": "startup script{size}; what runs has none:",
    "same": "startup script: the one that runs, unchanged",
    "differs": "startup script, beside the one that runs:",
    "rewritten": "startup script{size}, with little of the one that runs:",
    "unknown": "startup script{size}; the API does not show the one that runs, so this is the whole new one:",
}


def script_of(entry: Entry, paint: Paint) -> list[str]:
    """Its lines; none where scripts were not asked for, or it is no bid that is placed."""
    if entry["type"] != "bid" or "script" not in entry:
        return []
    running, lines = entry["script"]["running"], entry["script"]["lines"]
    if not lines and running != "same":
        return ["      startup script: none"]
    size = f" ({len(lines):,} line{'' if len(lines) == 1 else 's'})"
    head = wrapped(paint(_SAYS[running].format(size=size), "cyan"), "      ", "        ", paint.width)
    diff = running == "differs"
    return [*head, *(line for one in _folded(lines, paint) for line in _line(one, paint, diff=diff))]


def _folded(lines: Sequence[str], paint: Paint) -> Iterator[str]:
    """The first and the last of many, and how many stand between."""
    left = len(lines) - _HEAD - _TAIL
    if left <= 1 or paint.verbose:
        yield from lines
        return
    yield from lines[:_HEAD]
    yield f"@@ {left:,} more lines; --verbose shows them @@"
    yield from lines[-_TAIL:]


def _line(line: str, paint: Paint, *, diff: bool) -> Iterator[str]:
    """A line in pieces that fit the width: what a terminal would obey is escaped, and its indentation stays."""
    sign, text = line[:1], line[1:]
    if sign == "@":
        yield f"{_INDENT}{paint(shown(line, LONGEST_LINE), 'dim')}"
        return
    mark = f"{sign} " if diff else "| "
    pieces = list(_pieces(shown(text.expandtabs(4), LONGEST_LINE), paint.width - len(_INDENT) - 2))
    if len(pieces) > _PIECES and not paint.verbose:
        pieces = [*pieces[: _PIECES - 1], f"{paint.dots} ({len(text):,} characters)"]
    for number, piece in enumerate(pieces):
        first = mark if number == 0 else "  " if diff else "| "
        yield (
            _INDENT + paint.symbol(sign) + first[1:] + piece
            if diff and sign != " " and not number
            else f"{_INDENT}{first}{piece}"
        ).rstrip()


def _pieces(text: str, width: int) -> Iterator[str]:
    """`text` in pieces of at most `width` columns; an empty line is one, too."""
    piece, taken = "", 0
    for char in text if columns(text) > width else ():
        wide = columns(char)
        if taken + wide > width:
            yield piece
            piece, taken = "", 0
        piece, taken = piece + char, taken + wide
    yield piece or text
