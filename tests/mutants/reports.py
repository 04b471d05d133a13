"""Mistakes seeded in flowplan/reports."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "a plan file breaks its lines",
        "reports/text/plan.py",
        "    body = _lines_apart(body)\n",
        "",
        ("tests/faults/test_inert.py", "-k", "plan_file"),
    ),
    Mistake(
        "a line break in an address breaks the line",
        "reports/text/state.py",
        "{shown(str(one.address), LONGEST_LINE)}",
        "{one.address}",
        ("tests/faults/test_inert.py", "-k", "the_state"),
    ),
)
