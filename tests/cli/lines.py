"""A line to type for each command, in a place where it has something to say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module

import attrs
import click
import pyrage

from flowplan.backends.processes import this_process
from flowplan.cli.commands import COMMANDS
from flowplan.cli.forms import Form
from tests.conftest import Place, made_once

STACK = """\
version: 2
defaults:
  {project_name: my-foundry-project, ssh_key_name: my-ssh-key, task_management: {utility_threshold_price: 17.92}}
tasks:
  train: {resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}
outputs: {name: "${task.train.name}"}
"""
CASES = "cases:\n  one: {expect: {resource_changes: {bid.train: create}}}\n"
FLOW = "name: a\ncommand: echo\ninstance_type: h100\nmax_price_per_hour: 9\n"

# What one types for a command, where that is more than its name.
TYPED = {
    "init": "init new",
    "completion": "completion bash",
    "market": "market h100",
    "convert": "convert flow.yaml",
    "explain": "explain volatile",
    "simulator advance": "simulator advance 1h",
    "fmt": "fmt --check untidy.yaml",
    "apply": "apply --auto-approve",
    "destroy": "destroy --auto-approve",
    "import": "import bid.train ID",
    "output": "output name",
    "show": "show p",
    "state show": "state show bid.train",
    "state rm": "state rm bid.train",
    "state mv": "state mv bid.train bid.other",
    "state push": "state push pulled.json",
    "state migrate": "state migrate flowplan.state.json moved.json",
    "state rekey": "state rekey --allow-plaintext",
    "force-unlock": "force-unlock LOCK",
    "watch": "watch --once",
}
UNENDING = {"simulator serve"}


def commands() -> dict[str, click.Command]:
    """Every command that does something, by what one types."""

    def below(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield words, command
            return
        for word, one in command.commands.items():
            yield from below(f"{words} {word}", one)

    tops = {name: getattr(import_module(f"flowplan.cli.{module}"), of) for name, (module, of, _) in COMMANDS.items()}
    return {words: one for name, top in tops.items() for words, one in below(name, top)}


def paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of every command, and of every command below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            yield from paths(found, (*path, name))


def formats(command: click.Command) -> list[str]:
    """What --format offers, the default first; nothing where there is no --format."""
    kinds = [one.type for one in command.params if isinstance(one, Form)]
    return [str(form) for kind in kinds if isinstance(kind, click.Choice) for form in kind.choices]


def ready(place: Place, command: str) -> list[str]:
    """The words of a line that this command has something to say to, once `place` is made ready for it."""
    _made(place)
    words = TYPED.get(command, command).split()
    if command == "state restore":
        place.write("{", "flowplan.state.json")
    if command == "state rekey":
        os.environ["FLOWPLAN_AGE_KEY"] = str(pyrage.x25519.Identity.generate())  # as `place` found it, afterwards
    if command == "import":
        words[-1] = json.loads(place.ok("state", "rm", "bid.train", "--format", "json"))["released"]["id"]
    if command == "force-unlock":
        left = attrs.evolve(this_process("flowplan apply", {}, "2026-01-02T03:04:05Z"), host="elsewhere", boot="b" * 36)
        place.write(json.dumps(attrs.asdict(attrs.evolve(left, machine="c" * 32))), "flowplan.lock")
        words[-1] = left.id
    return words


@made_once
def _made(place: Place) -> Place:
    """A stack that is applied, a plan of a change to it in `p`, and the files that `TYPED` names."""
    place.write(STACK)
    place.write(CASES, "flowplan.test.yaml")
    place.write(FLOW, "flow.yaml")
    place.write("name:   a\n", "untidy.yaml")
    place.ok("apply", "--auto-approve")
    place.ok("show")  # a look takes over what an apply left
    place.write(place.ok("state", "pull"), "pulled.json")
    place.edit("17.92", "20.00")
    place.ok("plan", "--out", "p")
    return place
