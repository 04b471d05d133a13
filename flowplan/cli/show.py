"""flowplan show."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.completing import files
from flowplan.cli.context import Context
from flowplan.cli.github import tell_step
from flowplan.errors import GuardRefused


@click.command(cls=Command)
@click.argument("planfile", shell_complete=files, required=False)
@options.form("plan")
@options.max_bytes
@click.pass_context
def show(ctx: click.Context, planfile: str | None, form: str, max_bytes: int | None) -> int:
    """Show a saved plan as it was made, or, without PLANFILE, the state. No network."""
    here = Context.of(ctx)
    if planfile is not None:
        _plan(here, planfile, form, max_bytes)
    else:
        from flowplan.operations.state import whole

        here.report("state", form, whole(here.session), max_bytes)
    return 0


def _plan(here: Context, planfile: str, form: str, max_bytes: int | None) -> None:
    from flowplan.operations.running.plan_file import given_plan
    from flowplan.reports.text.plan import refusals

    body = given_plan(here.session.settings, planfile)
    try:
        here.report("plan", form, body, max_bytes)
        if form == "text" and (why := refusals(body, here.terminal.paint_err)):
            here.terminal.err(why)
        if form == "github":
            tell_step(here.terminal, body, planfile)
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
