"""flowplan state list, show, mv, rm, pull, rekey."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command, Group
from flowplan.cli.completing import addresses
from flowplan.cli.context import Context
from flowplan.cli.history import history, push, restore
from flowplan.cli.migrate import migrate


@click.group(cls=Group)
def state() -> None:
    """Show the state by address, repair it, copy it, or restore the last good version."""


@state.command("list", cls=Command)
@click.argument("patterns", metavar="[ADDR]...", shell_complete=addresses, nargs=-1)
@options.form("addresses")
@click.pass_context
def list_(ctx: click.Context, patterns: tuple[str, ...], form: str) -> int:
    """List the addresses, one per line: all, or those that an ADDR means.

    `*` in ADDR stands for any text, `?` for one character; task.NAME is a bid and its ports.
    """
    from flowplan.operations import state as states

    here = Context.of(ctx)
    here.report("addresses", form, states.resources(here.session, patterns))
    return 0


@state.command("show", cls=Command)
@click.argument("address", shell_complete=addresses)
@options.form("resource")
@click.pass_context
def show(ctx: click.Context, address: str, form: str) -> int:
    """Show one resource as it was last applied."""
    from flowplan.operations import state as states

    here = Context.of(ctx)
    here.report("resource", form, states.resource(here.session, address))
    return 0


@state.command("rm", cls=Command)
@click.argument("address", shell_complete=addresses)
@options.form("released")
@click.pass_context
def rm(ctx: click.Context, address: str, form: str) -> int:
    """Release one address: the object itself is not touched. While it exists, it costs money.

    A bid's ports are released with it. No later run adopts the bid by its marker, or cancels it. `flowplan import`
    takes it back. The record that a task is done goes with its bid. Nothing is asked of the API.
    """
    from flowplan.operations import state as states
    from flowplan.reports.text import state as state_text

    here = Context.of(ctx)
    left = states.release(here.session, address)
    here.report("released", form, left)
    for note in state_text.released_notes(left):
        here.terminal.note(note)
    return 0


@state.command("mv", cls=Command)
@click.argument("old", metavar="ADDR", shell_complete=addresses)
@click.argument("new", metavar="NEW")
@options.form("moved")
@click.pass_context
def mv(ctx: click.Context, old: str, new: str, form: str) -> int:
    """Give a resource another address. The object itself and its name in the cloud stay as they are.

    The ports of a bid move with it.
    """
    from flowplan.operations import state as states

    here = Context.of(ctx)
    moves = states.move(here.session, old, new)
    here.report("moved", form, moves)
    return 0


@state.command("pull", cls=Command)
@options.form("pulled")
@click.pass_context
def pull(ctx: click.Context, form: str) -> int:
    """Print the state, with the changes in its journal, as a state file."""
    from flowplan.operations import state as states

    here = Context.of(ctx)
    here.report("pulled", form, states.whole(here.session))
    return 0


@state.command("rekey", cls=Command)
@click.option("--decrypt", is_flag=True, help="Write everything in the clear.")
@options.form("rekeyed")
@click.pass_context
def rekey(ctx: click.Context, decrypt: bool, form: str) -> int:
    """Encrypt the state, its backup and its versions again, with the keys that are given now.

    What they cannot open, FLOWPLAN_OLD_AGE_KEY_FILE or FLOWPLAN_OLD_PASSPHRASE opens. Give --allow-plaintext with the
    first key of a state. What was copied elsewhere stays as it was. If the command is stopped, run it again.
    """
    from flowplan.operations import state as states

    here = Context.of(ctx)
    here.report("rekeyed", form, states.rekey(here.session, decrypt=decrypt))
    return 0


state.add_command(push)
state.add_command(history)
state.add_command(restore)
state.add_command(migrate)
