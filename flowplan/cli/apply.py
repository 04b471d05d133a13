"""flowplan apply."""

from __future__ import annotations

from typing import Any

import click

from flowplan.cli import options, selecting, spending
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem


@click.command(cls=Command)
@options.paths
@selecting.refresh_only
@selecting.selecting
@selecting.replace
@options.applying
@spending.policy
@spending.hooks
@click.option("--expect", metavar="SHA256", help="Refuse a saved plan with any other digest.")
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    expect: str | None,
    **asked: Any,
) -> int:
    """Make what is live match the configuration.

    PATHs are task files or directories; none means flowplan.yaml. Shows the plan and asks for approval; only 'yes' is
    accepted. A single PATH that is a saved plan is carried out exactly, without asking, or refused.

    Exit codes: 0 done; 1 failed, or not approved; 3 refused by a guard, a stale
    plan, or all is done and what is protected keeps running past its lifetime;
    4 locked; 5 a problem with the state; 6 a create's outcome is unknown;
    65 problems in the configuration; 130, 143 stopped by a signal, state saved.
    """
    from flowplan.cli.plan_request import read_request
    from flowplan.cli.running import carry_out
    from flowplan.operations.opening.combinations import SAVED_PLAN, as_option, hold_together
    from flowplan.operations.running.plan_file import read_saved_plan
    from flowplan.operations.running.saved_plan import request_of, unchecked

    here = Context.of(ctx)
    request = read_request({"paths": paths, **asked})
    saved = read_saved_plan(here.session.settings, paths)
    hold_together({**request.asked, SAVED_PLAN: saved}, as_option)
    if expect is not None and saved is None:
        raise UsageProblem("--expect needs a saved plan", hint="flowplan apply PLANFILE --expect SHA256")
    if saved is not None:
        request = request_of(saved, request, expect, here.session.settings)
        if (why := unchecked(saved, here.session.settings)) is not None:
            here.session.listener.warn(f"{why}: --expect proves what is in it, not who made it")
    return carry_out(here, request, asked, saved)
