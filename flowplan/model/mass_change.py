"""How many resources of a stack one plan may change: what somebody set, on the command line or in a file. Pure.

planning/mass_change.py holds plans to it.
"""

from __future__ import annotations

import re

from flowplan.classes import frozen
from flowplan.patterns import regex

_NUMBER = regex(r"(?:0|[1-9][0-9]{0,6})(%?)", re.ASCII)


@frozen
class MaxChanges:
    """So many resources, or percent of those that there are."""

    number: int
    percent: bool = False

    def allows(self, changed: int, there: int) -> bool:
        """Whether so many of all that are `there` may be changed. Nothing changed is never too much."""
        return 100 * changed <= self.number * there if self.percent else changed <= self.number

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"


def max_changes(text: str) -> MaxChanges:
    """`5` or `30%`. Raises ValueError saying how to write it."""
    found = _NUMBER.fullmatch(text)
    number = int(text.removesuffix("%")) if found else 0
    if found is None or (found[1] and number > 100):
        raise ValueError("write a number of resources, such as 5, or a share of them, such as 30%")
    return MaxChanges(number, bool(found[1]))


def enough_for(changed: int, there: int, *, percent: bool) -> MaxChanges:
    """The least that allows it."""
    return MaxChanges(-(-100 * changed // max(there, 1)) if percent else changed, percent)
