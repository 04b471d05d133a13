"""Mistakes seeded in flowplan/documents."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "print rows of what was paid that do not add up to their total, without a word",
        "documents/totals.py",
        "return made if 0 < apart <=",
        "return made if 0 > apart <=",
        ("tests/reports/test_status.py", "-k", "add"),
    ),
    Mistake(
        "a plan with something in doubt is never carried out",
        "documents/plan_held.py",
        ' or said["hint"] == FIRST_LOOKED_UP:',
        ":",
        ("tests/api/test_goes_on.py", "-k", "is_carried_out"),
    ),
    Mistake(
        "a credential in a script is shown, because it changed",
        "documents/scripts.py",
        "made.append(MASK if hidden else _masked(line))",
        "made.append(line)",
        ("tests/operations/test_shown_scripts.py", "-k", "credential"),
    ),
    Mistake(
        "the last value of a secret is shown beside the new one",
        "documents/scripts.py",
        'f"-{MASK if hides else line}"',
        'f"-{line}"',
        ("tests/operations/test_shown_scripts.py", "-k", "earlier_value"),
    ),
    Mistake(
        "print a range up to the limit for a bid that finds room",
        "documents/totals.py",
        'cost["outlook"] != "runs" or entry["basis"] != "displacing" or',
        'cost["outlook"] != "runs" or',
        ("tests/pricing/test_entry_range.py", "-k", "room"),
    ),
    Mistake(
        "what a plan leaves alone is not counted in what is paid",
        "documents/left_alone.py",
        '"planned": _hour(costs.totals.planned + hour)',
        '"planned": _hour(costs.totals.planned)',
        ("tests/operations/test_sources.py", "-k", "left_alone"),
    ),
    Mistake(
        "say of a bid past its lifetime that it ends by itself",
        "documents/status.py",
        '        "over": life.over,\n',
        '        "over": None,\n',
        ("tests/operations/test_jobs.py", "-k", "status"),
    ),
    Mistake(
        "say of a bid that waits that it is charged",
        "documents/status.py",
        '        if self.is_billed:\n            return "charged"\n',
        '        if self.is_billed or self.status == OPEN:\n            return "charged"\n',
        ("tests/reports/test_status.py",),
    ),
    Mistake(
        "believe what a saved plan says of the volume of a bid",
        "documents/plan_held.py",
        ' if one["address"] in about for need in one["needs"])',
        " if False for need in ())",
        ("tests/documents/test_plan_held.py",),
    ),
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
        '    if said["severity"] == "error":\n        return True\n',
        "",
        ("tests/documents/test_plan_held.py",),
    ),
    Mistake(
        "believe a budget that refused, and was raised",
        "documents/plan_held.py",
        '"refused": [one["guard"] for one in _refusing(body)]',
        '"refused": []',
        ("tests/documents/test_plan_held.py",),
    ),
    Mistake(
        "take a saved plan with an action there is not",
        "documents/plan_shape.py",
        '        raise ValueError(f"{actions!r} are not actions")',
        "        return",
        ("tests/documents/test_plan_shape.py",),
    ),
    Mistake(
        "take another limit in a saved plan for a price that moved",
        "documents/plan_held.py",
        '_FIXED = ("unit", "quantity", "gpus_per_instance", "limit")',
        '_FIXED = ("unit", "quantity", "gpus_per_instance")',
        ("tests/documents/test_plan_held.py",),
    ),
    Mistake(
        "sign the time of a plan and not what it does",
        "documents/plan.py",
        'if key not in ("timestamp", "sha256", "hmac_sha256")',
        'if key in ("timestamp",)',
        ("tests/documents/test_plan.py",),
    ),
    Mistake(
        "show secrets of run_options in plans",
        "documents/plan.py",
        "    found = image.shown\n",
        "    found = image\n",
        ("tests/faults/test_secrets.py", "-k", "nowhere_shown"),
    ),
    Mistake(
        "what is imported with all that is live may be destroyed at once",
        "documents/stack_file.py",
        '{"prevent_destroy": True}',
        '{"prevent_destroy": False}',
        ("tests/operations/test_generate.py", "-k", "protection"),
    ),
    Mistake(
        "show a digest of what a bid carries where a value of it is masked",
        "documents/state.py",
        "    bare = attrs.evolve(kept, given_sha256=None, unordered_sha256=None)\n",
        "    bare = kept\n",
        ("tests/faults/test_secrets.py", "-k", "digest_of_the_value"),
    ),
)
