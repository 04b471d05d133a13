"""What a command prints in a terminal -> one SVG file. It stands alone: no font, nothing fetched; light or dark as the
reader's system is; a screen reader gets the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from flowplan.reports.svg.colours import Colour, style

_CELL, _LINE, _SIZE = 8.4, 19, 14  # pixels: the width of a character, the height of a line, the size of the font
_MARGIN = 22
_CODES = re.compile(r"\x1b\[([\d;]*)m")
_RUNS = re.compile(r"[!-~]+(?: [!-~]+)*|[^ -~]+")  # plain words, or other characters
_CLASSES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
_COLOURS = {
    "frame": Colour("#d1d9e0", "#3d444d"),
    "paper": Colour("#f6f8fa", "#151b23"),
    "green": Colour("#116329", "#5fd57a"),
    "yellow": Colour("#7a4b00", "#e6b84c"),
    "red": Colour("#a40e26", "#ff938a"),
    "cyan": Colour("#0a5c78", "#6fd0e6"),
}
_RULES = """
    text { fill: $ink; font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
    text { font-size: 14px; white-space: pre } .frame { fill: $paper; stroke: $frame }
    .b { font-weight: 700 } .d { fill: $soft } .r { fill: $red }
    .g { fill: $green } .y { fill: $yellow } .c { fill: $cyan }
"""


def svg(title: str, lines: Sequence[str]) -> str:
    """The whole file. `lines`: as they are printed, with colours; `title`: what there is to see."""
    width = 2 * _MARGIN + _CELL * max(80, *(len(plain(line)) for line in lines))
    height = 2 * _MARGIN + _LINE * len(lines) - (_LINE - _SIZE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(chr(10).join(map(plain, lines)))}</desc>',
        f"<style>{style(_RULES, _COLOURS)}</style>",
        f'<rect class="frame" x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8"/>',
    ]
    for number, line in enumerate(lines):
        parts += _line(line, _MARGIN + _LINE * number + _SIZE - 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def plain(line: str) -> str:
    """Without colours."""
    return _CODES.sub("", line)


def _line(line: str, y: int) -> Iterator[str]:
    """Its pieces of one colour, each in its columns whatever font there is."""
    at, how = 0, ""
    for number, piece in enumerate(_CODES.split(line)):
        if number % 2:
            how = " ".join(sorted(_CLASSES[code] for code in piece.split(";") if code in _CLASSES))
            continue
        for found in _RUNS.finditer(piece):
            classes = f' class="{how}"' if how else ""
            placed = _placed(found[0], at + found.start())
            yield f'<text{classes} {placed} y="{y}" xml:space="preserve">{escape(found[0], quote=False)}</text>'
        at += len(piece)


def _placed(text: str, column: int) -> str:
    """Where a run stands: plain letters as wide as their columns; others one by one, as their font may be another."""
    places = [f"{_MARGIN + _CELL * (column + number):.1f}" for number in range(len(text))]
    if text.isascii():
        return f'x="{places[0]}" textLength="{_CELL * len(text):.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'x="{" ".join(places)}"'
