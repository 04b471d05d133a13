"""flowplan output."""

from __future__ import annotations

import click
from click.core import ParameterSource

from flowplan.cli import forms, options
from flowplan.cli.base import Command
from flowplan.cli.completing import outputs
from flowplan.cli.context import Context
from flowplan.errors import FlowplanError, UsageProblem


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=outputs)
@options.form("output")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json; --json=FILE: to FILE, beside it.")
@forms.json_into
@click.option("--raw", is_flag=True, help="Print the value of NAME alone, for scripts: --format raw.")
@click.pass_context
def output(ctx: click.Context, name: str | None, form: str, as_json: bool, raw: bool) -> int:
    """Show the outputs of the stack, or the one called NAME, as they are now.

    Exit codes: 0 shown; 1 NAME has no value yet, or is sensitive, with --raw; 64 there is no output NAME.
    """
    from flowplan.documents.outputs import document
    from flowplan.operations.outputs import outputs as kept
    from flowplan.reports.formats import report_of

    given = ctx.get_parameter_source("form") is ParameterSource.COMMANDLINE
    asked = {one for one in (form if given else "", "json" * as_json, "raw" * raw) if one}
    if "raw" in asked and (name is None or len(asked) > 1):
        raise UsageProblem("--raw prints one value", hint="flowplan output --raw NAME")
    if len(asked) > 1:
        raise UsageProblem(f"--json and --format {form} cannot be combined", hint="give one of the two")
    chosen = asked.pop() if asked else form
    here = Context.of(ctx)
    found = kept(here.session, name)
    if chosen == "raw" and name is not None and found[name].value is None:
        why = "is sensitive, so flowplan stores it nowhere" if found[name].sensitive else "has no value yet"
        raise FlowplanError(f"output {name} {why}")
    made = document(found)
    if chosen == "raw":  # a script takes it as it is: rather nothing than another text
        text = report_of("output", "raw")(made, here.terminal.paint)
        here.terminal.exact(text, f"flowplan output --json {name} prints it as JSON, where such characters are escaped")
        here.answer.keep("output", made)
    else:
        here.report("output", chosen, made)
    return 0
