"""flowplan market."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowplan.cli import options, values
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.cli.durations import Duration
from flowplan.cli.terminal import Terminal
from flowplan.diagnostics import Diagnostic
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.printable import shown
from flowplan.reports.formats import report_of

if TYPE_CHECKING:
    from flowplan.pricing.offers import Offer, View


@click.command(cls=Command)
@click.argument("types", nargs=-1, metavar="[TYPE...]")
@click.option("--region", metavar="R", help="Show only this region.")
@click.option("--limit", metavar="USD", help="Show what a bid at this limit would do; dollars per instance-hour.")
@click.option(
    "--horizon", type=Duration(), default="24h", show_default=True, metavar="TIME", help="How far ahead to forecast."
)
@click.option(
    "--history", type=Duration(), metavar="TIME", help="How far back to show past prices.  [default: 14d; a table: 7d]"
)
@click.option("--svg", metavar="FILE", help="Draw past prices into FILE, as SVG.")
@options.form("market")
@click.pass_context
def market(
    ctx: click.Context,
    types: tuple[str, ...],
    region: str | None,
    limit: str | None,
    horizon: str,
    history: str | None,
    svg: str | None,
    form: str,
) -> int:
    """Show what instances cost now and ahead, and at which limit they keep running.

    TYPE is an instance type as in a task file, or a GPU (h100): all its sizes. With types, it shows the past of each
    auction and advice on a limit; without, one line for each auction. Needs no task file, and changes nothing.

    Exit codes: 0 done; 64 wrong usage; 65 there is no such type or region.
    """
    from flowplan.documents.market import Looked
    from flowplan.operations import output
    from flowplan.operations.market import Asked, look
    from flowplan.pricing.offers import by_type_and_price

    here = Context.of(ctx)
    hours = values.hours_of(horizon, "--horizon")
    since = None if history is None else timedelta(hours=values.hours_of(history, "--history"))
    asked = None if limit is None else _limit(limit)
    if svg is not None:
        from flowplan.reports.svg.market import BEGINS

        output.hold_writable(svg, "picture of flowplan", BEGINS.encode())
    report = report_of("market", form)
    notes: list[Diagnostic] = []
    found, view = look(here.session, types, region, Asked(hours, since, asked, report.whole), notes)
    offers = by_type_and_price(found)
    if svg is not None:
        _draw(here.terminal, svg, offers, view)
    for note in notes:
        here.terminal.note(note.summary)
    looked = Looked(
        offers,
        view,
        timestamp=here.session.now(),
        api_url=here.session.settings.api_url,
        notes=notes,
        named=bool(types),
        history=since is not None,
    )
    here.terminal.out(report(looked, here.terminal.paint), end="")
    return 0


def _limit(text: str) -> Decimal:
    from flowplan.model.budget import dollars

    try:
        found = dollars(text)
    except ValueError as error:
        raise UsageProblem(f"--limit: {shown(text)!r} is not an amount", hint=str(error)) from None
    if not found:
        raise UsageProblem(
            "--limit must be more than 0", hint="give dollars per instance-hour, for example --limit 17.92"
        )
    return found


def _draw(terminal: Terminal, path: str, offers: Sequence[Offer], view: View) -> None:
    """Write the picture. Raises FlowplanError when the file cannot be written."""
    from flowplan.reports.svg.market import svg

    try:
        Path(path).write_text(svg(offers, view), encoding="utf-8")
    except OSError as error:
        raise FlowplanError(f"{shown(path)} could not be written: {error.strerror}") from error
    terminal.note(f"drawn into {path}")
