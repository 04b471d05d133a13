"""flowplan lock show, flowplan force-unlock."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command, Group
from flowplan.cli.context import Context


@click.group(cls=Group)
def lock() -> None:
    """Show who holds the lock."""


@lock.command("show", cls=Command)
@options.form("lock")
@click.pass_context
def show(ctx: click.Context, form: str) -> int:
    """Show who holds the lock, since when, and with which command; and who watches the state."""
    from flowplan.operations.lock import look

    here = Context.of(ctx)
    here.report("lock", form, look(here.session))
    return 0


@click.command("force-unlock", cls=Command)
@click.argument("id")
@click.pass_context
def force_unlock(ctx: click.Context, id: str) -> int:
    """Break the lock with the given ID (`flowplan lock show` prints it).

    Use it only for a run that is certainly dead, on a machine that this one cannot check. On this machine the next
    command takes over the lock of a dead run, and flowplan never breaks the lock of a live one. The lock of a
    `flowplan watch` is broken the same way.
    """
    from flowplan.operations import lock as locks
    from flowplan.reports.text import lock as lock_text

    here = Context.of(ctx)
    here.terminal.sentence(lock_text.broken(locks.force_unlock(here.session, id)))
    return 0
