"""flowplan show."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import GuardRefused, UsageProblem
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.argument("planfile", required=False)
@options.form("plan")
@click.pass_context
def show(ctx: click.Context, planfile: str | None, form: str) -> int:
    """Show a saved plan as it was made, or, without PLANFILE, the state. No network."""
    from flowplan.files.regular import read_regular
    from flowplan.operations.saved_plan import PLAN_LIMIT, read_plan

    here = Context.of(ctx)
    if planfile is None:
        return _state(here, form)
    try:
        data = read_regular(planfile, PLAN_LIMIT)
    except OSError as error:
        raise UsageProblem(f"{planfile} cannot be read: {error.strerror}") from error
    body = read_plan(data, planfile)
    if body is None:
        raise GuardRefused(f"{planfile} is not a saved plan", code="invalid-plan", hint="flowplan plan --out FILE")
    try:
        text = report_of("plan", form)(body, here.terminal.paint)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # fields that fit, but not each other
        raise GuardRefused(
            f"{planfile} is not a valid plan: it contradicts itself", code="invalid-plan", hint="plan again"
        ) from error
    here.terminal.out(text, end="")
    return 0


def _state(here: Context, form: str) -> int:
    loaded = here.session.store.read()
    found = (loaded.state, list(loaded.pending.values()))
    here.terminal.out(report_of("state", form)(found, here.terminal.paint), end="")
    return 0
