"""Mistakes seeded in flowplan/api."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "go on with a look that a program has asked to stop",
        "api/looking.py",
        "as session, session.unwound():",
        "as session:",
        ("tests/api/test_stop.py", "-k", "look_is_stopped"),
    ),
    Mistake(
        "apply a proposal for which nobody looked",
        "api/proposal.py",
        "        if not self._request.refresh:\n",
        "        if False:\n",
        ("tests/operations/test_refresh_only.py", "-k", "proposal"),
    ),
    Mistake(
        "a program places what runs a second time, and hears nothing of it",
        "api/stack.py",
        "            tell_unseen(session, proposal.diagnostics)\n",
        "",
        ("tests/operations/test_other_state.py", "-k", "a_program_hears"),
    ),
    Mistake(
        "an API that is not set is the public one",
        "api/__init__.py",
        'text(api_url, "api_url")',
        "api_url",
        ("tests/api/test_given.py", "-k", "not_the_public_one"),
    ),
    Mistake(
        "a program's destroy=false destroys",
        "api/looking.py",
        'destroy=flag(destroy, "destroy")',
        "destroy=bool(destroy)",
        ("tests/api/test_given.py", "-k", "plan-destroy"),
    ),
    Mistake(
        "a target of no address means all",
        "api/arguments.py",
        "    if target is not None and not targets:\n",
        "    if False:\n",
        ("tests/api/test_given.py", "-k", "no_address"),
    ),
    Mistake(
        "a run goes on that tells a program nothing any more",
        "api/hearing.py",
        "            self._raised = error\n            self.stop()\n",
        "            self._raised = error\n",
        ("tests/api/test_hearing.py", "-k", "in_doubt"),
    ),
    Mistake(
        "a stack shows the password in its URL",
        "api/__init__.py",
        "    _ = settings.api_url  # one that",
        "    # one that",
        ("tests/api/test_whose_tasks.py", "-k", "password"),
    ),
    Mistake(
        "a hook of a program reads its credentials",
        "api/opening.py",
        "        hidden.hide(lambda: known)\n",
        "",
        ("tests/operations/test_hooks.py", "-k", "without_its_secrets"),
    ),
    Mistake(
        "a library runs the commands of a file unasked",
        "api/opening.py",
        '        return flag(hooks, "hooks") and self.settings.runs_hooks\n',
        "        return self.settings.runs_hooks\n",
        ("tests/operations/test_hooks.py", "-k", "sets_one_off"),
    ),
    Mistake(
        "a task is known by its place among the tasks of a program",
        "api/arguments.py",
        '        name = without_file(str(called) if is_name(called) else f"#{number}")\n',
        '        name = without_file(f"#{number}")\n',
        ("tests/api/test_whose_tasks.py",),
    ),
    Mistake(
        "a proposal is carried out that was edited",
        "api/proposal.py",
        "        hold_whole(document)\n",
        "",
        ("tests/api/test_whose_tasks.py",),
    ),
    Mistake(
        "a Ctrl-C while the run begins lets it go on unasked",
        "api/thread.py",
        "    try:\n        if not begun(thread):\n",
        "    here = not begun(thread)\n    try:\n        if here:\n",
        ("tests/api/test_interrupted.py", "-k", "while_ctrl_c_came"),
    ),
    Mistake(
        "wait for a run that has ended, where Ctrl-C came as it did",
        "api/thread.py",
        "            wait()\n        raise error",
        "            gate.acquire()\n        raise error",
        ("tests/api/test_interrupted.py", "-k", "another_thread and as", "-o", "timeout=20"),
    ),
    Mistake(
        "a program that asks a run to stop is not heard",
        "api/thread.py",
        "                event.stop()\n\n    try:",
        "                pass\n\n    try:",
        ("tests/api/test_stop.py", "-k", "a_wait_is_stopped"),
    ),
    Mistake(
        "compute in the thread of a run as exactly as the program's threads do",
        "api/thread.py",
        "            with exactly(), event.ended():\n",
        "            with event.ended():\n",
        ("tests/api/test_beside.py", "-k", "every_thread_begins"),
    ),
    Mistake(
        "a run goes on that was asked to stop before it began",
        "api/thread.py",
        "    if stop is not None and stop.is_set():\n        event.stop()\n",
        "",
        ("tests/api/test_stop.py", "-k", "before_it_begins"),
    ),
    Mistake(
        "hear of Ctrl-C at the end of the run alone",
        "api/thread.py",
        "gate.acquire(timeout=_LOOK)",
        "gate.acquire()",
        ("tests/api/test_interrupted.py", "-k", "another_thread", "-o", "timeout=20"),
    ),
)
