"""flowplan import."""

from __future__ import annotations

import click

from flowplan.cli.base import Command
from flowplan.cli.completing import files
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem


@click.command("import", cls=Command)
@click.argument("address", metavar="[ADDR", required=False)
@click.argument("id", metavar="ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Import every live bid and volume that no stack has.")
@click.option(
    "--generate", metavar="FILE", shell_complete=files, help="Also write a stack file for which the plan is empty."
)
@click.option("--lineage", metavar="ID", help="The lineage of the stack that released it with `state rm`.")
@click.pass_context
def import_(
    ctx: click.Context,
    address: str | None,
    id: str | None,
    everything: bool,
    generate: str | None,
    lineage: str | None,
) -> int:
    """Take a live bid or volume into the state as ADDR. The object itself is not touched.

    Also takes what `state rm` released, here or (with --lineage) in another stack. The next apply of the file that
    names ADDR changes it to what that file says; until a file names it, flowplan leaves it alone.

    With --generate, flowplan writes that file, which must not exist yet, startup scripts included; ADDR may be in the
    state already. With --all, it holds every live bid and volume of the project that is not in the state and belongs to
    no other stack. What a file cannot say is left out, not imported, and shown with the reason.

    Exit codes: 0 done; 1 there is no such object, or it has ended; 3 it belongs to another stack; 4 locked.
    """
    here = Context.of(ctx)
    if everything:
        if address is not None or generate is None or lineage is not None:
            raise UsageProblem(
                "--all needs --generate FILE and takes no other argument",
                hint="`flowplan import --all --generate FILE`",
            )
        return _generated(here, generate, None)
    if address is None or id is None:
        missing = "ADDR and ID are missing" if address is None else "ID is missing"
        raise UsageProblem(missing, hint="`flowplan import ADDR ID`, or `flowplan import --all --generate FILE`")
    if generate is not None:
        if lineage is not None:
            raise UsageProblem(
                "--lineage cannot be combined with --generate", hint="import it first, then write the file"
            )
        return _generated(here, generate, (address, id))
    from flowplan.operations.import_ import take_in

    wanted = take_in(here.session, address, id, lineage)
    differs = here.terminal.paint.typed("flowplan plan shows what differs.")
    here.terminal.sentence(f"{wanted} is now {id}; {differs}")
    return 0


def _generated(here: Context, path: str, one: tuple[str, str] | None) -> int:
    from flowplan.names import together
    from flowplan.operations.generate import generate

    made, paint = generate(here.session, path, one), here.terminal.paint_err
    for line in together((*made.left_out, *made.unsaid), paint.dots, each=paint.verbose):
        here.terminal.note(line)
    for found in made.imported:
        here.terminal.sentence(f"{found.address} is now {found.id}")
    if made.imported:
        here.terminal.sentence(
            f"{path} describes what is live: {paint.typed('flowplan plan')} {path} shows no changes."
        )
    else:
        here.terminal.sentence("There is nothing to import; no file was written.")
    return 0
