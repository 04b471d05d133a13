"""Prices that hold until the next one -> small pictures in text.

The last price holds until the `end` of the picture. `ascii`: for an output that knows no other characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from flowplan.pricing.slices import Prices, Slice, slices
from flowplan.pricing.units import usd

PLOT_LINES = 8  # how high a picture is where nothing says otherwise
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.:-=+*#"
_BRAILLE = 0x2800
_FAR = 2  # times the greatest price: a line further up would press the prices flat
_ROOMY = 60  # columns: from here on the time has a label in the middle too
_NO_LINES: Mapping[str, Decimal] = MappingProxyType({})
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a cell: by column, from the top


def sparkline(stream: Prices, start: datetime, end: datetime, width: int, *, ascii: bool = False) -> str:
    """One line of `width` blocks, each the mean of its time; a space where nothing is known."""
    blocks = _ASCII_BLOCKS if ascii else _BLOCKS
    parts = slices(stream, start, end, width)
    known = [part.mean for part in parts if part]
    if not known:
        return " " * width
    scale = _Scale(min(known), max(known), 1)
    return "".join(blocks[scale.step(part.mean, len(blocks))] if part else " " for part in parts)


def plot(
    stream: Prices,
    start: datetime,
    end: datetime,
    *,
    width: int,
    height: int,
    ascii: bool = False,
    lines: Mapping[str, Decimal] = _NO_LINES,
) -> list[str]:
    """Lines of at most `width` columns: a picture `height` lines high (one, when there is one price only) with its
    prices on the left and its time below. A stroke spans every price of its time, so no burst is lost; it is joined to
    its neighbour. `lines` are drawn across, their names on the right; one far above all prices is only named, with an
    arrow. Empty when no price is known."""
    whole = slices(stream, start, end, 1)[0]
    if whole is None:
        return []
    near = {name: price for name, price in lines.items() if price <= whole.greatest * _FAR}
    low, high = min(whole.least, *near.values(), whole.least), max(whole.greatest, *near.values(), whole.greatest)
    scale = _Scale(low, high, height if high > low else 1)
    labels = scale.labels()
    left = max(map(len, labels)) + 2
    names = _names(lines, near, scale, ascii)
    columns = width - left - max(map(len, names))
    rows = _strokes(slices(stream, start, end, columns * 2), scale, [*near.values()], ascii)
    axis = "|" if ascii else "┤"
    picture = [
        f"{label:>{left - 2}} {axis}{row}{name}".rstrip() for label, row, name in zip(labels, rows, names, strict=True)
    ]
    return [*picture, " " * left + _times(start, end, columns)]


def _names(lines: Mapping[str, Decimal], near: Mapping[str, Decimal], scale: _Scale, ascii: bool) -> list[str]:
    """The names of the lines, beside the line of text they are in."""
    there: list[list[str]] = [[] for _ in range(scale.height)]
    for name, price in lines.items():
        if name in near:
            there[scale.dot(price) // 4].append(name)
        else:
            there[0].append(f"{name} {'^' if ascii else '↑'}")
    return [" " + "/".join(names) if names else "" for names in there]


def _times(start: datetime, end: datetime, columns: int) -> str:
    """When a picture begins and ends and, where there is room, what is in the middle. The times are UTC."""
    left, right = f"{start:%d %b %H:%M}", f"{end:%d %b %H:%M} UTC"
    if columns < _ROOMY:
        return f"{left} {right.rjust(columns - len(left) - 1)}"
    middle = f"{start + (end - start) / 2:%d %b %H:%M}"
    return left + middle.center(columns - len(left) - len(right)) + right


class _Scale(NamedTuple):
    """`height` lines of text from `low` to `high`, four dots each."""

    low: Decimal
    high: Decimal
    height: int

    def labels(self) -> list[str]:
        """Of each line: the greatest price at the top, the least at the bottom, one in the middle."""
        at = {0: self.high, self.height - 1: self.low}
        middle = self.height // 2
        if middle > 1:
            at[middle] = self.high - (self.high - self.low) * middle / (self.height - 1)
        return [usd(at[line]) if line in at else "" for line in range(self.height)]

    def dots(self, part: Slice | None, before: Slice | None) -> range:
        """The dots of a stroke, counted from the top; it reaches to the one before it."""
        if part is None:
            return range(0)
        bottom, top = part.least, part.greatest
        if before is not None:
            bottom, top = min(bottom, before.greatest), max(top, before.least)
        return range(self.dot(top), self.dot(bottom) + 1)

    def dot(self, price: Decimal) -> int:
        """Where a price is, in dots from the top."""
        last = self.height * 4 - 1
        return last - self.step(price, last + 1)

    def step(self, price: Decimal, steps: int) -> int:
        """Which of `steps` levels, 0 at `low`."""
        if self.high == self.low:
            return 0
        return min(int((price - self.low) / (self.high - self.low) * steps), steps - 1)


def _strokes(parts: Sequence[Slice | None], scale: _Scale, lines: Sequence[Decimal], ascii: bool) -> Iterator[str]:
    """The lines, from the top. A cell is two strokes wide and four dots high; `lines` are dotted, under the strokes."""
    strokes = [scale.dots(part, before) for before, part in zip([None, *parts], parts, strict=False)]
    across = [scale.dot(price) for price in lines]
    for row in range(scale.height):
        dotted = sum({_DOTS[0][dot % 4] for dot in across if dot // 4 == row})
        cells = []
        for column in range(0, len(strokes), 2):
            code = 0
            for side, dots in zip(_DOTS, strokes[column : column + 2], strict=False):
                code |= sum(bit for dot, bit in enumerate(side) if row * 4 + dot in dots)
            if ascii:
                cells.append("*" if code else "-" if dotted else " ")
            else:
                cells.append(chr(_BRAILLE + (code or dotted)) if code or dotted else " ")
        yield "".join(cells)


def bars(counts: Sequence[int], width: int, *, ascii: bool = False) -> list[str]:
    """A bar for each count, the largest `width` columns long; anything at all is at least the shortest there is."""
    most = max(counts, default=0)
    parts = "#" if ascii else "▏▎▍▌▋▊▉█"
    made = []
    for count in counts:
        eighths = -(-count * width * len(parts) // most) if most else 0
        whole, rest = divmod(eighths, len(parts))
        made.append(parts[-1] * whole + (parts[rest - 1] if rest else ""))
    return made
