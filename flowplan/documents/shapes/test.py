"""What came of the cases of a stack."""

from typing import TypedDict

from flowplan.documents.shapes.common import Place


class TestSummary(TypedDict):
    """How many cases passed and failed."""

    passed: int
    failed: int


class TestedCase(TypedDict):
    """`failures`: a sentence for each expectation that does not hold."""

    name: str
    source: Place
    passed: bool
    failures: list[str]


class TestDocument(TypedDict):
    """The cases, in the order of their files."""

    format_version: str
    summary: TestSummary
    cases: list[TestedCase]
