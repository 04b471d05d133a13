"""Mistakes seeded in flowplan/cli."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "keep the value of a variable with who applied it",
        "cli/context.py",
        "without(word, hidden)) for word in _shown(arguments, given))",
        "without(word, hidden)) for word in arguments)",
        ("tests/operations/test_history.py", "-k", "variable"),
    ),
    Mistake(
        "a line begins with a command for the CI runner",
        "cli/harmless.py",
        '    if "::" in text:\n',
        '    if "" == text:\n',
        ("tests/faults/test_inert.py", "-k", "writer"),
    ),
    Mistake(
        "a stopped run waits for whoever reads its output",
        "cli/stop.py",
        "        self.wake()\n        self.hurry()\n",
        "        self.wake()\n",
        ("tests/faults/test_unread.py", "-k", "progress", "--timeout", "90"),
    ),
    Mistake(
        "an empty PATH is the current directory",
        "cli/base.py",
        "isinstance(value, str) and not value.strip() for value in values",
        "isinstance(value, str) and not value.strip() for value in ()",
        ("tests/cli/test_arguments.py",),
    ),
    Mistake(
        "a signal before the plan leaves the name in the lock",
        "cli/unwinding.py",
        "            signal.signal(number, end)\n",
        "            pass\n",
        ("tests/faults/test_lock_owner.py", "-k", "signal"),
    ),
)
