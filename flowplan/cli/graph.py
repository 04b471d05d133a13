"""flowplan graph."""

from __future__ import annotations

import click

from flowplan.cli import Command, options
from flowplan.operations.settings import Session


@click.command(cls=Command)
@options.paths
@click.option("--format", "form", type=click.Choice(["dot", "mermaid"]), default="dot", show_default=True)
@click.pass_context
def graph(ctx: click.Context, paths: tuple[str, ...], form: str) -> int:
    """Print the resource graph: volume -> bid -> ports. No network.

    \b
    flowplan graph | dot -Tsvg > graph.svg
    """
    from flowplan.planning.edges import edges_of
    from flowplan.reports.text.graph import dot, mermaid

    session = Session.of(ctx)
    sources, _ = session.sources(paths)
    edges = edges_of(session.configuration(sources))
    session.terminal.out((dot if form == "dot" else mermaid)(edges), end="")
    return 0
