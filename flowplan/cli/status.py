"""flowplan status."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command(cls=Command)
@options.form("status")
@click.pass_context
def status(ctx: click.Context, form: str) -> int:
    """Show what flowplan made and what it is doing: status, instances, ssh, ports, what is charged, paid so far."""
    from flowplan.operations.status import status as looked

    here = Context.of(ctx)
    here.report("status", form, looked(here.session))
    return 0
