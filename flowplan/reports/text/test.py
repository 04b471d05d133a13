"""What came of the cases of a stack -> text."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.documents.test import Outcome
from flowplan.printable import shown
from flowplan.reports.text.paint import LONGEST_LINE, Paint, apart, wrapped


def text(outcomes: Sequence[Outcome], paint: Paint) -> str:
    """A line for each case, below it what is not as expected, and a count."""
    lines: list[str] = []
    for one in outcomes:
        said = paint("pass", "green") if one.passed else paint("FAIL", "red", "bold")
        where = [] if one.passed else [f"({one.source})"]
        lines += apart([said, shown(one.name, 300), *where], "", "      ", paint.width)
        for failure in one.failures:
            lines += wrapped(shown(failure, LONGEST_LINE), "      ", "        ", paint.width)
    failed = sum(not one.passed for one in outcomes)
    lines += ["", f"{len(outcomes) - failed} passed, {failed} failed"]
    return "\n".join(lines) + "\n"
