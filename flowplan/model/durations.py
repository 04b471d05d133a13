"""Lengths of time as people write them: 90s, 5m, 6h, 2d, 1w, and with smaller units behind larger ones: 4h30m."""

from __future__ import annotations

import re

from flowplan.errors import UsageProblem
from flowplan.patterns import regex

_NUMBER = r"\d+(?:\.\d+)?"
_PATTERN = regex(rf"{_NUMBER}|(?=\d)" + "".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in "wdhms"), re.ASCII)
LONGEST = 10 * 366 * 86400.0  # seconds
WHAT_IF = (3600.0, 7 * 86400.0)  # seconds that a simulation may look ahead: the past has two weeks
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def read_duration(text: str, option: str) -> float:
    """Seconds. Raises UsageProblem naming `option`."""
    found = _PATTERN.fullmatch(text.strip())
    if found is None:
        raise UsageProblem(f"{option}: {text!r} is not a duration", hint="write 90s, 5m, 6h, 2d or 1w")
    units = {unit: number for unit, number in found.groupdict().items() if number is not None}
    seconds = sum(float(number) * _SECONDS[unit] for unit, number in units.items()) if units else float(found[0])
    if seconds > LONGEST:
        raise UsageProblem(f"{option}: {text} is more than ten years")
    return seconds


def brief(seconds: float) -> str:
    """A length of time as it is read back, in as few words: 45s, 12m, 3h05m."""
    if seconds < 90:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    return f"{minutes}m" if minutes < 120 else f"{minutes // 60}h{minutes % 60:02d}m"
