"""Rows of cells -> lines that fit the width, whatever the cells hold."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.reports.text.paint import columns

_GAP = "  "


def lined(rows: Sequence[Sequence[str]], width: int, indent: str = "  ", *, last_left: bool = False) -> list[list[str]]:
    """The lines of each of `rows`, all of equal length. A row is one line where every row has room in `width`. Else its
    first cell stands alone, above the others; these take as many lines as they need, the same cells in the same line of
    each row. The first column is aligned left, the others right; the last one left, too, if `last_left`."""
    widths = _widths(rows)
    if room_beside(rows, width, indent) >= 0:
        return [[_line(row, widths, range(len(row)), indent, last_left=last_left)] for row in rows]
    below = f"{indent}{_GAP}"
    groups = _groups(widths, width - columns(below))

    def lines(row: Sequence[str]) -> list[str]:
        filled = (group for group in groups if any(row[at] for at in group))
        under = [_line(row, widths, group, below, last_left=last_left) for group in filled]
        return [f"{indent}{row[0]}", *under] if row[0] else under

    return [lines(row) for row in rows]


def room_beside(rows: Sequence[Sequence[str]], width: int, indent: str = "  ") -> int:
    """The columns that are left in `width` beside rows of one line each; below 0 where there is no room for these."""
    widths = _widths(rows)
    return width - columns(indent) - sum(widths) - len(_GAP) * (len(widths) - 1)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(columns(row[column]) for row in rows) for column in range(len(rows[0]))]


def _groups(widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns but the first, as many together as have room."""
    groups: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        if groups[-1] and sum(widths[one] + len(_GAP) for one in groups[-1]) + widths[column] > room:
            groups.append([])
        groups[-1].append(column)
    return groups


def _line(row: Sequence[str], widths: Sequence[int], which: Sequence[int], indent: str, *, last_left: bool) -> str:
    cells = []
    for column in which:
        cell, pad = row[column], " " * (widths[column] - columns(row[column]))
        left = column == 0 or (last_left and column == len(row) - 1)
        cells.append(f"{cell}{pad}" if left else f"{pad}{cell}")
    return f"{indent}{_GAP.join(cells)}".rstrip()
