"""What other tools call things: Terraform's options and commands, and those of Foundry's own tools, answered with what
does the same here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

from flowplan.errors import UsageProblem
from flowplan.patterns import regex
from flowplan.printable import shown

_APPLY = "flowplan apply FILE places what the file asks for, after it has shown the plan"
_DESTROY = (
    "flowplan destroy ends what flowplan.yaml asks for, destroy FILE what FILE does, destroy --target task.NAME one "
    "task; what the files still ask for, the next apply places again: to end it for good, delete it there and apply"
)
_PAUSE = "`paused: true` in the task, and apply: its instances stop, and cost nothing"
_RESUME = "`paused: false` in the task, and apply"
_STATUS = "flowplan status shows the bids, instances, ssh destinations and ports"
_WORKSPACES = "give each environment a --state and a --var-file of its own"
_NO_PROVIDERS = "leave it out: there are no providers to fetch; flowplan init writes a first configuration"
_LOGIN = "set FLOWPLAN_API_KEY or FLOWPLAN_API_KEY_FILE; flowplan doctor says whether that works"
_NO_JSON = "leave it out: what this command prints is for people, and its exit code says how it ended"
_APPROVAL = "only apply and destroy ask for approval, and take --auto-approve"
_FIND = "flowplan status lists them; flowplan market shows what is offered"

COMMANDS: Mapping[str, str] = MappingProxyType({
    # Terraform's
    **dict.fromkeys(("workspace", "env"), _WORKSPACES),
    "taint": "flowplan apply --replace ADDR replaces a resource",
    "untaint": "nothing stays marked: leave out --replace",
    "refresh": "flowplan apply --refresh-only records in the state what changed outside",
    "console": "flowplan output prints values of the stack, flowplan show the state",
    **dict.fromkeys(("providers", "get", "modules"), _NO_PROVIDERS),
    "history": "flowplan state history lists the versions of the state, and who changed what",
    "version": "flowplan --version",
    "help": "flowplan --help lists the commands, flowplan COMMAND --help explains one",
    # of Foundry's tools, SkyPilot, and what people type
    **dict.fromkeys(("submit", "run", "launch", "create", "up", "exec", "jobs"), _APPLY),
    **dict.fromkeys(("cancel", "down", "delete", "kill", "rm", "terminate"), _DESTROY),
    **dict.fromkeys(("list", "ls", "ps", "get-bids", "bids", "instances", "info", "queue"), _STATUS),
    **dict.fromkeys(("login", "logout", "auth", "configure", "setup"), _LOGIN),
    **dict.fromkeys(("price", "prices", "pricing", "types", "gpus", "show-gpus"), "flowplan market shows the prices"),
    **dict.fromkeys(("volume", "volumes", "storage", "key", "keys"), _FIND),
    **dict.fromkeys(("logs", "tail"), "log in (flowplan status shows how): the log is /var/log/flowplan-startup.log"),
    "ssh": "flowplan status shows the ssh destination of each instance",
    "start": f"{_APPLY}; after a pause, write {_RESUME}",
    "stop": f"for a pause, write {_PAUSE}; {_DESTROY}",
    "pause": f"write {_PAUSE}",
    "resume": f"write {_RESUME}",
    "edit": "edit the file and run flowplan plan",
    "lint": "flowplan validate",
    "check": "flowplan validate; flowplan doctor checks the account",
    **dict.fromkeys(("diff", "preview"), "flowplan plan"),
})  # fmt: skip

# An option -> where it is, for a command that does not have it. The names that have a dash before them are short.
HOMES: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("auto-approve", "auto-approved", "approve", "yes", "y", "force"), _APPROVAL),
    "out": "flowplan plan --out FILE saves a plan, flowplan apply FILE carries it out",
    "detailed-exitcode": "flowplan plan --detailed-exitcode exits with 2 where there are changes",
    "destroy": "flowplan destroy; flowplan plan --destroy only shows it",
    "refresh-only": "flowplan plan and flowplan apply take --refresh-only",
    "refresh": "flowplan plan --no-refresh plans from the state alone; apply always looks at the cloud",
    "policy": "flowplan plan, apply, destroy and watch take --policy: a plan is held to its rules",
    "replace": "flowplan plan and flowplan apply take --replace",
    "target": "flowplan plan, apply and destroy take --target",
    "json": "--format json writes JSON to stdout, --json FILE into a file beside the text",
    "lock": "leave it out: looking takes no lock; what changes anything always takes it",
    "input": "leave it out: where flowplan cannot ask, it names the option that it needs",
    "compact-warnings": "leave it out: warnings are grouped",
    "write": "flowplan fmt --check names the files that it would rewrite, --diff shows how: both write nothing",
    "list": "leave it out: flowplan fmt prints the names of the files that change",
    "recursive": "name the directories, one after the other",
    "generate-config-out": "flowplan import ADDR ID --generate FILE writes the configuration",
    "backup": "leave it out: flowplan keeps every version of the state (flowplan state history)",
    "parallelism": "apply and destroy take --parallelism; other commands need no limit",
    "raw": "flowplan output NAME --raw prints a value as it is",
    "allow-missing": "leave it out: flowplan import takes what is live, also before a file names it",
    "no-tests": "leave it out: validate reads no tests; flowplan test runs them",
    "test-directory": "leave it out, and name the tests: flowplan test PATH",
    "state-out": "give --state FILE: the state is read and written there",
    **dict.fromkeys(
        (
            *("upgrade", "reconfigure", "migrate-state", "backend-config", "backend"),
            *("get", "plugin-dir", "lockfile", "from-module", "force-copy"),
        ),
        _NO_PROVIDERS,
    ),
    "dry-run": "flowplan plan shows what would change, and changes nothing",
    "n": "flowplan plan shows what would change, and changes nothing",
    "region": "write cluster_id in the task",
    "follow": "log in (flowplan status shows how): the log is /var/log/flowplan-startup.log",
})  # fmt: skip

_ALIKE = 0.75  # how much of two names is the same where one is a slip for the other
_ONE_DASH = regex(r"-([a-z][a-z-]+)(=.*)?", re.DOTALL)


def hold_ours(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Raise UsageProblem for an option in Terraform's spelling, with flowplan's."""
    for word in args:
        if word == "--" or (isinstance(command, click.Group) and not word.startswith("-")):
            return
        found = _ONE_DASH.fullmatch(word)
        hint = _spelt(command, ctx, found[1]) if found is not None else None
        if hint is not None:
            raise UsageProblem(f"there is no option {word.partition('=')[0]}", hint=hint)


def _spelt(command: click.Command, ctx: click.Context, name: str) -> str | None:
    """What to type in place of `-name`; None: that is no option's name."""
    option = next((one for one in command.get_params(ctx) if f"--{name}" in one.opts), None)
    if not isinstance(option, click.Option) or (name == "json" and not option.is_flag):
        return _home(command, name)
    return f"options have two dashes: --{name}{'' if option.is_flag else f' {option.make_metavar(ctx)}'}"


def _home(command: click.Command, name: str) -> str | None:
    """Where the option `name` is, for a `command` that does not have it."""
    formats = [one.type.choices for one in command.params if one.name == "form" and isinstance(one.type, click.Choice)]
    if name == "json" and not isinstance(command, click.Group) and not any("json" in each for each in formats):
        return _NO_JSON
    return HOMES.get(name)


def at_home(error: click.NoSuchOption) -> click.NoSuchOption | UsageProblem:
    """What to say of an option that a command does not have: where it is, if that is known, else the one that is
    spelt like it."""
    name, context = error.option_name, error.ctx
    if context is None:
        return error
    if (home := _home(context.command, name.lstrip("-"))) is not None:
        return UsageProblem(f"{context.command_path} has no option {shown(name)}", hint=home)
    from flowplan.diagnostics import looks_like  # what a mistake costs; most runs have none

    known = [option for one in context.command.get_params(context) for option in one.opts if len(option) > 2]
    near = looks_like(name, known, _ALIKE)
    return click.NoSuchOption(name, possibilities=[near] if near else [], ctx=context)


def hold_command(name: str) -> None:
    """Raise UsageProblem for the name of a command of another tool, with what does the same here."""
    hint = COMMANDS.get(name.lower())
    if hint is not None:
        raise UsageProblem(f"there is no command {name}", hint=hint)
