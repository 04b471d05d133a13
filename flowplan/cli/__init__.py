"""The command line: the only place that wires things together.

A command is a module of this folder, imported when it is asked for; `commands` is their table.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from flowplan import __version__
from flowplan.cli.answer import Answer
from flowplan.cli.base import Filled, end_with
from flowplan.cli.commands import COMMANDS, PURPOSES
from flowplan.cli.completing import VARIABLE
from flowplan.cli.elsewhere import hold_command
from flowplan.cli.everywhere import global_options
from flowplan.cli.failures import UNCHANGED, Failed, tell_interrupted, tell_too
from flowplan.cli.terminal import Terminal
from flowplan.cloud.http.redaction import forms_in
from flowplan.errors import UsageProblem

if TYPE_CHECKING:
    from flowplan.cli.asked import Asked

__all__ = ["COMMANDS", "main", "run"]
click.UsageError.exit_code = UsageProblem.exit_code  # click's own 2 would read as "changes" in a pipeline


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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """From the table: no command is imported."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=row[2]) for name, row in COMMANDS.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would write to stderr itself, and wait there if nobody reads it
            raise click.Abort from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does. Raises UsageProblem for a command of another tool, with what does it here."""
        if args and args[0] not in COMMANDS:
            hold_command(args[0])
        self.commands = dict.fromkeys(COMMANDS, click.Command(""))  # for click's "Did you mean"
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by what one wants, in columns that line up."""
        width = max(map(len, COMMANDS))
        for purpose, rows in PURPOSES.items():
            with formatter.section(purpose):
                formatter.write_dl([(f"{name:<{width}}", line) for name, (_, _, line) in rows.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first: they are what is looked for."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)


def _version(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        end_with(ctx, f"flowplan {__version__}")


@click.command(
    cls=Commands,
    params=global_options(hidden=False),
    context_settings={"max_content_width": 100},
    epilog="Credentials come from FLOWPLAN_API_KEY, or from the private file that FLOWPLAN_API_KEY_FILE names; "
    "`flowplan doctor` says what is missing. `flowplan COMMAND --help` has an example of each command.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def main() -> None:
    """Plan, price and apply GPU tasks on the Foundry Cloud Platform.

    Reads task files (flowplan.yaml, or the PATHs given), compares them with the live cloud, and shows what would
    change and what that costs at the second price. `apply` makes the changes in the right order.
    """


def _asked(arguments: Sequence[str]) -> Asked:
    """What the command line asks for; looked at only where a command fails."""
    from flowplan.cli.asked import asked_by

    return asked_by(main, arguments)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code. Every error ends here, once."""
    terminal = Terminal.of(sys.stdout, sys.stderr, os.environ)
    if instruction := os.environ.get(VARIABLE):
        from flowplan.cli.shells import answer as completed

        terminal.out(completed(main, instruction))
        terminal.close()
        return 0
    answer = Answer(terminal, cache(lambda: _asked(arguments)))
    hidden = forms_in(os.environ)
    terminal.hide(lambda: hidden)
    failed, given = Failed(), dict[str, Any](terminal=terminal, answer=answer)
    try:
        result = main.main(list(arguments), prog_name="flowplan", standalone_mode=False, obj=given)
        code = result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        code = end.exit_code
    except (KeyboardInterrupt, click.Abort):
        failed = tell_interrupted(terminal, given["session"].came_of_it if "session" in given else UNCHANGED)
        code = failed.exit_code
    except Exception as error:  # noqa: BLE001 - the interpreter's own traceback would not mask secrets
        failed = answer.tell(error)
        code = failed.exit_code
    try:
        code = answer.end(code, failed.said)
        terminal.close()
    except KeyboardInterrupt:  # while a stream took nothing
        terminal.hurry()
        terminal.close()
        code = 128 + signal.SIGINT
    except OSError as error:  # the machine gives too little to say it to a program
        code = tell_too(error, terminal, code)
        terminal.close()
    return code
