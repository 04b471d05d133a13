"""flowplan state history, state restore, state push: what was the state before, or becomes it."""

from __future__ import annotations

import sys

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.completing import files
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem
from flowplan.printable import shown

_DIGITS = 16  # of the longest serial


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
@click.argument("serial", metavar="[SERIAL]", required=False)
@click.option("--force", is_flag=True, help="Restore version SERIAL even if flowplan then forgets resources.")
@options.form("restored")
@click.pass_context
def restore(ctx: click.Context, serial: str | None, force: bool, form: str) -> int:
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
        if not (serial.isascii() and serial.isdigit() and len(serial) <= _DIGITS and int(serial)):
            raise UsageProblem(
                f"{shown(serial)} is not the serial of a version",
                hint="`flowplan state history` lists them; `flowplan state push FILE` makes a file the state",
            )
        return _put_back(here, int(serial), force, form)
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
    for note in history_text.notes(done.found):
        here.terminal.note(note)
    return 0


@click.command("push", cls=Command)
@click.argument("file", metavar="FILE", shell_complete=files)
@click.option(
    "--force", is_flag=True, help="Overwrite even a newer state, one of another lineage, or one that holds more."
)
@options.form("pushed")
@click.pass_context
def push(ctx: click.Context, file: str, force: bool, form: str) -> int:
    """Make FILE ('-': stdin) the state. It must continue the state here.

    It is refused if flowplan would forget resources that the state here holds: they would still cost money.

    Exit codes: 0 done; 3 resources would be forgotten; 4 locked; 5 FILE is no state, or does not continue the one here.
    """
    from flowplan.documents.state import Pushed
    from flowplan.files.regular import read_regular
    from flowplan.operations import state as states
    from flowplan.reports.text import history as history_text
    from flowplan.state.codec import SIZE_LIMIT

    here = Context.of(ctx)
    try:
        data = sys.stdin.buffer.read(SIZE_LIMIT + 1) if file == "-" else read_regular(file, SIZE_LIMIT)
    except OSError as error:
        raise UsageProblem(f"{file} cannot be read: {error.strerror}", hint="`-` reads stdin") from error
    name = "stdin" if file == "-" else file
    pushed = Pushed(name, states.push(here.session, data, name, force=force))
    here.report("pushed", form, pushed)
    for note in history_text.left_out(pushed.found):
        here.terminal.note(note)
    return 0
