"""flowplan output."""

from __future__ import annotations

import click

from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--raw", is_flag=True, help="Print the value of NAME alone, for scripts.")
@click.pass_context
def output(ctx: click.Context, name: str | None, as_json: bool, raw: bool) -> int:
    """Show the outputs of the stack, or the one called NAME, as they are now.

    \b
    ssh "$(flowplan output --raw ssh)"

    Exit codes: 0 shown; 1 NAME has no value yet, or is sensitive, with --raw; 64 there is no output NAME.
    """
    from flowplan.documents.outputs import document
    from flowplan.operations.outputs import outputs

    if raw and (name is None or as_json):
        raise UsageProblem("--raw prints one value", hint="flowplan output --raw NAME")
    here = Context.of(ctx)
    found = outputs(here.session, name)
    if raw and name is not None and found[name].value is None:
        why = "is sensitive, so flowplan stores it nowhere" if found[name].sensitive else "has no value yet"
        raise FlowplanError(f"output {name} {why}")
    form = "raw" if raw else "json" if as_json else "text"
    here.terminal.out(report_of("output", form)(document(found), here.terminal.paint), end="")
    return 0
