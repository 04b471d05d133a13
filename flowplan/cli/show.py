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
@click.pass_context
def show(ctx: click.Context, planfile: str | None, form: str) -> int:
    """Show a saved plan as it was made, or, without PLANFILE, the state. No network."""
    here = Context.of(ctx)
    here.terminal.out(_state(here, form) if planfile is None else _plan(here, planfile, form), end="")
    return 0


def _state(here: Context, form: str) -> str:
    from flowplan.operations.state import whole

    return report_of("state", form)(whole(here.session), here.terminal.paint)


def _plan(here: Context, planfile: str, form: str) -> str:
    from flowplan.operations.saved_plan import given_plan

    body = given_plan(here.session.settings.directory, planfile)
    try:
        return report_of("plan", form)(body, here.terminal.paint)
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
