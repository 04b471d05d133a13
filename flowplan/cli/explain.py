"""flowplan explain."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.completing import codes
from flowplan.cli.context import Context


@click.command(cls=Command)
@click.argument("code", required=False, shell_complete=codes)
@options.form("explain")
@click.pass_context
def explain(ctx: click.Context, code: str | None, form: str) -> int:
    """Say what CODE means and what to do about it: a code of a message, the word that JSON has for it, or an exit code.
    Without CODE, list all of them. No network.

    Exit codes: 0 explained; 64 there is no such code.
    """
    from flowplan.operations.explain import explain as explained

    here = Context.of(ctx)
    here.report("explain", form, explained(code))
    return 0
