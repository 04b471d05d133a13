"""flowplan test."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.argument("path", required=False, metavar="[PATH]", type=click.Path())
@options.form("test")
@click.pass_context
def test(ctx: click.Context, path: str | None, form: str) -> int:
    """Run the cases beside a stack: tests/*.yaml, and *.test.yaml. Each says what is given (variables, prices, what was
    applied before) and what the plan is expected to say. PATH is the stack (flowplan.yaml), or one file of cases.

    Every case has a simulated cloud of its own. Your state, your environment and the real API are not touched.

    Exit codes: 0 all pass; 1 some fail; 64 no cases; 65 a file of cases that cannot be read.
    """
    from flowplan.operations.test import cases_beside, run

    here = Context.of(ctx)
    found = cases_beside(here.session.settings.directory, path)
    with here.session.listener.busy("running the cases"):
        outcomes = list(run(found, here.session.listener))
    here.terminal.out(report_of("test", form)(outcomes, here.terminal.paint), end="")
    return 0 if all(one.passed for one in outcomes) else 1
