"""The fields of one change, a row each, in lines that fit the width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowplan.reports.text.paint import Paint, columns, fits, listed

_BELOW = "          "  # what stands below its name
ARROW = " -> "  # between the value before and the value after


class Row(NamedTuple):
    """A field: its symbol, name and value, and a remark or none; of one that differs `after`, too."""

    symbol: str
    name: str
    value: str
    remark: str = ""
    after: str | None = None


def aligned(rows: Sequence[Row], paint: Paint) -> list[str]:
    """Rows with their `=` in one column."""
    width = max((len(row.name) for row in rows if row.name.strip()), default=0)
    return [line for row in rows for line in _lines(row, width, paint)]


def _lines(row: Row, width: int, paint: Paint) -> list[str]:
    symbol, name, value, remark, after = row
    if symbol == "#":
        lines = [f"        {paint('# ' + value, 'dim')}"]
    elif not name.strip():
        lines = listed(value, f"      {name}{paint.symbol(symbol)} ", f"        {name}", paint.width)
    elif not value:
        lines = [f"      {paint.symbol(symbol)} {name}:"]
    else:
        first = f"      {paint.symbol(symbol)} {name:<{width}} = "
        whole = value if after is None else f"{value}{ARROW}{after}"
        if after is not None and columns(whole) + width + len(remark) + 15 > paint.width:
            lines = differing(value, after, first, paint.width)
        else:
            lines = beside(whole, first, paint.width)
    return _remarked(lines, remark, paint) if remark else lines


def beside(value: str, first: str, width: int) -> list[str]:
    """`value` after `first`, its further lines below it; where a word of it has no room there, the whole below."""
    if fits(value, first, width):
        return [f"{first}{value}"]
    start = columns(first)
    if start + max(map(columns, value.split(" "))) > width:
        return [first.rstrip(), *listed(value, _BELOW, _BELOW, width)]
    return listed(value, first, " " * start, width)


def differing(before: str, after: str, first: str, width: int) -> list[str]:
    """`first` and both values, the second on a line of its own."""
    rest = " " * columns(first)
    if max(map(columns, (*before.split(" "), *after.split(" ")))) + columns(first) + 1 > width:
        return [
            first.rstrip(),
            *listed(before, _BELOW, _BELOW, width),
            *listed(after, f"{_BELOW[3:]}{ARROW}", f"{_BELOW} ", width),
        ]
    return [*listed(before, first, rest, width), *listed(after, f"{rest[3:]}{ARROW}", f"{rest} ", width)]


def _remarked(lines: list[str], remark: str, paint: Paint) -> list[str]:
    """`lines` with the remark behind the last, or below it where there is no room."""
    said = paint("# " + remark, "red")
    *others, last = lines
    if columns(last) + len(remark) + 4 <= paint.width:
        return [*others, f"{last}  {said}"]
    return [*lines, f"        {said}"]
