"""What the command line does not take: empty arguments, and places that are none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import cycle

import click
import pytest

from flowplan.cli import main
from flowplan.cli.base import global_options
from tests.conftest import TASK, Place


def commands(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of the tree, with the words that call it; the groups too."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, *names, name)


def empty_values(every_way: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Everything that can be given empty, with the words of that call; an option in every way, or each in another."""
    ways = cycle([(0, 1, 2)] if every_way else [(0,), (1,), (2,)])
    for names, command in commands(main):
        filled = ["x" for param in command.params if isinstance(param, click.Argument) and param.nargs == 1]
        arguments = 0
        for param in command.params:
            if isinstance(param, click.Argument):
                given = [*filled[:arguments], "", *filled[arguments + 1 :]] if param.nargs == 1 else [*filled, ""]
                arguments += 1
                yield param.make_metavar(click.Context(command)), (*names, *given)
            elif isinstance(param, click.Option) and not param.is_flag:
                option = max(param.opts, key=len)
                forms = (option, ""), (f"{option}=",), (option, " ")
                for way in next(ways):
                    yield option, (*names, *filled, *forms[way])


@pytest.mark.parametrize("every_way", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_empty_argument_is_wrong_usage_in_every_command_and_names_the_parameter(
    place: Place, every_way: bool
) -> None:
    seen = list(empty_values(every_way))
    assert len(seen) > (1400 if every_way else 500)  # the whole tree
    for name, words in seen:
        result = place.run(*words)
        assert result.code == 64, (words, result)
        assert "empty" in result.err, (words, result)
        shown = name.replace("--json-into", "--json")  # as one types it: --json=FILE
        assert shown.strip("[].") in result.err or shown in result.err, (words, result)
    assert list(place.path.iterdir()) == []


def test_an_empty_path_among_others_is_wrong_usage_too(example: Place) -> None:
    for words in (("apply", "--auto-approve", "flowplan.yaml", ""), ("destroy", "", "."), ("validate", "--", "")):
        assert example.run(*words).code == 64, words


def test_the_global_options_are_those_that_were_walked(place: Place) -> None:
    for option in global_options(hidden=False):
        if not getattr(option, "is_flag", False):
            assert place.run(max(option.opts, key=len), "", "plan").code == 64


@pytest.mark.parametrize(
    "name",
    ["MITHRIL_API_URL", "FLOWPLAN_PLAN_KEY", "FOUNDRY_PROJECT_NAME", "FOUNDRY_SSH_KEY_NAME", "FLOWPLAN_SETTLE_WINDOW"],
)
def test_an_empty_variable_counts_as_not_set(example: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    example.ok("plan", "--out", "saved.json")


@pytest.mark.parametrize("name", ["flowplan.lock", "flowplan.state.lock", "flowplan.state.json"])
def test_a_plan_is_not_saved_over_what_keeps_a_state(example: Place, name: str) -> None:
    """The file of a lock is empty while nobody holds it; replaced, two runs would lock two files."""
    example.ok("apply", "--auto-approve")
    there = example.path / name
    before = (there.stat().st_ino, there.read_bytes()) if there.exists() else None
    result = example.run("plan", "--out", name)
    assert (result.code, "choose another name" in result.err) == (64, True), result
    assert before == ((there.stat().st_ino, there.read_bytes()) if there.exists() else None)


@pytest.mark.parametrize("state", [".", "..", "/", "sub", "sub/", "nowhere/", "link"])
def test_a_directory_is_no_state(example: Place, state: str) -> None:
    (example.path / "sub").mkdir()
    (example.path / "link").symlink_to("sub")
    for words in (
        ("plan",), ("apply", "--auto-approve"), ("destroy",), ("state", "list"), ("state", "restore"),
        ("lock", "show"), ("force-unlock", "x"), ("status",), ("orphans",), ("recover",),
    ):  # fmt: skip
        result = example.run(*words, "--state", state)
        assert result.code == 64, (words, result)
        assert "is a directory" in result.err
        assert "flowplan.state.json" in result.err


def test_a_working_directory_that_is_gone_is_said_by_every_command(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = place.path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        for names, command in commands(main):
            if isinstance(command, click.Group) or names == ("completion",):  # that one needs no directory
                continue
            filled = ["-" for param in command.params if isinstance(param, click.Argument) and param.required]
            result = place.run(*names, *filled)
            assert result.code == 64, (names, result)
            assert "working directory" in result.err, (names, result)
        assert place.run("plan", "--chdir", str(place.path)).code == 64  # there is no flowplan.yaml
    finally:
        os.chdir(place.path)


def test_a_working_directory_that_is_gone_is_left_with_chdir(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = example.path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        example.ok("plan", "--chdir", str(example.path))
    finally:
        os.chdir(example.path)


@pytest.mark.parametrize("url", ["simm:", "Sim", "api.mithril.ai"])
def test_a_url_that_is_none_is_told_of_before_credentials_are(
    place: Place, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Whoever meant the simulator needs none."""
    place.write(TASK)
    monkeypatch.delenv("FLOWPLAN_API_KEY", raising=False)
    monkeypatch.setenv("FLOWPLAN_API_URL", url)
    result = place.run("plan")
    said = " ".join(result.err.split())
    assert (result.code, f"the API's URL '{url}' is not an https URL" in said) == (64, True), result
    assert ("the simulator is sim: with a colon" in said) is url.lower().startswith("sim")
