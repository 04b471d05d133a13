"""Whether a stream takes colour, and other characters than ASCII; how wide it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from flowplan.reports.text.paint import WIDTH, Paint, fitting


def paint_of(stream: TextIO, environ: Mapping[str, str]) -> Paint:
    """What paints on `stream`, as the variables of `environ` ask."""
    plain = environ.get("TERM") == "dumb" or not (stream.encoding or "").lower().startswith("utf")
    return Paint(_colour(stream, environ), ascii=plain, width=_width(stream, environ))


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    """COLUMNS, else that of a terminal; where neither says one, WIDTH."""
    given = environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and int(given[:6]) > 0:
        return fitting(int(given[:6]))
    try:
        there = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):  # no terminal after all
        there = 0
    return fitting(there) if there else WIDTH


def _colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR and TERM=dumb say no, FORCE_COLOR says yes, else a terminal decides."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"
