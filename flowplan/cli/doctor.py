"""flowplan doctor."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command(cls=Command)
@options.form("doctor")
@click.pass_context
def doctor(ctx: click.Context, form: str) -> int:
    """Check what flowplan needs: credentials and where they are from, API, clock, project, SSH key, quota, the
    configuration here, the state and its lock. Changes nothing; credentials are never shown.

    Exit codes: 0 no check failed; 1 one did; 5 the state cannot be read.
    """
    from flowplan.operations.doctor import doctor as examined

    here = Context.of(ctx)
    found = examined(here.session)
    here.report("doctor", form, found)
    return found.exit_code
