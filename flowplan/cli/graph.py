"""flowplan graph."""

from __future__ import annotations

import click

from flowplan.cli import Command, options
from flowplan.operations.settings import Session
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@options.paths
@options.form("graph")
@click.pass_context
def graph(ctx: click.Context, paths: tuple[str, ...], form: str) -> int:
    """Print the resource graph: volume -> bid -> ports. No network.

    \b
    flowplan graph | dot -Tsvg > graph.svg
    """
    from flowplan.planning.edges import edges_of

    session = Session.of(ctx)
    sources, _ = session.sources(paths)
    edges = edges_of(session.configuration(sources))
    session.terminal.out(report_of("graph", form)(edges, session.terminal.paint), end="")
    return 0
