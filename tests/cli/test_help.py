"""The help of every command, and what is said to somebody who comes from another tool."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from flowplan.cli import COMMANDS, PURPOSES, elsewhere, main
from flowplan.cli.examples import EXAMPLES
from tests.conftest import Place


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command by what one types behind `flowplan`."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            yield from commands(found, f"{path} {name}".strip())


BY_PATH = dict(commands(main))


def test_every_command_stands_in_one_group_with_one_line() -> None:
    assert [name for rows in PURPOSES.values() for name in rows] == list(COMMANDS)
    assert sum(map(len, PURPOSES.values())) == len(COMMANDS)


def test_every_command_has_an_example(place: Place) -> None:
    assert set(EXAMPLES) == set(BY_PATH)
    for path in BY_PATH:
        said = place.ok(*path.split(), "--help")
        assert said.count("Example:\n") == 1, path
        for line in EXAMPLES[path]:
            assert f"  {line}\n" in said
            assert len(line) + 2 <= 80


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_can_be_typed_as_it_stands(path: str) -> None:
    typed = [line for line in EXAMPLES[path] if "flowplan " in line and not line.startswith("#")]
    assert typed
    for line in typed:
        words = shlex.split(
            re.split(r" [>#]|\)", line)[0].replace('ssh -l ubuntu "ssh://$(', "").replace("source <(", ""),
            comments=True,
        )
        name, command = next((one, BY_PATH[one]) for one in _beginnings(words[1:]) if one in BY_PATH)
        parent = click.Context(main, obj={})
        command.make_context(name, words[1 + len(name.split()) :], parent=parent).close()


def _beginnings(words: list[str]) -> Iterator[str]:
    for length in range(len(words), 0, -1):
        yield " ".join(words[:length])


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("apply -auto-approve", "options have two dashes: --auto-approve"),
        ("plan -auto-approve", "only apply and destroy ask for approval, and take --auto-approve"),
        ("plan --auto-approve", "only apply and destroy ask for approval, and take --auto-approve"),
        ("plan -parallelism=3", "apply and destroy take --parallelism; other commands need no limit"),
        ("apply f -parallelism=3", "options have two dashes: --parallelism N"),
        ("init -get=false", "there are no providers to fetch"),
        ("plan -raw", "flowplan output NAME --raw prints a value as it is"),
        ("validate -no-tests", "flowplan test runs them"),
        ("plan -out=x", "options have two dashes: --out FILE"),
        ("convert t.yaml -out=x", "options have two dashes: --out FILE"),
        ("apply -out=x", "flowplan plan --out FILE saves a plan, flowplan apply FILE carries it"),
        ("plan -target=bid.a", "options have two dashes: --target ADDR"),
        ("plan -var a=1", "options have two dashes: --var NAME=VALUE"),
        ("-chdir=x plan", "options have two dashes: --chdir DIR"),
        ("plan -json", "--format json writes JSON to stdout"),
        ("apply -json", "options have two dashes: --json"),
        ("apply -lock=false", "looking takes no lock"),
        ("apply -input=false", "leave it out"),
        ("init -upgrade", "there are no providers to fetch"),
        ("apply -y", "only apply and destroy ask for approval, and take --auto-approve"),
        ("force-unlock -force x", "only apply and destroy ask for approval"),
        ("state rm --yes bid.a", "only apply and destroy ask for approval"),
        ("state push -force x", "options have two dashes: --force"),
        ("plan -refresh=false", "flowplan plan --no-refresh plans from the state alone"),
        ("apply -refresh=false", "apply always looks at the cloud"),
        ("apply --dry-run", "flowplan plan shows what would change"),
        ("workspace new x", "give each environment a --state"),
        ("taint bid.a", "flowplan apply --replace ADDR replaces a resource"),
        ("refresh", "flowplan apply --refresh-only"),
        ("submit task.yaml", "flowplan apply FILE places"),
        ("cancel bid_1", "flowplan destroy ends what flowplan.yaml asks for"),
        ("logs", "/var/log/flowplan-startup.log"),
        ("ssh", "flowplan status shows the ssh destination"),
    ],
)
def test_what_other_tools_call_it_is_answered(place: Place, typed: str, says: str) -> None:
    found = place.run(*typed.split())
    assert (found.code, found.out) == (64, "")
    assert says in " ".join(found.err.split())
    assert list(place.path.iterdir()) == []


def test_what_is_proposed_exists() -> None:
    hints = [*elsewhere.COMMANDS.values(), *elsewhere.HOMES.values()]
    named = {name for hint in hints for name in re.findall(r"flowplan ([a-z][a-z-]*)", hint)}
    assert named - {"cannot", "keeps"} <= set(COMMANDS)  # words of the sentence
    assert not set(elsewhere.COMMANDS) & set(COMMANDS)


def test_a_slip_is_answered_with_the_one_option_that_is_meant(place: Place) -> None:
    assert "Did you mean '--target'?" in place.run("plan", "--targt", "x").err
    assert "Did you mean" not in place.run("plan", "--zzz", "x").err
    assert "Did you mean 'apply'?" in place.run("aply").err


def test_short_options_in_one_word_are_still_those(place: Place) -> None:
    assert "Usage: flowplan plan" in place.ok("plan", "-vh")
