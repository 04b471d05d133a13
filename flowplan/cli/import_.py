"""flowplan import."""

from __future__ import annotations

import click

from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command("import", cls=Command)
@click.argument("address", metavar="ADDR")
@click.argument("id", metavar="ID")
@click.option("--lineage", metavar="ID", help="The lineage of the stack that released it with `state rm`.")
@click.pass_context
def import_(ctx: click.Context, address: str, id: str, lineage: str | None) -> int:
    """Take a live bid or volume into the state as ADDR. The object itself is not touched.

    Also takes what `state rm` released, here or (with --lineage) in another stack. The next apply of the file that
    names ADDR changes it to what that file says; until a file names it, flowplan leaves it alone.

    \b
    Exit codes: 0 done; 1 there is no such object, or it has ended; 3 it belongs to another stack; 4 locked.
    """
    from flowplan.operations.import_ import take_in

    here = Context.of(ctx)
    wanted = take_in(here.session, address, id, lineage)
    here.terminal.line(f"{wanted} is {id} now; flowplan plan shows what differs.")
    return 0
