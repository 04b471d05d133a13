"""flowplan show."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import GuardRefused
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.argument("planfile", required=False)
@options.form("plan")
@options.max_bytes
@click.pass_context
def show(ctx: click.Context, planfile: str | None, form: str, max_bytes: int | None) -> int:
    """Show a saved plan as it was made, or, without PLANFILE, the state. No network."""
    here = Context.of(ctx)
    here.terminal.out(
        _state(here, form, max_bytes) if planfile is None else _plan(here, planfile, form, max_bytes), end=""
    )
    return 0


def _state(here: Context, form: str, max_bytes: int | None) -> str:
    from flowplan.operations.state import whole

    return report_of("state", form, max_bytes)(whole(here.session), here.terminal.paint)


def _plan(here: Context, planfile: str, form: str, max_bytes: int | None) -> str:
    from flowplan.operations.saved_plan import given_plan

    report = report_of("plan", form, max_bytes)
    body = given_plan(here.session.settings.directory, planfile)
    try:
        return report(body, here.terminal.paint)
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
