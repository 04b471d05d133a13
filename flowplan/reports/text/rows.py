"""The fields of one change, a row each, in lines that fit the width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from flowplan.reports.text.paint import WIDTH, Paint, columns, listed

Row: TypeAlias = tuple[str, str, str, str]  # symbol, name, value, and a remark or none
ARROW = " -> "  # between the value before and the value after


def aligned(rows: Sequence[Row], paint: Paint) -> list[str]:
    """Rows with their `=` in one column."""
    width = max((len(name) for _, name, _, _ in rows if name.strip()), default=0)
    return [line for row in rows for line in _lines(row, width, paint)]


def _lines(row: Row, width: int, paint: Paint) -> list[str]:
    symbol, name, value, remark = row
    if symbol == "#":
        lines = [f"        {paint('# ' + value, 'dim')}"]
    elif not name.strip():
        lines = listed(value, f"      {name}{paint.symbol(symbol)} ", f"        {name}")
    elif not value:
        lines = [f"      {paint.symbol(symbol)} {name}:"]
    else:
        first = f"      {paint.symbol(symbol)} {name:<{width}} = "
        before, arrow, after = value.partition(ARROW)
        if arrow and len(value) + width + len(remark) + 15 > WIDTH:
            lines = differing(before, after, first)
        else:
            lines = listed(value, first, " " * columns(first))
    return _remarked(lines, remark, paint) if remark else lines


def differing(before: str, after: str, first: str) -> list[str]:
    """`first` and both values, the second on a line of its own."""
    rest = " " * columns(first)
    return [*listed(before, first, rest), *listed(after, f"{rest[3:]}{ARROW}", f"{rest} ")]


def _remarked(lines: list[str], remark: str, paint: Paint) -> list[str]:
    """`lines` with the remark behind the last, or below it where there is no room."""
    said = paint("# " + remark, "red")
    *others, last = lines
    if columns(last) + len(remark) + 4 <= WIDTH:
        return [*others, f"{last}  {said}"]
    return [*lines, f"        {said}"]
