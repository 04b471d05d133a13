"""flowplan schema."""

from __future__ import annotations

import click

from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.pass_context
def schema(ctx: click.Context) -> int:
    """Print the JSON Schema (draft-07) of task files and stack files. An editor that knows it completes keys, shows
    what they are for, and marks what no file may hold. `flowplan init` writes it beside the file.
    """
    from flowplan.operations.schema import schema as made

    here = Context.of(ctx)
    here.terminal.out(report_of("schema", "json")(made(), here.terminal.paint), end="")
    return 0
