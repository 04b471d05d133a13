"""flowplan state migrate."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.completing import files
from flowplan.cli.context import Context


@click.command("migrate", cls=Command)
@click.argument("source", metavar="FROM", shell_complete=files)
@click.argument("target", metavar="TO", shell_complete=files)
@click.option("--force", is_flag=True, help="Go on with what had arrived at TO where FROM has lost the state since.")
@options.form("migrated")
@click.pass_context
def migrate(ctx: click.Context, source: str, target: str, force: bool, form: str) -> int:
    """Move the state from FROM to TO, each a file or a URL as --state takes it.

    TO must be empty. The state goes with its versions and with what is in doubt; flowplan reads it back at TO before it
    closes FROM. From then on a command that is given FROM stops, and says where the state is. If the command is cut
    off, run it again: it goes on from there, and in between at most one of the two can be applied from.

    Two servers get two passwords: FLOWPLAN_TO_HTTP_PASSWORD counts at TO, and so do FLOWPLAN_TO_PGPASSWORD,
    FLOWPLAN_TO_AWS_SECRET_ACCESS_KEY and FLOWPLAN_TO_AZURE_STORAGE_KEY.

    Exit codes: 0 moved, also by an earlier run; 4 locked; 5 there is no state at
    FROM, or one at TO.
    """
    from flowplan.operations.migrate import migrate as move
    from flowplan.reports.text import state as state_text

    here = Context.of(ctx)
    found = move(here.session, source, target, force=force)
    here.report("migrated", form, found)
    for note in state_text.migrated_notes(found):
        here.terminal.note(note)
    return 0
