"""flowplan cost."""

from __future__ import annotations

import click

from flowplan.cli import options, values
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.cli.kinds import Duration


@click.command(cls=Command)
@click.option(
    "--horizon",
    type=Duration(),
    default="30d",
    show_default=True,
    metavar="TIME",
    help="How far ahead to estimate the cost of the live stack.",
)
@options.form("cost")
@click.pass_context
def cost(ctx: click.Context, horizon: str, form: str) -> int:
    """Show what the live stack will cost, and how earlier forecasts compare with what was paid.

    The forecasts that `apply` showed are kept in .flowplan/forecasts.db. Each `cost` also
    keeps one forecast of the coming day for each bid, unless an earlier one is still running: run it daily, and the
    share of bands that held becomes meaningful. It writes nothing else, and changes nothing in the cloud.
    """
    from flowplan.documents.track_record import document
    from flowplan.operations.cost import truth

    here = Context.of(ctx)
    body = document(truth(here.session, values.hours_of(horizon, "--horizon")))
    here.report("cost", form, body)
    return 0
