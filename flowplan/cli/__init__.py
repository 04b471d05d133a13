"""The command line: the only place that wires things together.

A command is a module of this folder, imported when it is asked for; the table below is what `--help` needs
without importing any of them.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from flowplan import __version__
from flowplan.cli.durations import Duration
from flowplan.cli.terminal import Terminal
from flowplan.cloud.http.redaction import forms_in
from flowplan.errors import ConfigError, FlowplanError, StateError, UsageProblem
from flowplan.printable import shown

click.UsageError.exit_code = UsageProblem.exit_code  # click's own 2 would read as "changes" in a pipeline

# name -> (module, attribute, one line of help), in the order of `flowplan --help`
COMMANDS: dict[str, tuple[str, str, str]] = {
    "validate": ("validate", "validate", "Check the configuration; no network."),
    "plan": ("plan", "plan", "Show what would change, and what it would cost."),
    "apply": ("apply", "apply", "Make it so, or carry out a saved plan."),
    "destroy": ("destroy", "destroy", "Cancel and delete everything flowplan made."),
    "status": ("status", "status", "Live bids, instances, ssh, ports, price."),
    "cost": ("cost", "cost", "What it will cost; what was forecast, and paid."),
    "show": ("show", "show", "Show a saved plan, or the state."),
    "market": ("market", "market", "Prices now and ahead, and advice on a limit."),
    "graph": ("graph", "graph", "The resource graph, for Graphviz or Mermaid."),
    "recover": ("recover", "recover", "Settle what an interrupted run left in doubt."),
    "orphans": ("orphans", "orphans", "What is live with our marker and in no state."),
    "import": ("import_", "import_", "Take a live bid or volume into the state."),
    "state": ("state", "state", "Look into the state, or mend it."),
    "lock": ("lock", "lock", "Who holds the lock."),
    "force-unlock": ("lock", "force_unlock", "Break the lock of a run that is dead."),
    "simulator": ("simulator", "simulator", "The embedded Foundry Cloud Platform."),
}


class _Filled(click.Command):
    """No argument and no value of an option may be empty: `apply "$DIR"` with DIR unset is not `apply .`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(not arg.partition("=")[2 if arg.startswith("-") else 0].strip() for arg in args):
            self._hold_filled(ctx, args)
        return super().parse_args(ctx, args)

    def _hold_filled(self, ctx: click.Context, args: list[str]) -> None:
        """Raise click.BadParameter, which names the parameter, for an empty value."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        for param in self.get_params(ctx):
            found = given.get(param.name or "")
            values = found if isinstance(found, list | tuple) else (found,)
            if any(isinstance(value, str) and not value.strip() for value in values):
                raise click.BadParameter("it is empty.", ctx, param)


class Commands(_Filled, click.Group):
    """Commands that are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(f"flowplan.cli.{module}"), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would write to stderr itself, and wait there if nobody reads it
            raise click.Abort from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        self.commands = dict.fromkeys(COMMANDS, click.Command(""))  # for click's "Did you mean"
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


class Anywhere(click.Option):
    """A global option: it may stand before the command or after it."""

    def __init__(self, *names: str, **how: Any) -> None:
        super().__init__(list(names), expose_value=False, callback=_remember, **how)


def _remember(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    told: dict[str, Any] = ctx.find_root().ensure_object(dict)
    if option.name and value not in (None, False):
        told[option.name] = value


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """The options every command takes; shown once, in `flowplan --help`."""
    return [
        Anywhere("--chdir", metavar="DIR", hidden=hidden, help="Work in DIR."),
        Anywhere("--state", metavar="FILE", hidden=hidden, help="The state file (flowplan.state.json)."),
        Anywhere("--api-url", metavar="URL", hidden=hidden, help="The API; sim: is the embedded simulator."),
        Anywhere("--project", metavar="NAME", hidden=hidden, help="The project, by name or id."),
        Anywhere("--ssh-key", metavar="NAME", hidden=hidden, help="The SSH key of tasks that name none."),
        Anywhere(
            "--lock-timeout", type=Duration(), metavar="TIME", hidden=hidden, help="How long to wait for the lock (0s)."
        ),
        Anywhere("--no-lock", is_flag=True, hidden=hidden, help="Do not lock; only to look at things."),
        Anywhere("--no-color", is_flag=True, hidden=hidden, help="No colour."),
        Anywhere("-v", "--verbose", is_flag=True, hidden=hidden, help="Log the API calls to stderr."),
    ]


class Command(_Filled):
    """A command that also takes the global options, without listing them again."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.params = [*self.params, *global_options(hidden=True)]
        self.epilog = self.epilog or "`flowplan --help` lists the options that every command takes."


class Group(_Filled, click.Group):
    """A command with commands of its own."""

    command_class = Command


@click.command(
    cls=Commands,
    params=global_options(hidden=False),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `flowplan plan --api-url sim:`: it needs no account.",
)
@click.version_option(__version__, message="flowplan %(version)s")
def main() -> None:
    """Plan, price and apply GPU tasks on the Foundry Cloud Platform.

    Reads task files (flowplan.yaml, or the PATHs given), compares them with what is live, shows what would
    change and what it costs at the second price, and does it in the right order.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code. Every error ends here, once."""
    told: dict[str, Any] = {}
    terminal = Terminal.of(sys.stdout, sys.stderr, os.environ)
    told["terminal"] = terminal
    hidden = forms_in(os.environ)
    terminal.hide(lambda: hidden)
    try:
        result = main.main(list(arguments), prog_name="flowplan", standalone_mode=False, obj=told)
        code = result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        _tell_usage(error, terminal)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        terminal.hurry()
        terminal.err("\ninterrupted; nothing was changed")
        code = 128 + signal.SIGINT
    except ConfigError as error:
        _tell_problems(error, terminal)
        code = error.exit_code
    except FlowplanError as error:
        terminal.error(error)
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - the interpreter would write past the last hold on secrets
        known = _of_the_machine(error)
        if known is None:
            terminal.bug(error)
        else:
            terminal.error(known)
        code = (known or FlowplanError).exit_code
    try:
        terminal.close()
    except KeyboardInterrupt:  # while a stream took nothing
        terminal.hurry()
        terminal.close()
        code = 128 + signal.SIGINT
    return code


def _of_the_machine(error: Exception) -> FlowplanError | None:
    """What an error says of the machine rather than of flowplan; None: nothing. Imports nothing: that may be what
    failed."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return StateError(
            "the working directory was removed while this command ran",
            hint="what was done is in the state and its journal: the same command again, from where they are now",
        )
    scarce = {errno.EMFILE: "open files (ulimit -n)", errno.ENFILE: "open files", errno.ENOMEM: "memory"}
    what = "memory" if isinstance(error, MemoryError) else scarce.get(getattr(error, "errno", None) or 0)
    if what is None:
        return None
    return FlowplanError(
        f"this machine does not give flowplan enough {what}",
        hint="raise the limit and run the same command again: it looks first what was done",
    )


def _tell_usage(error: click.ClickException, terminal: Terminal) -> None:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        terminal.err(error.format_message())
        return
    says = shown(" ".join(error.format_message().split()), 2000)
    terminal.err(f"{terminal.paint_err('error:', 'red', 'bold')} {says}")
    if context is not None:
        terminal.err(context.get_usage())
        terminal.err(f"  hint: {context.command_path} --help lists what it takes")


def _tell_problems(error: ConfigError, terminal: Terminal) -> None:
    from flowplan.reports.text.diagnostics import text

    terminal.err(text(error.problems, terminal.paint_err))
