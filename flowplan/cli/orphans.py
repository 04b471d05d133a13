"""flowplan orphans."""

from __future__ import annotations

import click

from flowplan.cli import Command, options
from flowplan.operations.looking import listed
from flowplan.operations.settings import Session
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@options.form("orphans")
@click.pass_context
def orphans(ctx: click.Context, form: str) -> int:
    """List what is live with flowplan's marker although no state here knows it. Nothing is changed.

    Bids of this stack cost money that no plan shows; of other stacks, this directory cannot know whether their
    state is in another place.
    """
    from flowplan.state.ownership import orphans as find

    session = Session.of(ctx)
    with session.locked(reading=True):
        loaded = session.load()
        session.enter_project(loaded.state, None)
        live = listed(session.cloud())
        found = find(loaded.state, loaded.pending.values(), live)
    session.terminal.out(report_of("orphans", form)(found, session.terminal.paint), end="")
    return 0
