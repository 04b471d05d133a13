"""What flowplan says is plain English: phrases that are not, and that may not come back (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXTS = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "SECURITY.md"])
MODULES = sorted((ROOT / "flowplan").rglob("*.py"))

# a phrase -> what to write
PHRASES = {
    "anew": "again, new",
    "nine times of ten": "in 9 of 10 cases",
    "four times of five": "in 4 of 5 cases",
    "too dear": "too expensive, above the budget",
    "dearer": "more expensive",
    "one's own": "your own",
    "could not be had": "could not be fetched",
    "cannot be had": "could not be fetched",
    "one bid only": "only one bid",
    "one only": "only one",
    "one instance only": "only one instance",
    "let go of": "released",
    "lets go of": "releases",
    "whoever": "the user, the process, everyone who",
    "nobody is here": "flowplan cannot ask here",
    "further bid": "duplicate bid",
    "is not known here": "this flowplan does not know",
    "which there is not": "which does not exist",
    "that there is not": "that does not exist",
    "all the same": "anyway, still",
    "nobody looked": "the cloud was not checked",
    "takes all to be": "assumes that everything is",
    "if the data may go": "to let the data be destroyed",
    "if it may go": "to allow it",
    "if all of that is meant": "to allow all of it",
    "a text of it": "text",
    "not a text": "not text",
    "must be a text": "must be text",
    "is no yaml": "is not YAML",
    "done and stays so": "done and will not be placed again",
    "goes with no": "cannot be combined with",
    "does not go with": "cannot be combined with",
    "do not go with": "cannot be combined with",
    "speaks of": "mentions",
    "in order; nothing": "intact; nothing",
    "surer": "more likely",
    "per cent": "percent",
    "runs on past": "keeps running past",
    "nothing of it runs": "none of it runs",
    "asks nobody": "does not ask",
    "takes it to be": "assumes that it is",
}
FORBIDDEN = re.compile(r"\b(?:" + "|".join(r"\s+".join(one.split()) for one in PHRASES) + r")\b", re.IGNORECASE)


def strings_in(path: Path) -> Iterator[tuple[int, str]]:
    """The string literals and docstrings of a module, each with its line; adjacent literals are one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def found_in(line: int, text: str) -> Iterator[str]:
    """The forbidden phrases of a text that begins in `line`, also where they go over a line's end."""
    for found in FORBIDDEN.finditer(text):
        phrase = " ".join(found[0].lower().split())
        yield f"line {line + text.count(chr(10), 0, found.start())}: {phrase}; write: {PHRASES[phrase]}"


def test_no_message_and_no_docstring_has_a_forbidden_phrase() -> None:
    found = [(path, said) for path in MODULES for line, text in strings_in(path) for said in found_in(line, text)]
    assert [f"{path.relative_to(ROOT)}, {said}" for path, said in found] == []


def test_no_text_has_a_forbidden_phrase() -> None:
    found = [(path, said) for path in TEXTS for said in found_in(1, path.read_text())]
    assert [f"{path.relative_to(ROOT)}, {said}" for path, said in found] == []


def test_a_phrase_is_found_in_a_literal_and_over_the_end_of_a_line(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""It could not be\n    had."""\n\nSAID = "placed " f"{1} anew"\n')
    assert [said for line, text in strings_in(module) for said in found_in(line, text)] == [
        "line 1: could not be had; write: could not be fetched",
        "line 4: anew; write: again, new",
    ]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_headings_stand_apart_tables_are_whole_and_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    outside = re.sub(r"^```.*?^```", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    lines = ["", *outside.splitlines(), ""]
    for number, (before, line, after) in enumerate(zip(lines, lines[1:], lines[2:], strict=False), 1):
        assert not (line.startswith("#") and before), f"line {number}: no blank line above the heading"
        if line.startswith("|") and not before:
            assert re.match(r"\|[-| ]+\|$", after), f"line {number}: a table that begins without a head"
    assert [name for name in re.findall(r"\bdocs/[\w-]+\.md", text) if not (ROOT / name).exists()] == []


def test_the_docs_of_a_stack_lead_to_each_other() -> None:
    stack, others = (ROOT / "docs/stack.md").read_text(), ("docs/jobs.md", "docs/environments.md")
    assert [name for name in others if name not in stack] == []
    assert [name for name in others if "docs/stack.md" not in (ROOT / name).read_text()] == []


def test_what_flowplan_says_names_no_file_that_an_installed_flowplan_lacks() -> None:
    """It says the remedy itself. Docstrings are for who reads the code, but those that are the help of a command."""
    page, found = re.compile(r"\bdocs/[\w-]+\.md"), list[str]()
    for text, path in ((path.read_text(), path) for path in MODULES):
        if page.search(text) is None:
            continue
        tree = ast.parse(text)
        kept = {
            ast.get_docstring(one, clean=False)
            for one in ast.walk(tree)
            if isinstance(one, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not any(isinstance(by, ast.Call) for by in getattr(one, "decorator_list", ()))
        }
        found += [
            f"{path.name}:{one.lineno}"
            for one in ast.walk(tree)
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value not in kept
            if page.search(one.value)
        ]
    assert found == []
