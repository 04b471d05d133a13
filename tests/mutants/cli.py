"""Mistakes seeded in flowplan/cli."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "repeat the password behind the name of a database in what is to be typed",
        "cli/everywhere.py",
        " or is_secret or ",
        " or ",
        ("tests/cli/test_same_state.py", "-k", "not_repeated"),
    ),
    Mistake(
        "take for an answer what was typed before the plan was shown",
        "cli/running.py",
        "            self.terminal.forget_typed()\n",
        "            pass\n",
        ("tests/cli/test_running.py", "-k", "typed_before"),
    ),
    Mistake(
        "say of a destroy that nobody can approve that a plan to apply is to be saved",
        "cli/running.py",
        '("--destroy " if plan.mode == "destroy" else "")',
        '("--destroy " if plan.mode == "apply" else "")',
        ("tests/cli/test_commands.py", "-k", "nobody_approves_destroys"),
    ),
    Mistake(
        "rebuild a lost state without the files, which name the stack and its volumes",
        "cli/answer.py",
        "works_on(asked.place, asked.paths)",
        "works_on(asked.place, '')",
        ("tests/cli/test_same_state.py", "-k", "rebuilt_from"),
    ),
    Mistake(
        "rebuild the state at another place than the one that was lost",
        "reports/text/paint.py",
        "        return on_same_state(text, self.place)\n",
        "        return on_same_state(text, '')\n",
        ("tests/cli/test_same_state.py",),
    ),
    Mistake(
        "say that nothing was changed to who interrupts what is shown of it",
        "cli/__init__.py",
        'given["session"].came_of_it if "session" in given else UNCHANGED',
        "UNCHANGED",
        ("tests/faults/test_unread.py", "-k", "not_told"),
    ),
    Mistake(
        "a program is told to type what works on another state",
        "operations/proposing/document.py",
        "typed=session.settings.typed,",
        "typed=str,",
        ("tests/cli/test_same_state.py", "-k", "nobody_reads"),
    ),
    Mistake(
        "say of too few open files how to make a file readable",
        "cli/failures.py",
        "    if what := _came_of(known.__cause__):\n",
        "    if (what := _came_of(known.__cause__)) and not known.hint:\n",
        ("tests/faults/test_obstacles.py", "-k", "comes_of_too_few"),
    ),
    Mistake(
        "a saved plan has the scripts that were shown",
        "cli/plan.py",
        "as_file(dumps(found.document)",
        "as_file(dumps(found.shown)",
        ("tests/operations/test_shown_scripts.py", "-k", "saved"),
    ),
    Mistake(
        "keep the value of a variable with who applied it",
        "cli/told.py",
        "without(word, hidden)) for word in _shown(arguments, variables))",
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
        "every command passes where annotations do",
        "cli/harmless.py",
        "    ours = commands and _ANNOTATION.match(found.string, found.start())\n",
        "    ours = commands\n",
        ("tests/faults/test_inert.py", "-k", "annotation"),
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
    Mistake(
        "an apply whose output is lost ends as if all were well",
        "cli/writer.py",
        "                self.lost = self.lost or _reason(error)\n",
        "                pass\n",
        ("tests/cli/test_truncated.py", "-k", "full_disk or was_to_be_done"),
    ),
    Mistake(
        "a watch that nobody can read goes on as if it were heard",
        "cli/watch.py",
        "    if output.left or output.lost:\n",
        "    if False:\n",
        ("tests/cli/test_watch.py", "-k", "nobody_can_read"),
    ),
    Mistake(
        "somebody approves a plan that was not shown",
        "cli/running.py",
        "        if self.terminal.output.lost:\n",
        "        if False:\n",
        ("tests/cli/test_truncated.py", "-k", "approve"),
    ),
    Mistake(
        "progress is drawn over what is typed at a shell",
        "cli/below.py",
        "        if not self.ours():\n",
        "        if False:\n",
        ("tests/cli/test_live.py", "-k", "shell"),
    ),
    Mistake(
        "a failure is not in the JSON that was asked for",
        "cli/answer.py",
        "        elif said and not self.terminal.output.used:\n",
        "        elif False:\n",
        ("tests/cli/test_failures.py",),
    ),
    Mistake(
        "a failure is not in the file of --json",
        "cli/answer.py",
        "        if said and not file.text:\n",
        "        if False:\n",
        ("tests/cli/test_json_file.py",),
    ),
    Mistake(
        "convert writes another script to stdout than it was given",
        "cli/convert.py",
        '        here.terminal.exact(made.text, "give --out FILE: flowplan then writes the stack file as it is")\n',
        "        here.terminal.out(made.text)\n",
        ("tests/cli/test_convert.py", "-k", "refused"),
    ),
    Mistake(
        "a plan whose outputs are lost passes for a good one in the file of --json",
        "cli/json_file.py",
        "        if self.events is None and self.text and not _says(self.text, code):\n",
        "        if False:\n",
        ("tests/cli/test_json_file.py", "-k", "document_is_made"),
    ),
    Mistake(
        "a file of --json that was not written is no failure",
        "cli/answer.py",
        "        return failed if code in (0, PENDING) and failed else code\n",
        "        return code\n",
        ("tests/cli/test_json_file.py",),
    ),
    Mistake(
        "the events of a run that fails end without a summary",
        "cli/answer.py",
        "        if self.events is not None:\n",
        "        if self.events is not None and not code:\n",
        ("tests/cli/test_failures.py",),
    ),
    Mistake(
        "a step without outputs succeeds",
        "operations/files.py",
        """"backslashreplace"))
    except OSError as error:
""",
        """"backslashreplace"))
    except OSError as error:
        return
""",
        ("tests/cli/test_github.py", "-k", "cannot_be_written"),
    ),
    Mistake(
        "a file right behind --json is taken for a plan that somebody has seen",
        "cli/base.py",
        '        if word == "--json" and not path.startswith("-") and path.endswith((".json", ".jsonl")):',
        "        if False:",
        ("tests/cli/test_json_file.py", "-k", "right_behind"),
    ),
    Mistake(
        "a secret stands in the summary of a job",
        "cli/github.py",
        'append(path, terminal.secretless(report_of("plan", "markdown", room)(document, terminal.paint)), SUMMARY)',
        'append(path, report_of("plan", "markdown", room)(document, terminal.paint), SUMMARY)',
        ("tests/cli/test_github.py", "-k", "no_secret"),
    ),
)
