"""flowplan orphans."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command(cls=Command)
@options.form("orphans")
@click.pass_context
def orphans(ctx: click.Context, form: str) -> int:
    """List live resources with flowplan's marker that no state here holds. Nothing is changed.

    Such bids of this stack cost money that no plan shows. The state of another stack may simply be in another
    directory.
    """
    from flowplan.operations.orphans import find

    here = Context.of(ctx)
    here.report("orphans", form, find(here.session))
    return 0
