"""Mistakes seeded in the modules beside the rooms."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "a stack shows the password in its URL",
        "api/__init__.py",
        "    _ = settings.api_url  # one that",
        "    # one that",
        ("tests/api/test_whose_tasks.py", "-k", "password"),
    ),
    Mistake(
        "a hook of a program reads its credentials",
        "api/stack.py",
        "        hidden.hide(lambda: known)\n",
        "",
        ("tests/operations/test_hooks.py", "-k", "without_its_secrets"),
    ),
    Mistake(
        "a library runs the commands of a file unasked",
        "api/stack.py",
        "        return hooks and self._settings.runs_hooks\n",
        "        return self._settings.runs_hooks\n",
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
        "    try:\n        thread.start()\n",
        "    thread.start()\n    try:\n",
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
        "an error has the secret that the API repeats",
        "operations/opening/session.py",
        "            error.hide(self.listener.secretless)\n",
        "            pass\n",
        ("tests/api/test_stop.py", "-k", "repeats"),
    ),
    Mistake(
        "a step that failed has the secret that the API repeats",
        "apply/events.py",
        "        error.hide(self.secretless)\n",
        "",
        ("tests/api/test_stop.py", "-k", "repeats"),
    ),
    Mistake(
        "a traceback has the secret that an error was rid of",
        "errors.py",
        "                one.hide(secretless)\n",
        "                pass\n",
        ("tests/api/test_stop.py", "-k", "traceback"),
    ),
    Mistake(
        "a program that asks a run to stop is not heard",
        "api/thread.py",
        "                event.stop()\n\n    try:",
        "                pass\n\n    try:",
        ("tests/api/test_stop.py", "-k", "a_wait_is_stopped"),
    ),
    Mistake(
        "a plan is made to its end that was asked to stop",
        "operations/opening/interaction.py",
        "        if self._asked and self._unwinds:\n",
        "        if False:\n",
        ("tests/api/test_stop.py", "-k", "before_the_next_call"),
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
    Mistake(
        "keep a digest of a value from which it can be guessed",
        "masking.py",
        "    return _options(text, lambda _: MASKED)\n",
        "    return _options(text, lambda value: f'{MASKED}:{hashlib.sha256(value.encode()).hexdigest()[:8]}')\n",
        ("tests/test_masking.py", "-k", "tells_nothing"),
    ),
    Mistake(
        "show the password of a user's option",
        "masking.py",
        "            yield _user(user[1], user[2], tag)\n",
        "            yield word, False\n",
        ("tests/test_masking.py",),
    ),
    Mistake(
        "show the options of a container where something is wrong with them",
        "masking.py",
        '    text = _USER_VALUE.sub(rf"\\1{MASK}", _ENV_VALUE.sub(rf"\\1{MASK}", text))\n',
        "",
        ("tests/faults/test_secrets.py", "-k", "options"),
    ),
)
