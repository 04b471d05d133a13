"""What could be found out about an account -> the first files of a stack. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.documents.diagnostics import with_line
from flowplan.documents.yaml_text import mapping
from flowplan.model.catalogue import PRIORITIES
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.documents.shapes.init import ChosenBody, FirstFile, FoundOut, InitDocument, OfferBody

FILE, SCHEMA, IGNORED = "flowplan.yaml", "flowplan.schema.json", ".gitignore"
Form: TypeAlias = Literal["stack", "task"]
EXAMPLE = "a100.1x.SXM4.IB"  # a type in Foundry's own spelling, where nobody could be asked for types
_COLUMN = 38  # of remarks


@frozen
class Choice:
    """A field of the file: its `value`; where none could be chosen, the `names` there are."""

    value: str = ""
    names: tuple[str, ...] = ()


@frozen
class Known:
    """What the API said. `region` empty: nobody could be asked, and the type is an example; else the type, with `gpus`
    an instance, is the cheapest that is offered."""

    project: Choice = Choice()
    ssh_key: Choice = Choice()
    instance_type: str = EXAMPLE
    gpus: int = 1
    region: str = ""


class Next(NamedTuple):
    """A command for a shell, and what it is good for ("": it says so itself)."""

    command: str
    purpose: str = ""


@frozen
class Started:
    """What `init` wrote into `directory` ("" is the working directory), and what it found there and left as it is.
    `to_ignore`: lines that the .gitignore there lacks. `api_url`: the one that was given on the command line, which
    the next command needs again. `unasked`: why the API could not be asked; None: it was."""

    directory: str
    form: Form
    known: Known
    written: tuple[str, ...]
    left: tuple[str, ...] = ()
    to_ignore: tuple[str, ...] = ()
    api_url: str | None = None
    unasked: Diagnostic | None = None

    def path(self, name: str) -> str:
        """A file of it, as somebody in the working directory names it."""
        return str(PurePath(self.directory) / name)

    @property
    def purposes(self) -> dict[str, str]:
        """What each of its files is for, by name, in the order of reading."""
        return {
            FILE: f"a {self.form} to edit",
            SCHEMA: "your editor completes its keys",
            IGNORED: "what Git leaves alone",
        }

    @property
    def next(self) -> tuple[Next, ...]:
        """What to type now, one after the other. Where the API could not be asked, that is for the simulator."""
        there = (Next(f"cd {shlex.quote(self.directory)}"),) if self.directory else ()
        if self.unasked is not None:
            return (*there, _plan("sim:"), Next("flowplan doctor", "what is missing for a real account"))
        return (
            *there,
            _plan(self.api_url),
            Next(_typed("flowplan apply", self.api_url), "make it, once you have typed yes"),
            Next(_typed("flowplan destroy", self.api_url), "end it: until then it costs money"),
        )


def _plan(api_url: str | None) -> Next:
    return Next(_typed("flowplan plan", api_url), "what it would make and cost; changes nothing")


def _typed(command: str, api_url: str | None) -> str:
    return f"{command} --api-url {shlex.quote(api_url)}" if api_url else command


def document(done: Started) -> InitDocument:
    """What was found out, what was written, and what to type next."""
    return {
        "format_version": "1.0",
        "directory": done.directory or ".",
        "form": done.form,
        "asked": done.unasked is None,
        "found": _found(done.known),
        "files": [_file(done, name) for name in done.purposes],
        "to_ignore": list(done.to_ignore),
        "next": [{"command": one.command, "purpose": one.purpose or None} for one in done.next],
        "diagnostics": [] if done.unasked is None else [with_line(done.unasked)],
    }


def _found(known: Known) -> FoundOut:
    offer: OfferBody = {
        "instance_type": known.instance_type,
        "region": known.region,
        "gpus": known.gpus,
        "limit_price": str(_limit(known)),
    }
    return {
        "project": _body(known.project),
        "ssh_key": _body(known.ssh_key),
        "offer": offer if known.region else None,
    }


def _body(choice: Choice) -> ChosenBody:
    return {"value": choice.value or None, "choices": list(choice.names)}


def _file(done: Started, name: str) -> FirstFile:
    status: Literal["written", "left"] = "written" if name in done.written else "left"
    return {"path": done.path(name), "purpose": done.purposes[name], "status": status}


NOT_FOR_GIT = (".flowplan/", "flowplan.state.*", "flowplan.lock")


def ignored() -> str:
    """The .gitignore."""
    return "\n".join(["# What flowplan keeps beside its files: the state, its lock, caches.", *NOT_FOR_GIT]) + "\n"


def text(form: Form, known: Known, name: str) -> str:
    """The first file. `name`: that of the task."""
    head = [f"# yaml-language-server: $schema={SCHEMA}", *_HEADS[form]]
    task = _task(known)
    if form == "task":
        lines = [*head, "version: 1.2", *mapping({"name": name}), *_account(known), "", *_guards(known), "", *task]
    else:
        inner = [f"    {line}".rstrip() for line in task]
        lines = [*head, "version: 2", *_account(known), "", *_guards(known), ""]
        lines += ["tasks:", *mapping({name: {}}, "  "), *inner, "", *_VOLUMES]
    return "\n".join(lines) + "\n"


_HEADS: dict[Form, list[str]] = {
    "stack": [
        "# A stack: tasks, and volumes that they share. `flowplan plan` shows what it",
        "# would make and what that costs, and changes nothing.",
    ],
    "task": [
        "# A task. `flowplan plan` shows what it would make and what that costs, and",
        "# changes nothing.",
    ],
}
_VOLUMES = [
    "# Volumes are made with the stack, keep their data when a task ends, and cost",
    "# money until they are destroyed.",
    "# volumes:",
    "#   data: {size: 100, disk_interface: File}   # GB; File is shared, Block is not",
]


def _account(known: Known) -> list[str]:
    return [
        *_chosen("project_name", known.project, "my-project", "the project that pays"),
        *_chosen("ssh_key_name", known.ssh_key, "my-key", "the key that opens the instances"),
    ]


def _chosen(key: str, choice: Choice, example: str, says: str) -> list[str]:
    """A line of the file; a comment where nothing is chosen, since flowplan takes the only one there is."""
    if choice.value:
        return _remarked(mapping({key: choice.value}), says)
    if choice.names:
        listed = [f"#   {shown(name)}" for name in choice.names[:12]]
        more = len(choice.names) - len(listed)
        listed += [f"#   and {more} more"] if more else []
        return [f"# Choose {says}:", *listed, *(f"# {line}" for line in mapping({key: choice.names[0]}))]
    return _remarked([f"# {line}" for line in mapping({key: example})], "if you have several")


def _guards(known: Known) -> list[str]:
    most = _limit(known).to_integral_value(ROUND_CEILING)
    return ["guards:", *_remarked([f"  max_hourly_cost: {most}"], "dollars; a plan above it is refused")]


def _limit(known: Known) -> Decimal:
    """Dollars per instance-hour."""
    return PRIORITIES["standard"] * max(known.gpus, 1)


def _task(known: Known) -> list[str]:
    said = "the cheapest when written" if known.region else "an example"
    region = mapping({"cluster_id": known.region}, "  ") if known.region else ["  # cluster_id: us-central1-b"]
    return [
        "resources_specification:",
        *_remarked(mapping({"fcp_instance": known.instance_type}, "  "), said),
        *_remarked(region, "the region" if known.region else "the region; else flowplan chooses"),
        *_remarked(["  num_instances: 1"], "all of them or none"),
        "task_management:",
        "  # The most that an instance is worth to you, in dollars an hour. You pay",
        "  # the price of the auction, which is never more.",
        f"  utility_threshold_price: {_limit(known)}",
        "startup_script: |",
        "  #!/bin/bash",
        "  nvidia-smi",
        *_remarked(["# ports: [8888]"], "published to the internet"),
        *_remarked(["# lifetime: {max_hours: 12}"], "hours of running, then it ends"),
    ]


def _remarked(lines: Iterable[str], says: str) -> list[str]:
    """One line with a remark, which stands above it where there is no room."""
    (line,) = lines
    indent = line[: len(line) - len(line.lstrip(" "))]
    if len(line) + 2 > _COLUMN:
        return [f"{indent}# {says[0].upper()}{says[1:]}.", line]
    return [f"{line:<{_COLUMN}}# {says}"]
