"""Mistakes seeded in flowplan/hooks."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "kill a hook without what it started in a session of its own",
        "hooks/run.py",
        "            kill_descendants(process.pid)\n",
        "",
        ("tests/hooks/test_run.py", "-k", "sessions"),
    ),
    Mistake(
        "kill a hook without what it started",
        "hooks/run.py",
        "            kill_descendants(process.pid)\n            os.killpg(process.pid, signal.SIGKILL)",
        "            process.kill()",
        ("tests/hooks/test_run.py", "-k", "all_that_it_started"),
    ),
)
