"""flowplan graph."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command(cls=Command)
@options.paths
@options.form("graph")
@click.pass_context
def graph(ctx: click.Context, paths: tuple[str, ...], form: str) -> int:
    """Print the resource graph: volume -> bid -> ports, and which task waits for which. No network."""
    from flowplan.operations.graph import graph as looked

    here = Context.of(ctx)
    here.report("graph", form, looked(here.session, paths))
    return 0
