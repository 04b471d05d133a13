"""Mistakes seeded in flowplan/documents."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "hide what a bid is replaced for",
        "documents/differing.py",
        "if name not in _CARRIED or name in forcing]",
        "if name not in _CARRIED]",
        ("tests/reports/test_decide_nothing.py", "-k", "differs"),
    ),
    Mistake(
        "let an error pass for a warning about prices",
        "documents/plan_held.py",
        'if one["severity"] == "error" or one["detail"] not in _OF_NOW]',
        'if one["detail"] not in _OF_NOW]',
        ("tests/operations/test_saved_plans.py", "-k", "diagnostic"),
    ),
    Mistake(
        "believe a budget that refused, and was raised",
        "documents/plan_held.py",
        '"refused": [one["guard"] for one in _refusing(body)]',
        '"refused": []',
        ("tests/operations/test_saved_plans.py", "-k", "contradiction"),
    ),
    Mistake(
        "show secrets of run_options in plans",
        "documents/plan.py",
        "    found = image.shown\n",
        "    found = image\n",
        ("tests/faults/test_secrets.py", "-k", "nowhere_shown"),
    ),
)
