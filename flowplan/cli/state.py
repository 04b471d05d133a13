"""flowplan state list, show, mv, rm, pull, push, restore."""

from __future__ import annotations

import sys

import click

from flowplan.cli.base import Command, Group
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem


@click.group(cls=Group)
def state() -> None:
    """Show the state by address, repair it, copy it, or restore the last good version."""


@state.command("list", cls=Command)
@click.pass_context
def list_(ctx: click.Context) -> int:
    """List the addresses, one per line."""
    from flowplan.model.address import in_order

    here = Context.of(ctx)
    for address in sorted(here.session.store.read().state.bindings, key=in_order):
        here.terminal.line(str(address))
    return 0


@state.command("show", cls=Command)
@click.argument("address")
@click.pass_context
def show(ctx: click.Context, address: str) -> int:
    """Show one resource as it was last applied."""
    from flowplan.operations import state as states
    from flowplan.reports.text import state as state_text

    here = Context.of(ctx)
    here.terminal.out(state_text.one(states.bound(address, here.session.store.read().state.bindings)))
    return 0


@state.command("rm", cls=Command)
@click.argument("address")
@click.pass_context
def rm(ctx: click.Context, address: str) -> int:
    """Release one address: the object itself is not touched and still costs money.

    A bid's ports are released with it. No later run adopts the bid by its marker, or cancels it. `flowplan import`
    takes it back.
    """
    from flowplan.operations import state as states

    here = Context.of(ctx)
    left = states.release(here.session, address)
    here.terminal.line(f"{left.address} ({left.id}) is released; it still exists and still costs money.")
    return 0


@state.command("mv", cls=Command)
@click.argument("old", metavar="ADDR")
@click.argument("new", metavar="NEW")
@click.pass_context
def mv(ctx: click.Context, old: str, new: str) -> int:
    """Give a resource another address. The object itself and its name in the cloud stay as they are.

    The ports of a bid move with it.
    """
    from flowplan.operations import state as states

    here = Context.of(ctx)
    for one, other in states.move(here.session, old, new).items():
        here.terminal.line(f"{one} is now {other}.")
    return 0


@state.command("pull", cls=Command)
@click.pass_context
def pull(ctx: click.Context) -> int:
    """Print the state, with the changes in its journal, as a state file."""
    from flowplan.state.codec import dump

    here = Context.of(ctx)
    here.terminal.out(dump(here.session.store.read().state).decode(), end="")
    return 0


@state.command("push", cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Overwrite even a newer state, or one of another lineage.")
@click.pass_context
def push(ctx: click.Context, file: str, force: bool) -> int:
    """Make FILE ('-': stdin) the state. It must continue the state here.

    \b
    Exit codes: 0 done; 4 locked; 5 FILE is no state, or does not continue the one here.
    """
    from flowplan.files.regular import read_regular
    from flowplan.operations import state as states
    from flowplan.state.codec import SIZE_LIMIT

    here = Context.of(ctx)
    try:
        data = sys.stdin.buffer.read(SIZE_LIMIT + 1) if file == "-" else read_regular(file, SIZE_LIMIT)
    except OSError as error:
        raise UsageProblem(f"{file} cannot be read: {error.strerror}", hint="`-` reads stdin") from error
    name = "stdin" if file == "-" else file
    saved = states.push(here.session, data, name, force=force)
    here.terminal.line(f"The state is now that of {name}, with serial {saved.serial}.")
    return 0


@state.command("restore", cls=Command)
@click.pass_context
def restore(ctx: click.Context) -> int:
    """Restore the last good version of the state, and the changes that the journal holds since.

    If only the journal is damaged, that version is the state itself, else the backup. The damaged file is kept
    beside it, under a name that ends in .damaged.
    """
    from flowplan.operations import state as states

    here = Context.of(ctx)
    restored = states.restore(here.session)
    what = "that of the backup" if restored.of_backup else f"the one in {here.session.state_path.name}"
    here.terminal.line(f"The state is now {what}, with serial {restored.state.serial}.")
    for path in restored.damaged:
        here.terminal.note(f"the damaged file is kept as {path}")
    for id, addresses in restored.doubled.items():
        take = " or ".join(f"flowplan import {address} {id}" for address in addresses)
        here.terminal.note(
            f"{id} was recorded as {' and as '.join(map(str, addresses))}, so both records are left out. "
            f"flowplan finds a bid by its marker; import a volume with {take}"
        )
    here.terminal.note("flowplan plan shows what differs; it finds bids placed since then by their marker")
    return 0
