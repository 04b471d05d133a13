"""flowplan recover."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem


@click.command(cls=Command)
@options.paths
@click.option("--from-live", is_flag=True, help="Rebuild a lost state from the markers of live bids.")
@click.option("--lineage", metavar="ID", help="With --from-live: the stack to rebuild, if several are live.")
@click.option("--force", is_flag=True, help="With --from-live: replace a state that nobody can read any more.")
@click.option("--cancel", "ids", multiple=True, metavar="ID", help="Cancel a bid of this stack that no file names.")
@options.settle_window
@options.form("recovered")
@click.pass_context
def recover(
    ctx: click.Context,
    paths: tuple[str, ...],
    from_live: bool,
    lineage: str | None,
    force: bool,
    ids: tuple[str, ...],
    settle_window: float,
    form: str,
) -> int:
    """Settle operations that an interrupted run left in doubt: look, record, and create nothing.

    With --cancel, cancel bids of this stack that no file names: its state does not hold them, or does not know their
    file. This stack placed them, or took them in with `import --lineage`. A plan or an error message showed their ids.

    With --from-live, rebuild a lost state: PATHs are the task files, which name the stack and identify the volumes. A
    state that is encrypted for others, or that may not be read, is not lost: --force puts another one in its place,
    which the holders of the old key cannot open.

    Exit codes: 0 settled; 1 a cancelled bid may still run; 3 this stack may not cancel
    the ID; 4 locked; 5 a problem with the state; 6 an outcome is still unknown.
    """
    here = Context.of(ctx)
    if from_live and ids:
        raise UsageProblem("--from-live and --cancel cannot be combined", hint="rebuild the state first")
    if not from_live and (paths or lineage or force):
        raise UsageProblem("PATHs, --lineage and --force need --from-live")
    if from_live:
        _rebuild(here, paths, lineage, form, force=force)
    else:
        _settle(here, ids, settle_window, form)
    return 0


def _settle(here: Context, ids: tuple[str, ...], window: float, form: str) -> None:
    from flowplan.operations.recover import settle

    say = here.terminal.sentence if form == "text" else here.terminal.note
    found = settle(here.session, ids, window, lambda id, marker: say(f"{id} ({marker.address}) is cancelled."))
    here.report("recovered", form, found)


def _rebuild(here: Context, paths: tuple[str, ...], lineage: str | None, form: str, *, force: bool) -> None:
    from flowplan.operations.rebuild import from_live

    found = from_live(here.session, paths, lineage, force=force)
    here.terminal.note(
        "anything that `state rm` had released is in the state again: only the lost state recorded the release"
    )
    here.report("recovered", form, found)
