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
)
