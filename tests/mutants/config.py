"""Mistakes seeded in flowplan/config."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "a lifetime that is written x-lifetime is ignored without a word",
        "config/section.py",
        "                report_set_aside(document, node, key, keys)\n",
        "                continue\n",
        ("tests/config/test_stack.py", "-k", "would_count"),
    ),
    Mistake(
        "a converted limit is rounded to the nearest cent",
        "config/foreign/parts.py",
        ".quantize(_CENT, ROUND_DOWN)",
        ".quantize(_CENT)",
        ("tests/config/test_foreign.py", "-k", "never_above"),
    ),
    Mistake(
        "convert exports variables that look like credentials",
        "config/foreign/parts.py",
        "elif looks_secret(name) or holds_token(node.text)",
        "elif holds_token(node.text)",
        ("tests/config/test_foreign.py", "-k", "no_secret"),
    ),
    Mistake(
        "place a task that waits for all instances once the first is as far",
        "config/stack/depends_on.py",
        "attrs.evolve(after, task=one) for one in each if",
        "attrs.evolve(after, task=one) for one in each[:1] if",
        ("tests/config/test_stack.py", "-k", "wait_for_a_task_with_for_each"),
    ),
    Mistake(
        "the name of an anchor is where libyaml stops",
        "config/yaml/events.py",
        "    if written is None or written[1] == name:\n",
        "    if written is None or written[1].startswith(name):\n",
        ("tests/config/test_yaml.py", "-k", "misreads"),
    ),
    Mistake(
        "a limit per GPU is one per instance",
        "config/config.py",
        'self.amount * max(gpus, 1) if self.per == "gpu" else self.amount',
        "self.amount",
        ("tests/planning/test_candidates.py",),
    ),
    Mistake(
        "a saved plan does not notice another limit",
        "config/config.py",
        "named(task) | task.limit_price.digested for",
        "named(task) for",
        ("tests/state/test_codec.py",),
    ),
    Mistake(
        "fmt writes a file that means something else",
        "config/yaml/layout.py",
        "if made is None or not _same(before, text.content, made):",
        "if made is None:",
        ("tests/config/test_yaml_layout.py", "-k", "something_else"),
    ),
    Mistake(
        "fill in what the value of a variable says, under for_each",
        "config/stack/substitution.py",
        "        return self.waiting and any(",
        "        return self.later and any(",
        ("tests/config/test_stack.py", "-k", "no_template"),
    ),
    Mistake(
        "keep the value of a sensitive variable in a saved plan",
        "config/stack/variables.py",
        "            return GivenValue(None)\n",
        '            return GivenValue(_written(found, bare=kind == "string"))\n',
        ("tests/operations/test_variables.py", "-k", "values_that_it_was_made_with"),
    ),
    Mistake(
        "place a bid with a secret that CI left empty",
        "config/stack/variables.py",
        "        if exported := self._exported(name):\n",
        "        exported = self._exported(name)\n        if ENVIRONMENT + name in self.given.environ:\n",
        ("tests/config/test_stack.py", "-k", "empty_variable"),
    ),
    Mistake(
        "let a sensitive value end the word that it stands in",
        "config/stack/sensitive.py",
        "return words == expected and _MARK",
        "return _MARK",
        ("tests/config/test_stack.py", "-k", "stays_hidden"),
    ),
    Mistake(
        "leave a task out without a word where for_each is misspelt, so that it is destroyed",
        "config/stack/stack.py",
        "            open_section(section.document, template, self._title(kind, key.text), known)  # reports it\n",
        "",
        ("tests/config/test_one_fault.py", "-k", "leaves_open"),
    ),
    Mistake(
        "a bid is placed with what stands in for a secret that is not given",
        "config/stack/variables.py",
        "        if declared.sensitive and self.given.checked_alone:\n",
        "        if declared.sensitive:\n",
        ("tests/cli/test_variables.py", "-k", "without_a_secret"),
    ),
    Mistake(
        "a bid is placed with an empty secret of the environment",
        "config/stack/substitution.py",
        "        if not value:  #",
        "        if name not in self.environ:  #",
        ("tests/config/test_stack.py", "-k", "no_text_either"),
    ),
    Mistake(
        "take a name with ${...} in it for the name of the stack",
        "config/stack/called.py",
        ' or "${" in node.text',
        "",
        ("tests/operations/test_elsewhere.py", "-k", "name_in_its_files"),
    ),
)
