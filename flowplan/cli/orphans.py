"""flowplan orphans."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@options.form("orphans")
@click.pass_context
def orphans(ctx: click.Context, form: str) -> int:
    """List what is live with flowplan's marker although no state here knows it. Nothing is changed.

    Bids of this stack cost money that no plan shows; of other stacks, this directory cannot know whether their
    state is in another place.
    """
    from flowplan.operations.orphans import find

    here = Context.of(ctx)
    here.terminal.out(report_of("orphans", form)(find(here.session), here.terminal.paint), end="")
    return 0
