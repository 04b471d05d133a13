"""Whether a stream takes colour, and other characters than ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from flowplan.reports.text.paint import Paint


def paint_of(stream: TextIO, environ: Mapping[str, str]) -> Paint:
    """What paints on `stream`, as the variables of `environ` ask."""
    plain = environ.get("TERM") == "dumb" or not (stream.encoding or "").lower().startswith("utf")
    return Paint(_colour(stream, environ), ascii=plain)


def _colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR and TERM=dumb say no, FORCE_COLOR says yes, else a terminal decides."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"
