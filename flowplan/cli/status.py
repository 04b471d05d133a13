"""flowplan status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowplan.cli import Command
from flowplan.operations.settings import Session
from flowplan.operations.status import rows

if TYPE_CHECKING:
    pass


@click.command(cls=Command)
@click.pass_context
def status(ctx: click.Context) -> int:
    """Show what flowplan made and what it is doing: status, instances, ssh, ports, price now, paid so far."""
    from flowplan.reports.text.status import text

    session = Session.of(ctx)
    session.terminal.out(text(*rows(session), session.terminal.paint), end="")
    return 0
