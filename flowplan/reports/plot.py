"""Prices that hold until the next one -> small pictures in text.

A price stream is a sequence of (moment, price), the oldest first; each price holds until the next moment, the last
one until the `end` of the picture. `ascii`: for an output that knows no other characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

Stream = Sequence[tuple[datetime, Decimal]]

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.:-=+*#"
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a cell: by column, from the top


class Slice(NamedTuple):
    """What a part of the time saw: the least and the greatest price, and the mean weighted by duration."""

    least: Decimal
    greatest: Decimal
    mean: Decimal


def slices(stream: Stream, start: datetime, end: datetime, count: int) -> list[Slice | None]:
    """`count` equal parts from `start` to `end`; None for a part before the first price. One pass."""
    width = (end - start) / count
    made: list[Slice | None] = []
    index = -1
    for number in range(count):
        left, right = start + number * width, start + (number + 1) * width
        while index + 1 < len(stream) and stream[index + 1][0] <= left:
            index += 1
        spans: list[tuple[Decimal, Decimal]] = []
        at, price = left, stream[index][1] if index >= 0 else None
        while True:
            following = stream[index + 1] if index + 1 < len(stream) else None
            until = min(following[0], right) if following else right
            if price is not None and until > at:
                spans.append((price, Decimal((until - at).total_seconds())))
            if following is None or following[0] >= right:
                break
            index += 1
            at, price = following
        made.append(_slice(spans))
    return made


def _slice(spans: Sequence[tuple[Decimal, Decimal]]) -> Slice | None:
    if not spans:
        return None
    prices = [price for price, _ in spans]
    length = sum(seconds for _, seconds in spans)
    return Slice(min(prices), max(prices), sum((p * s for p, s in spans), Decimal(0)) / length)


def sparkline(stream: Stream, start: datetime, end: datetime, width: int, *, ascii: bool = False) -> str:
    """One line of `width` blocks, each the mean of its time; a space where nothing is known."""
    blocks = _ASCII_BLOCKS if ascii else _BLOCKS
    parts = slices(stream, start, end, width)
    known = [part.mean for part in parts if part]
    if not known:
        return " " * width
    scale = _Scale(min(known), max(known), 1)
    return "".join(blocks[scale.step(part.mean, len(blocks))] if part else " " for part in parts)


def plot(stream: Stream, start: datetime, end: datetime, *, width: int, height: int, ascii: bool = False) -> list[str]:
    """Lines of at most `width` columns: a picture `height` lines high (one, when the price did not change) with its
    prices on the left and, below it, where its time begins and ends. A stroke spans every price of its time, so no
    burst is lost; it is joined to its neighbour. Empty when no price is known."""
    whole = slices(stream, start, end, 1)[0]
    if whole is None:
        return []
    scale = _Scale(whole.least, whole.greatest, height if whole.greatest > whole.least else 1)
    labels = scale.labels()
    margin = max(map(len, labels)) + 2
    rows = _strokes(slices(stream, start, end, (width - margin) * 2), scale, ascii)
    axis = "|" if ascii else "┤"
    lines = [f"{label:>{margin - 2}} {axis}{row}".rstrip() for label, row in zip(labels, rows, strict=True)]
    left, right = f"{start:%d %b %H:%M}", f"{end:%d %b %H:%M}"
    return [*lines, " " * margin + left + right.rjust(width - margin - len(left))]


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
        return [f"${at[line]:,.2f}" if line in at else "" for line in range(self.height)]

    def dots(self, part: Slice | None, before: Slice | None) -> range:
        """The dots of a stroke, counted from the top; it reaches to the one before it."""
        if part is None:
            return range(0)
        bottom, top = part.least, part.greatest
        if before is not None:
            bottom, top = min(bottom, before.greatest), max(top, before.least)
        last = self.height * 4 - 1
        return range(last - self.step(top, last + 1), last - self.step(bottom, last + 1) + 1)

    def step(self, price: Decimal, steps: int) -> int:
        """Which of `steps` levels, 0 at `low`."""
        if self.high == self.low:
            return 0
        return min(int((price - self.low) / (self.high - self.low) * steps), steps - 1)


def _strokes(parts: Sequence[Slice | None], scale: _Scale, ascii: bool) -> Iterator[str]:
    """The lines, from the top. A cell is two strokes wide and four dots high."""
    strokes = [scale.dots(part, before) for before, part in zip([None, *parts], parts, strict=False)]
    for line in range(scale.height):
        cells = []
        for column in range(0, len(strokes), 2):
            code = 0
            for side, dots in zip(_DOTS, strokes[column : column + 2], strict=False):
                code |= sum(bit for dot, bit in enumerate(side) if line * 4 + dot in dots)
            cells.append(" " if not code else "*" if ascii else chr(_BRAILLE + code))
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
