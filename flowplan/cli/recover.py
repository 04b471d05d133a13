"""flowplan recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowplan.cli import Command, options
from flowplan.errors import (
    UsageProblem,
)
from flowplan.operations.recover import _from_live, _settle
from flowplan.operations.settings import Session

if TYPE_CHECKING:
    pass


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
    session = Session.of(ctx)
    if from_live and ids:
        raise UsageProblem("--from-live and --cancel are two steps", hint="rebuild the state first")
    if not from_live and (paths or lineage):
        raise UsageProblem("PATHs and --lineage go with --from-live")
    if from_live:
        return _from_live(session, paths, lineage)
    return _settle(session, ids, settle_window)


# ---- a state that is lost --------------------------------------------------------------------------------------
