"""What came of the cases of a stack, as data and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.classes import frozen
from flowplan.diagnostics import Position
from flowplan.documents.shapes.test import TestDocument


@frozen
class Outcome:
    """Of one case. `failures`: a sentence for each expectation that does not hold; none: it passed."""

    name: str
    source: Position
    failures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether everything that the case expects was so."""
        return not self.failures


def document(outcomes: Sequence[Outcome]) -> TestDocument:
    """The cases in their order, and how many passed."""
    return {
        "format_version": "1.0",
        "summary": {"passed": sum(one.passed for one in outcomes), "failed": sum(not one.passed for one in outcomes)},
        "cases": [
            {
                "name": one.name,
                "source": {"file": one.source.file, "line": one.source.line, "column": one.source.column},
                "passed": one.passed,
                "failures": [*one.failures],
            }
            for one in outcomes
        ],
    }
