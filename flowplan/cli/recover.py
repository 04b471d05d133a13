"""flowplan recover."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem


@click.command(cls=Command)
@options.paths
@click.option("--from-live", is_flag=True, help="The state is lost: rebuild it from the markers of live bids.")
@click.option("--lineage", metavar="ID", help="With --from-live: which stack, where several are live.")
@click.option("--cancel", "ids", multiple=True, metavar="ID", help="Cancel a further bid that carries our marker.")
@options.settle_window
@click.pass_context
def recover(
    ctx: click.Context,
    paths: tuple[str, ...],
    from_live: bool,
    lineage: str | None,
    ids: tuple[str, ...],
    settle_window: float,
) -> int:
    """Settle what an interrupted run left in doubt: look, record, and create nothing.

    With --cancel, cancel bids that this stack placed and that no file names: those its state does not hold, or
    holds without knowing their file. The plan, or an error, named their ids. With --from-live, rebuild a state
    that is lost: PATHs are the task files, by which volumes are known again.

    \b
    Exit codes: 0 settled; 3 the ID is not ours to cancel; 6 it still cannot be known.
    """
    here = Context.of(ctx)
    if from_live and ids:
        raise UsageProblem("--from-live and --cancel are two steps", hint="rebuild the state first")
    if not from_live and (paths or lineage):
        raise UsageProblem("PATHs and --lineage go with --from-live")
    if from_live:
        _rebuild(here, paths, lineage)
    else:
        _settle(here, ids, settle_window)
    return 0


def _settle(here: Context, ids: tuple[str, ...], window: float) -> None:
    from flowplan.operations.recover import settle

    terminal = here.terminal
    found = settle(
        here.session, ids, window, lambda id, marker: terminal.line(f"{id} ({marker.address}) is cancelled.")
    )
    if not found:
        terminal.out("Nothing is in doubt.")


def _rebuild(here: Context, paths: tuple[str, ...], lineage: str | None) -> None:
    from flowplan.operations.rebuild import from_live

    terminal = here.terminal
    state = from_live(here.session, paths, lineage)
    for address, binding in state.bindings.items():
        terminal.line(f"{address}  {binding.id}")
    terminal.note("what `state rm` had let go of, if anything, is in it again: only the lost state knew of it")
    terminal.line(f"The state of stack {state.stack} is rebuilt; flowplan plan shows what differs.")
