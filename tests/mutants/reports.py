"""Mistakes seeded in flowplan/reports."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "say that what has ended still costs money once it is released",
        "reports/text/state.py",
        "    if known is not None:\n",
        "    if False:\n",
        ("tests/cli/test_commands.py", "-k", "state_rm"),
    ),
    Mistake(
        "the last event of a watch counts what its last round did",
        "reports/events.py",
        "self._counts.get(name, 0) + count",
        "count",
        ("tests/cli/test_watch.py", "-k", "last_event"),
    ),
    Mistake(
        "a plan file breaks its lines",
        "reports/text/plan.py",
        "    body = lines_apart(body)\n",
        "",
        ("tests/faults/test_inert.py", "-k", "plan_file"),
    ),
    Mistake(
        "a DEL in a plan file reaches the terminal",
        "reports/text/plan.py",
        ' and "\\x7f" not in said',
        "",
        ("tests/reports/test_plan_text.py", "-k", "fit_as_it_is"),
    ),
    Mistake(
        "a line break in an address breaks the line",
        "reports/text/state.py",
        "{shown(str(one.address), LONGEST_LINE)}",
        "{one.address}",
        ("tests/faults/test_inert.py", "-k", "the_state"),
    ),
    Mistake(
        "a finding has another fingerprint when lines above it change",
        "documents/validate.py",
        'one["source"]["file"] if one["source"] else ""',
        'str(one["source"])',
        ("tests/reports/test_checks.py", "-k", "fingerprint"),
    ),
    Mistake(
        "a finding is shown beside another file",
        "documents/checkout.py",
        "posixpath.join(self.directory, file)",
        "posixpath.join(self.root, file)",
        ("tests/reports/test_checks.py", "-k", "top_of_their_repository"),
    ),
    Mistake(
        "a name in a comment calls a user",
        "reports/markdown/escaping.py",
        '_LINKING = "@#:"',
        '_LINKING = "#:"',
        ("tests/reports/test_markdown.py", "-k", "shown_as_it_is"),
    ),
    Mistake(
        "a name in a comment closes its fence",
        "reports/markdown/escaping.py",
        'fence = "`" * max(3, _longest_run(text) + 1)',
        'fence = "```"',
        ("tests/reports/test_markdown.py", "-k", "shown_as_it_is"),
    ),
    Mistake(
        "a comment that is cut does not say so",
        "reports/markdown/fitting.py",
        'return "".join(texts) + left_out(+missing)',
        'return "".join(texts)',
        ("tests/reports/test_markdown.py", "-k", "keeps_to_its_size"),
    ),
    Mistake(
        "a comment shows what is made before what is destroyed",
        "reports/markdown/plan.py",
        '    ("-",): "Destroy",\n    ("-/+", "+/-"): "Replace",\n',
        '    ("+",): "Create",\n    ("-/+", "+/-"): "Replace",\n    ("-",): "Destroy",\n',
        ("tests/reports/test_markdown.py", "-k", "verdict_first"),
    ),
    Mistake(
        "changes at other limits are shown as one",
        "reports/text/folding.py",
        'return {**values, **named, "name": OWN}',
        'return {**values, **named, "name": OWN, "limit_price": OWN}',
        ("tests/reports/test_folding.py",),
    ),
    Mistake(
        "the loss of several volumes' data is shown as one",
        "reports/text/folding.py",
        """    return entry["type"] == "volume" and "delete" in entry["change"]["actions"]\n""",
        "    return False\n",
        ("tests/reports/test_folding.py",),
    ),
    Mistake(
        "a name in a plan begins a command of the runner",
        "reports/github/commands.py",
        'text.replace("%", "%25").replace("\\r", "%0D").replace("\\n", "%0A")',
        'text.replace("%", "%25")',
        ("tests/reports/test_github.py", "-k", "stands_at_its_line"),
    ),
    Mistake(
        "a name in a plan forges an output of the step",
        "reports/github/plan.py",
        """end = f"end_{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}\"""",
        'end = "end_"',
        ("tests/reports/test_github.py", "-k", "forges"),
    ),
    Mistake(
        "a name in a page is markup",
        "reports/html/filling.py",
        "        autoescape=True,\n",
        "        autoescape=False,\n",
        ("tests/reports/test_page.py", "-k", "it_is_text"),
    ),
    Mistake(
        "a name in a page turns its text around",
        "reports/html/filling.py",
        "return value if isinstance(value, Markup) else inert(str(value))",
        "return value",
        ("tests/reports/test_page.py", "-k", "template_escapes"),
    ),
    Mistake(
        "a page lets any script run",
        "reports/html/page.html.j2",
        "script-src '{{ script_digest }}'",
        "script-src 'unsafe-inline'",
        ("tests/reports/test_page.py", "-k", "may_run"),
    ),
)
