"""The site of the docs: its reference has every command, key, code and document; links lead somewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from flowplan.cli import main
from flowplan.config import keys
from flowplan.config.schema import schema
from flowplan.diagnostics import CODES
from flowplan.documents.schema import SHAPES, schema_of
from tests.cli.lines import paths
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs" / "site"))
from links import linked
from reference import pages
from reference.markup import slug

PAGES = pages()


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


@pytest.mark.parametrize("path", [one for one in paths(main) if one], ids=" ".join)
def test_a_command_has_its_options_and_exit_codes(path: tuple[str, ...]) -> None:
    page, command = PAGES[f"reference/commands/{path[0]}.md"], command_at(path)
    _, heading, section = page.partition(f"{'#' * len(path)} flowplan {' '.join(path)}\n")
    assert heading
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and "--help" not in option.opts:
            assert re.search(rf"^\| `[^`]*{option.opts[-1]}\b", section, re.MULTILINE), option.name
    said = re.search(r"^ *Exit codes: .*(?:\n.+)*", command.help or "", re.MULTILINE)
    for code in re.findall(r"(?:Exit codes:|;)\s+(\d+) ", said[0] if said else ""):
        assert f"| `{code}` | " in section


def described() -> Iterator[tuple[str, keys.Keys]]:
    for name in keys.__all__:
        found = getattr(keys, name)
        if isinstance(found, keys.Keys) and name != "STACK":
            yield name, found


@pytest.mark.parametrize(("name", "known"), [*described()])
def test_every_key_has_a_row_with_its_default(name: str, known: keys.Keys) -> None:
    text = PAGES["reference/task-file.md"] + PAGES["reference/stack-file.md"]
    for key, one in known.fields.items():
        default = "" if one.default is None or key in known.required else str(one.default)
        assert re.search(rf"^\| `{key}` \| .*{re.escape(default)}", text, re.MULTILINE | re.IGNORECASE), key


def test_every_mapping_of_the_schema_is_described() -> None:
    definitions: Any = schema()["definitions"]
    text = PAGES["reference/task-file.md"] + PAGES["reference/stack-file.md"]
    assert [key for one in definitions.values() for key in one["properties"] if f"| `{key}` | " not in text] == []


def test_every_code_has_a_place() -> None:
    assert re.findall(r"^## (.*)$", PAGES["reference/codes.md"], re.MULTILINE) == sorted(CODES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_document_is_said_to_be_of_a_command_that_has_the_format(name: str) -> None:
    first = PAGES[f"reference/json/{name}.md"].splitlines()[2]
    said = re.findall(r"`([a-z -]+?)(?: [A-Z][A-Z -]*)? --(format json|json|out FILE)", first)
    assert said or name in ("failure", "hook"), first
    for words, option in said:
        path = tuple(word for word in words.split() if not word.startswith("--"))
        assert any(f"--{option.split()[0]}" in one.opts for one in command_at(path).params), first


@pytest.mark.parametrize("name", SHAPES)
def test_every_key_of_a_document_is_described(name: str) -> None:
    page = PAGES[f"reference/json/{name}.md"]
    for title, one in schema_of(name)["$defs"].items():
        section = re.split(rf"^## {title}$", page, flags=re.MULTILINE)[1].partition("\n## ")[0]
        assert re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE) == list(one["properties"])


def test_every_variable_of_the_environment_that_is_read_is_described() -> None:
    code = "".join(path.read_text() for path in (ROOT / "flowplan").rglob("*.py"))
    own = re.findall(r"[\"'](?:FLOWPLAN|FOUNDRY|MITHRIL)_[A-Z_]+[\"']", code)
    read = {one.strip("\"'") for one in own} | set(re.findall(r"environ\.get\(\"([A-Z_]+)\"", code)) - {
        "HOME",
        "CONTENT_LENGTH",
        "KUBERNETES_SERVICE_HOST",
    }
    text = (ROOT / "docs" / "variables.md").read_text()
    assert [name for name in sorted(read) if f"`{name}" not in text] == []


def test_the_files_that_a_text_names_are_links_and_code_is_left_alone() -> None:
    text = "See docs/stack.md (SECURITY.md), [here](docs/jobs.md#lifetime) or `docs/yaml.md`.\n"
    text += "```text\ndocs/yaml.md\n```\n"
    home, below = linked(text, "index.md"), linked(text, "project/changelog.md")
    assert "See [The stack file](stack.md) ([Security](project/security.md)), [here](jobs.md#lifetime)" in home
    assert "See [The stack file](../stack.md) ([Security](security.md)), [here](../jobs.md#lifetime)" in below
    assert home.endswith("or `docs/yaml.md`.\n```text\ndocs/yaml.md\n```\n")
    assert linked('![a](docs/pictures/a.svg) <img src="docs/pictures/b.svg">', "index.md") == (
        '![a](pictures/a.svg) <img src="pictures/b.svg">'
    )


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_a_link_between_the_docs_leads_to_a_page_and_a_heading(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        name, _, heading = link.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.is_file(), f"{link}: the site has pages and pictures alone, no folders of the repository"
        assert (ROOT / "docs") in found.parents, link
        assert not heading or heading in headings(found), link


def headings(page: Path) -> list[str]:
    """The anchors of a page, as the site makes them from its headings."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [slug(re.sub(r"[`*]", "", line)) for line in lines]
