"""flowplan show."""

from __future__ import annotations

import click

from flowplan.cli import Command, options
from flowplan.cli.plan import show as show_plan
from flowplan.errors import GuardRefused, UsageProblem
from flowplan.files.regular import read_regular
from flowplan.operations.saved_plan import PLAN_LIMIT, read_plan
from flowplan.operations.settings import Session
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.argument("planfile", required=False)
@options.form("plan")
@click.pass_context
def show(ctx: click.Context, planfile: str | None, form: str) -> int:
    """Show a saved plan as it was made, or, without PLANFILE, the state. No network."""
    session = Session.of(ctx)
    if planfile is None:
        return _state(session, form)
    try:
        data = read_regular(planfile, PLAN_LIMIT)
    except OSError as error:
        raise UsageProblem(f"{planfile} cannot be read: {error.strerror}") from error
    body = read_plan(data, planfile)
    if body is None:
        raise GuardRefused(f"{planfile} is not a saved plan", reason="invalid_plan", hint="flowplan plan --out FILE")
    try:
        show_plan(session, body, form)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # fields that fit, but not each other
        raise GuardRefused(
            f"{planfile} is not a valid plan: it contradicts itself", reason="invalid_plan", hint="plan again"
        ) from error
    return 0


def _state(session: Session, form: str) -> int:
    loaded = session.store.read()
    found = (loaded.state, list(loaded.pending.values()))
    session.terminal.out(report_of("state", form)(found, session.terminal.paint), end="")
    return 0
