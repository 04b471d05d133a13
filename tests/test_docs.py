"""What the README and the docs tell you to type works when it is typed, and what they show is what is printed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from flowplan.cli import COMMANDS
from flowplan.config import Source, read
from flowplan.errors import ConfigError
from flowplan.simulator import Simulator
from flowplan.simulator.serve import Server
from tests.blocks import LEFT_OUT, Block, at_a_terminal, blocks, environment, outputs_of, program, script
from tests.conftest import EXAMPLES, ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = [page for page in PAGES if any(block.typed for block in blocks(page.read_text()))]
LANGUAGES = {"bash", "console", "yaml", "json", "python", "text", "mermaid"}
# Why lines are left out, which is said in their block, and how many blocks are.
LEFT = {"they download from a package index.": 1}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_has_a_language_and_none_is_only_indented(page: Path) -> None:
    text = page.read_text()
    assert [f"line {one.line}: {one.language}" for one in blocks(text) if one.language not in LANGUAGES] == []
    outside = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"(?<=\n\n)    .*", outside) == []


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    texts = [one.text for page in PAGES for one in blocks(page.read_text()) if one.text.startswith(LEFT_OUT)]
    reasons = [text.partition("\n")[0].removeprefix(LEFT_OUT) for text in texts]
    assert {one: reasons.count(one) for one in reasons} == LEFT


@pytest.mark.parametrize("page", TYPED, ids=name)
def test_what_is_typed_works_and_shows_what_the_page_shows(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = blocks(page.read_text())
    for program_ in ("jq", "age"):
        if any(re.search(rf"\b{program_}\b", one.typed) for one in found) and shutil.which(program_) is None:
            pytest.skip(f"{program_} is not installed")
    where, outputs = tmp_path / "where", tmp_path / "outputs"
    outputs.mkdir()
    furnish(found, where)
    with Simulator.open(":memory:") as elsewhere, Server(elsewhere) as server:  # for a page that unsets `sim:`
        code, shown = at_a_terminal(script(found, outputs), where, environment(where, MITHRIL_API_URL=server.url))
    assert code == 0, shown
    shows = [one for one in found if one.language == "console"]
    now = [outputs_of(one, outputs) for one in shows]
    if request.config.getoption("--accept"):
        accept(page, now)
        shows = [one for one in blocks(page.read_text()) if one.language == "console"]
    assert [one.text for one in shows] == now


@pytest.mark.parametrize("page", [page for page in PAGES if program(blocks(page.read_text()))], ids=name)
def test_python_runs_from_the_first_block_to_the_last(page: Path, tmp_path: Path) -> None:
    found, where, outputs = blocks(page.read_text()), tmp_path / "where", tmp_path / "outputs"
    outputs.mkdir()
    furnish(found, where)
    (where / "program.py").write_text(program(found))
    code, shown = at_a_terminal(f"{script(found, outputs)}\npython program.py", where, environment(where))
    assert code == 0, shown


def test_a_line_that_fails_is_found_and_a_question_is_answered(tmp_path: Path) -> None:
    page = blocks("```bash\nfalse\n```\n\n```bash\ntrue\n```\n")
    assert at_a_terminal(script(page, tmp_path), tmp_path, environment(tmp_path))[0] == 1
    assert program(blocks("```python\n1 +\n```\n\n```python\n1\n```\n")) == "1 +\n\n1\n"
    asks = "read -rp \"Apply? Only 'yes' is accepted: \" said; test $said = yes"
    assert at_a_terminal(asks, tmp_path, {"PATH": "/usr/bin:/bin"})[0] == 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_yaml_is_what_flowplan_reads(page: Path) -> None:
    found = (one.text for one in blocks(page.read_text()) if one.language == "yaml" and not one.title)
    assert [text for text in found if not (is_read(text) or is_read(f"version: 2\n{text}"))] == []


def is_read(text: str) -> bool:
    """Whether this is configuration, of which only something that stands elsewhere may be missing."""

    def nothing(_: str, path: str) -> bytes:
        raise FileNotFoundError(path)

    try:
        read([Source("flowplan.yaml", text.encode())], nothing)
    except ConfigError as error:
        return all(one.code in ("missing", "reference", "variable-missing") for one in error.problems)
    return True


def test_the_readme_has_a_row_for_each_command() -> None:
    rows = "\n".join(re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert [one for one in COMMANDS if not re.search(rf"`{one}\b", rows)] == []


def furnish(found: list[Block], where: Path) -> None:
    """The examples, and the files that blocks with a title are."""
    shutil.copytree(EXAMPLES, where / "examples")
    for block in found:
        if block.title:
            (where / block.title).parent.mkdir(parents=True, exist_ok=True)
            (where / block.title).write_text(block.text)


def accept(page: Path, now: list[str]) -> None:
    left = iter(now)
    shown = re.compile(r"^```console\n.*?^```$", re.DOTALL | re.MULTILINE)
    page.write_text(shown.sub(lambda _: f"```console\n{next(left)}```", page.read_text()))
