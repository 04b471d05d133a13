"""flowplan lock show, flowplan force-unlock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowplan.cli.base import Command, Group
from flowplan.cli.context import Context
from flowplan.errors import StateError

if TYPE_CHECKING:
    from flowplan.backends.lock import Fate, Owner
    from flowplan.backends.store import StateLock


@click.group(cls=Group)
def lock() -> None:
    """Show who holds the lock."""


@lock.command("show", cls=Command)
@click.pass_context
def show(ctx: click.Context) -> int:
    """Show who holds the lock, since when, and with which command."""
    here = Context.of(ctx)
    found = here.session.store.lock
    holder = found.holder()
    if holder is None:
        here.terminal.line("Nobody holds the lock.")
        return 0
    here.terminal.line(f"The lock {found.name} is {_standing(here, found, holder)}:")
    here.terminal.out(holder.describe())
    return 0


def _standing(here: Context, lock: StateLock, holder: Owner) -> str:
    from flowplan.backends.lock import fate_of

    try:
        if lock.held():
            return "held"
    except StateError as error:  # the holder it names is shown all the same
        here.terminal.note(str(error))
        return "held, according to its file"
    told: dict[Fate, str] = {
        "dead": "left behind by a dead run; the next command takes it over",
        "alive": "held by a live process",
        "unknown": "held by a run that this machine cannot check",
    }
    return told[fate_of(holder, here.session.owner())]


@click.command("force-unlock", cls=Command)
@click.argument("id")
@click.pass_context
def force_unlock(ctx: click.Context, id: str) -> int:
    """Break the lock with the given ID (`flowplan lock show` prints it).

    Use it only for a run that is certainly dead, on a machine that this one cannot check. On this machine the next
    command takes over the lock of a dead run, and flowplan never breaks the lock of a live one.
    """
    here = Context.of(ctx)
    holder = here.session.store.lock.break_(id, here.session.owner())
    here.terminal.line(f"The lock of {holder.who} since {holder.since} is broken.")
    return 0
