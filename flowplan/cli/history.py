"""flowplan state history, state restore."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem


@click.command("history", cls=Command)
@options.form("history")
@click.pass_context
def history(ctx: click.Context, form: str) -> int:
    """List the versions of the state that are kept: who saved each, when, and from which plan and commit."""
    from flowplan.operations import history as versions

    here = Context.of(ctx)
    here.report("history", form, versions.history(here.session))
    return 0


@click.command("restore", cls=Command)
@click.argument("serial", metavar="[SERIAL]", type=click.IntRange(min=1), required=False)
@click.option("--force", is_flag=True, help="Restore version SERIAL even if flowplan then forgets resources.")
@options.form("restored")
@click.pass_context
def restore(ctx: click.Context, serial: int | None, force: bool, form: str) -> int:
    """Restore version SERIAL of the state, or the last good version of a damaged one.

    Without SERIAL: the newest version that reads, and the changes that the journal holds since. If only the journal is
    damaged, that version is the state itself, else the backup. The damaged file is kept beside it, under a name that
    ends in .damaged.

    With SERIAL: a version that `flowplan state history` lists. It is refused if the state holds resources that the
    version does not: flowplan would forget them, and they would still cost money.

    Exit codes: 0 done; 3 resources would be forgotten; 4 locked; 5 nothing can be restored.
    """
    here = Context.of(ctx)
    if serial is not None:
        return _put_back(here, serial, force, form)
    if force:
        raise UsageProblem("--force is for a version", hint="name it: flowplan state restore SERIAL --force")
    from flowplan.operations import state as states
    from flowplan.reports.text import state as state_text

    restored = states.restore(here.session)
    here.report("restored", form, restored)
    for note in state_text.restored_notes(restored):
        here.terminal.note(note)
    return 0


def _put_back(here: Context, serial: int, force: bool, form: str) -> int:
    from flowplan.documents.history import Restored
    from flowplan.operations import history as versions
    from flowplan.reports.text import history as history_text

    done = Restored(serial, versions.restore(here.session, serial, force=force))
    here.report("put_back", form, done)
    for note in history_text.notes(done):
        here.terminal.note(note)
    return 0
