"""Mistakes seeded in the modules beside the rooms."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "believe the last answer what time it is",
        "clock.py",
        "        self._heard: deque[float] = deque(maxlen=1 if leaps else _HEARD)\n",
        "        self._heard: deque[float] = deque(maxlen=1)\n",
        ("tests/operations/test_two_clocks.py", "-k", "one_answer"),
    ),
    Mistake(
        "believe the later of two answers that disagree",
        "clock.py",
        "key=lambda one: abs(one - here))",
        "key=lambda one: -one)",
        ("tests/test_clock.py", "-k", "in_the_middle"),
    ),
    Mistake(
        "tell the time by a clock that somebody sets meanwhile",
        "clock.py",
        "        self._heard.append(at if self._leaps else at - self._steady())\n",
        "        self._heard.append(at if self._leaps else at - self._wall())\n",
        ("tests/test_clock.py", "-k", "fewer_than_half"),
    ),
    Mistake(
        "send later what was said not to be sent, as no thread could be started",
        "threads.py",
        '                    raise RuntimeError("the machine gives no thread")\n',
        "                    self._waiting.put((result, begin))\n"
        '                    raise RuntimeError("the machine gives no thread")\n',
        ("tests/faults/test_obstacles.py", "-k", "fewer_threads"),
    ),
    Mistake(
        "a program that ends cancels nothing: Python gives it no thread any more",
        "threads.py",
        "                if threading.main_thread().is_alive():\n",
        "                if True:\n",
        ("tests/api/test_goes_on.py", "-k", "still_cancels"),
    ),
    Mistake(
        "what waits for a thread waits for ever once the pool is closed",
        "threads.py",
        "                    waiting[0].cancel()\n",
        "                    pass\n",
        ("tests/test_threads.py",),
    ),
    Mistake(
        "fail what the threads that there are would do",
        "threads.py",
        "self._grown() or self._threads):",
        "self._grown()):",
        ("tests/faults/test_obstacles.py", "-k", "fewer_threads"),
    ),
    Mistake(
        "of two jobs of one workflow only one keeps the state that could not be saved",
        "../examples/ci/github/workflows/flowplan-apply.yml",
        "-${{ strategy.job-index }}",
        "",
        ("tests/pipelines/test_github_recipe.py", "-k", "artifact_of_its_own"),
    ),
    Mistake(
        "of two stacks that a pipeline applies at once only one keeps its state",
        "../examples/ci/github/action/state.sh",
        "    on_top || break\n",
        "    break\n",
        ("tests/pipelines/test_github_recipe.py", "-k", "at_once"),
    ),
    Mistake(
        "the apply of a job that is cancelled goes on",
        "../examples/ci/github/action/action.yml",
        '        exec "$GITHUB_ACTION_PATH/apply.sh"\n',
        '        "$GITHUB_ACTION_PATH/apply.sh"\n        true\n',
        ("tests/pipelines/test_github_recipe.py", "-k", "is_cancelled"),
    ),
    Mistake(
        "a pipeline mixes what two runs of one stack have saved",
        "../examples/ci/github/action/state.sh",
        "  ! grep --quiet --line-regexp",
        "  true || ! grep --quiet --line-regexp",
        ("tests/pipelines/test_github_recipe.py", "-k", "at_once"),
    ),
    Mistake(
        "a problem shows a program its API key",
        "errors.py",
        "        self.problems = [one.hidden(secretless) for one in self.problems]\n",
        "",
        ("tests/api/test_secrets.py", "-k", "only_the_cloud"),
    ),
    Mistake(
        "a traceback has the secret that an error was rid of",
        "errors.py",
        "                one.hide(secretless)\n",
        "                pass\n",
        ("tests/api/test_stop.py", "-k", "traceback"),
    ),
    Mistake(
        "compute money as exactly as the program around it does",
        "exact.py",
        "    return localcontext(_EXACT)\n",
        "    return localcontext()\n",
        ("tests/api/test_beside.py", "-k", "three_digits"),
    ),
    Mistake(
        "compute a figure that is asked for after a call as exactly as the program does",
        "exact.py",
        "        with exactly():\n            return compute(",
        "        if True:\n            return compute(",
        ("tests/api/test_beside.py", "-k", "computes_with_three_digits"),
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
