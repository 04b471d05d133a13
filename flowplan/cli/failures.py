"""What a command says that failed: wrong usage, problems of the files, a machine that does not give enough."""

from __future__ import annotations

import errno
import os

import click

from flowplan.cli.terminal import Terminal
from flowplan.errors import ConfigError, FlowplanError, StateError
from flowplan.printable import shown


def of_the_machine(error: Exception) -> FlowplanError | None:
    """What an error says of the machine rather than of flowplan; None: nothing. Imports nothing: that may be what
    failed."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return StateError(
            "the working directory was removed while this command ran",
            hint="the state and its journal record what was done: run the same command again in the directory "
            "they are in now",
        )
    scarce = {errno.EMFILE: "open files (ulimit -n)", errno.ENFILE: "open files", errno.ENOMEM: "memory"}
    what = "memory" if isinstance(error, MemoryError) else scarce.get(getattr(error, "errno", None) or 0)
    if what is None:
        return None
    return FlowplanError(
        f"this machine does not give flowplan enough {what}",
        hint="raise the limit and run the same command again: it first checks what was done",
    )


def tell_usage(error: click.ClickException, terminal: Terminal) -> None:
    """Say on stderr what is wrong with a command line, with its usage and where help is."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        terminal.err(error.format_message())
        return
    says = shown(" ".join(error.format_message().split()), 2000)
    terminal.err(f"{terminal.paint_err('error:', 'red', 'bold')} {says}")
    if context is not None:
        terminal.err(context.get_usage())
        terminal.err(f"  hint: {context.command_path} --help lists the options and arguments")


def tell_problems(error: ConfigError, terminal: Terminal) -> None:
    """Say on stderr every problem of the configuration, each with its place."""
    from flowplan.reports.text.diagnostics import text

    terminal.err(text(error.problems, terminal.paint_err))
