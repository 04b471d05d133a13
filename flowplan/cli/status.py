"""flowplan status."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.cli.kinds import Duration
from flowplan.errors import UsageProblem
from flowplan.model.durations import read_duration


@click.command(cls=Command)
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option("--every", type=Duration(), metavar="TIME", help="With --watch: how often.  [default: 5s]")
@options.form("status")
@click.pass_context
def status(ctx: click.Context, form: str, watch: bool, every: str | None) -> int:
    """Show what flowplan made and what it is doing: status, instances, ssh, ports, what is charged, paid so far.

    Bids that are alike are shown as one; --verbose shows each.
    """
    from flowplan.operations.status import status as looked

    here = Context.of(ctx)
    if every is not None and not watch:
        raise UsageProblem("--every needs --watch", hint="flowplan status --watch --every 30s")
    if watch:
        from flowplan.cli.watching import watch as keep_watching

        if form != "text" or here.answer.file is not None:
            raise UsageProblem("--watch is for people to read", hint="for a program: flowplan status --format json")
        keep_watching(here, max(read_duration(every or "5s", "--every"), 1.0))
        return 0
    here.report("status", form, looked(here.session))
    return 0
