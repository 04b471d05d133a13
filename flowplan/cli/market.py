"""flowplan market."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowplan.cli import completing, options, values
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.cli.kinds import Duration
from flowplan.cli.terminal import Terminal
from flowplan.errors import FlowplanError
from flowplan.printable import shown
from flowplan.reports.formats import report_of

if TYPE_CHECKING:
    from flowplan.pricing.offers import Offer, View

_CODES = {"runs": 0, "waits": 1, "cannot_win": 2}  # of --exit-code


@click.command(cls=Command)
@click.argument("types", nargs=-1, shell_complete=completing.types, metavar="[TYPE...]")
@click.option("--region", metavar="R", shell_complete=completing.regions, help="Show only this region.")
@click.option("--limit", metavar="USD", help="Show what a bid at this limit would do; dollars per instance-hour.")
@click.option("--horizon", type=Duration(), metavar="TIME", help="How far ahead to forecast.  [default: 24h]")
@click.option(
    "--history", type=Duration(), metavar="TIME", help="How far back to show past prices.  [default: 14d; a table: 7d]"
)
@click.option("--svg", metavar="FILE", shell_complete=completing.files, help="Draw past prices into FILE, as SVG.")
@click.option(
    "--for",
    "file",
    metavar="FILE",
    shell_complete=completing.files,
    help="Show where the tasks of FILE could go, and at what cost.",
)
@click.option("--exit-code", is_flag=True, help="With --limit: exit 0 wins now, 1 would wait, 2 can never win.")
@options.form("market")
@click.pass_context
def market(
    ctx: click.Context,
    types: tuple[str, ...],
    region: str | None,
    limit: str | None,
    horizon: str | None,
    history: str | None,
    svg: str | None,
    file: str | None,
    exit_code: bool,
    form: str,
) -> int:
    """Show what instances cost now and ahead, and at which limit they keep running.

    TYPE is an instance type as in a task file, a GPU (h100): all its sizes, or the id of an auction (auc_...). With
    types, it shows the past of each auction and advice on a limit; without, one line for each auction. Needs no task
    file, and changes nothing.

    --for FILE shows where the tasks of a task file or stack could go: each place with its price now, the share of the
    time that the task would run there, the expected cost until its work is done, and why it is not the first choice.

    With --exit-code, 0 means that a bid for one instance at --limit wins now in one of the auctions shown; 1 that it
    would wait, or that it is unknown whether it wins; 2 that it can never win.

    Exit codes: 0 done (1 and 2: see --exit-code); 64 wrong usage; 65 there is no such type or region, or problems in
    FILE.
    """
    from flowplan.operations import files as output
    from flowplan.operations.market import Asked, look
    from flowplan.operations.opening.combinations import MARKET, as_option, hold_together
    from flowplan.pricing.offers import outlook_of

    here = Context.of(ctx)
    hold_together({**ctx.params, "for": file}, as_option, MARKET)
    if file is not None:
        return _offers(here, file, form)
    hours = values.hours_of(horizon or "24h", "--horizon")
    since = None if history is None else timedelta(hours=values.hours_of(history, "--history"))
    asked = None if limit is None else values.limit(limit)
    if svg is not None:
        from flowplan.reports.svg.market import BEGINS

        begins = re.compile(re.escape(BEGINS.encode()))
        output.hold_writable(svg, "picture of flowplan", begins, here.session.settings.named_state)
    every = report_of("market", form).whole or here.answer.file is not None
    found = look(here.session, types, region, Asked(hours, since, asked, every))
    if svg is not None:
        _draw(here.terminal, svg, found.offers, found.view)
    for note in found.notes:
        here.terminal.note(note.summary)
    here.report("market", form, found)
    return _CODES.get(outlook_of(found.offers), 1) if exit_code else 0


def _offers(here: Context, file: str, form: str) -> int:
    from flowplan.operations.offers import offers

    here.report("offers", form, offers(here.session, (file,)))
    return 0


def _draw(terminal: Terminal, path: str, offers: Sequence[Offer], view: View) -> None:
    """Write the picture. Raises FlowplanError when the file cannot be written."""
    from flowplan.reports.svg.market import svg

    try:
        Path(path).write_text(svg(offers, view), encoding="utf-8")
    except OSError as error:
        raise FlowplanError(f"{shown(path)} could not be written: {error.strerror}") from error
    terminal.note(f"drawn into {path}")
