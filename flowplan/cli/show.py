"""flowplan show."""

from __future__ import annotations

import click

from flowplan.cli import Command
from flowplan.cli.plan import show as show_plan
from flowplan.errors import GuardRefused, UsageProblem
from flowplan.files.regular import read_regular
from flowplan.operations.saved_plan import PLAN_LIMIT, read_plan
from flowplan.operations.settings import Session


@click.command(cls=Command)
@click.argument("planfile", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
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
    from flowplan.reports.text import state as state_text
    from flowplan.state.codec import dump

    loaded = session.store.read()
    if form == "json":
        session.terminal.out(dump(loaded.state).decode(), end="")
    else:
        session.terminal.out(state_text.whole(loaded.state, list(loaded.pending.values())))
    return 0
