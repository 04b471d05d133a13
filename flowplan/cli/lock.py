"""flowplan lock show, flowplan force-unlock."""

from __future__ import annotations

import click

from flowplan.cli import Command, Group
from flowplan.cli.session import Session
from flowplan.lock import Lock


@click.group(cls=Group)
def lock() -> None:
    """Who holds the lock."""


@lock.command("show", cls=Command)
@click.pass_context
def show(ctx: click.Context) -> int:
    """Show who holds the lock, since when, and with which command."""
    session = Session.of(ctx)
    found = Lock(session.lock_path)
    holder = found.holder()
    if holder is None:
        session.terminal.out("Nobody holds the lock.")
        return 0
    alive = "held" if found.held() else "left behind by a run that died"
    session.terminal.out(f"The lock {session.lock_path} is {alive}:\n{holder.describe()}")
    return 0


@click.command("force-unlock", cls=Command)
@click.argument("id")
@click.pass_context
def force_unlock(ctx: click.Context, id: str) -> int:
    """Break the lock with the given ID (`flowplan lock show` tells it).

    Only for a run that is dead for certain, on a host that this one cannot see: the lock of a dead run on this
    host is taken over by itself, and that of a living one is never broken.
    """
    session = Session.of(ctx)
    holder = Lock(session.lock_path).break_(id)
    session.terminal.out(f"The lock of {holder.who} since {holder.since} is broken.")
    return 0
