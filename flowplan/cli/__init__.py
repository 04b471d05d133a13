"""The command line: the only place that wires things together.

A command is a module of this folder, imported when it is asked for; the table below is what `--help` needs
without importing any of them.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from flowplan import __version__
from flowplan.cli.answer import Answer
from flowplan.cli.asked import asked_by
from flowplan.cli.base import Filled, end_with, global_options
from flowplan.cli.failures import Failed, tell, tell_interrupted
from flowplan.cli.terminal import Terminal
from flowplan.cloud.http.redaction import forms_in
from flowplan.errors import UsageProblem

click.UsageError.exit_code = UsageProblem.exit_code  # click's own 2 would read as "changes" in a pipeline

# name -> (module, attribute, one line of help), in the order of `flowplan --help`
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("init", "init", "Write a first flowplan.yaml, with comments."),
    "validate": ("validate", "validate", "Check the configuration; no network."),
    "fmt": ("fmt", "fmt", "Rewrite the configuration files in the canonical layout."),
    "convert": ("convert", "convert", "Turn a flow or SkyPilot task into a stack file."),
    "plan": ("plan", "plan", "Show what would change, and what it would cost."),
    "apply": ("apply", "apply", "Carry out the changes, or a saved plan."),
    "destroy": ("destroy", "destroy", "Cancel and delete everything flowplan made."),
    "status": ("status", "status", "Show live bids, instances, ssh, ports and prices."),
    "cost": ("cost", "cost", "Show what it will cost, and what was forecast and paid."),
    "show": ("show", "show", "Show a saved plan, or the state."),
    "market": ("market", "market", "Show prices now and ahead, and advice on a limit."),
    "graph": ("graph", "graph", "Print the resource graph: SVG, Graphviz or Mermaid."),
    "output": ("output", "output", "Show the outputs of the stack."),
    "test": ("test", "test", "Run the cases beside a stack, in a simulated cloud."),
    "doctor": ("doctor", "doctor", "Check credentials, project, state and the rest."),
    "explain": ("explain", "explain", "Say what a code or an exit code means, and what to do."),
    "schema": ("schema", "schema", "Print the JSON Schema of task files and stack files."),
    "recover": ("recover", "recover", "Settle operations that an interrupted run left in doubt."),
    "orphans": ("orphans", "orphans", "List live resources of flowplan that no state here holds."),
    "import": ("import_", "import_", "Take a live bid or volume into the state."),
    "state": ("state", "state", "Show, change or repair the state."),
    "lock": ("lock", "lock", "Show who holds the lock."),
    "force-unlock": ("lock", "force_unlock", "Break the lock of a dead run."),
    "simulator": ("simulator", "simulator", "Run the embedded Foundry Cloud Platform."),
}


class Commands(Filled, click.Group):
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


def _version(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        end_with(ctx, f"flowplan {__version__}")


@click.command(
    cls=Commands,
    params=global_options(hidden=False),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `flowplan plan --api-url sim:`: it needs no account.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def main() -> None:
    """Plan, price and apply GPU tasks on the Foundry Cloud Platform.

    Reads task files (flowplan.yaml, or the PATHs given), compares them with the live cloud, and shows what would
    change and what that costs at the second price. `apply` makes the changes in the right order.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code. Every error ends here, once."""
    terminal = Terminal.of(sys.stdout, sys.stderr, os.environ)
    answer = Answer(terminal, lambda: asked_by(main, arguments))
    hidden = forms_in(os.environ)
    terminal.hide(lambda: hidden)
    failed = Failed()
    try:
        given = {"terminal": terminal, "answer": answer}
        result = main.main(list(arguments), prog_name="flowplan", standalone_mode=False, obj=given)
        code = result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        code = end.exit_code
    except (KeyboardInterrupt, click.Abort):
        failed = tell_interrupted(terminal)
        code = failed.exit_code
    except Exception as error:  # noqa: BLE001 - the interpreter's own traceback would not mask secrets
        failed = tell(error, terminal)
        code = failed.exit_code
    try:
        code = answer.end(code, failed.said)
        terminal.close()
    except KeyboardInterrupt:  # while a stream took nothing
        terminal.hurry()
        terminal.close()
        code = 128 + signal.SIGINT
    return code
