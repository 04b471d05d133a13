"""flowplan apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import Command, options
from flowplan.errors import UsageProblem
from flowplan.operations.saved_plan import (
    hold_expected,
    hold_signed,
    plan_key,
    saved_budgets,
    saved_destroyable,
    saved_plan,
    saved_replacements,
)
from flowplan.operations.sources import addresses_in

if TYPE_CHECKING:
    from flowplan.model.budget import BudgetBasis


@click.command(cls=Command)
@options.paths
@options.replace
@options.applying
@click.option("--expect", metavar="SHA256", help="The digest the saved plan must have.")
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    replace: tuple[str, ...],
    allow_volume_destroy: tuple[str, ...],
    expect: str | None,
    max_hourly_cost: str | None,
    max_cost_increase: str | None,
    budget_basis: BudgetBasis | None,
    **how: Any,
) -> int:
    """Make what is live match the configuration.

    PATHs are task files or directories; none means flowplan.yaml. Shows the plan and asks; only 'yes' is
    accepted. A single PATH that is a saved plan is carried out exactly, without asking, or refused.

    \b
    Exit codes: 0 done; 1 failed, or not approved; 3 refused by a guard, or a
    stale plan; 4 locked; 5 the state; 6 a create's outcome is unknown;
    65 problems in the configuration; 130, 143 stopped by a signal, state saved.
    """
    from flowplan.operations.apply import How, Run
    from flowplan.operations.settings import Session
    from flowplan.planning.plan import Wishes

    session = Session.of(ctx)
    budgets = options.budgets(max_hourly_cost, max_cost_increase, budget_basis)
    proven = False
    saved = saved_plan(paths)
    if expect is not None and saved is None:
        raise UsageProblem("--expect goes with a saved plan", hint="flowplan apply PLANFILE --expect SHA256")
    if saved is not None:
        hold_expected(saved, expect)
        key = plan_key(session.environ)
        hold_signed(saved, key)
        proven = expect is not None or key is not None
        paths = tuple(saved["stack"]["paths"])
    destroying = saved is not None and saved["mode"] == "destroy"
    sources, scope = session.sources(paths, optional=destroying)
    config = None if destroying else session.configuration(sources)
    declared = addresses_in(sources) if destroying else set()
    wishes = Wishes(
        mode="destroy" if destroying else "apply",
        replace=options.addresses(replace, "--replace") | saved_replacements(saved),
        # A permission in a file that anybody could have edited is none.
        destroyable=frozenset(allow_volume_destroy) | (saved_destroyable(saved) if proven else frozenset()),
        in_scope=lambda binding: scope.covers(binding) or binding.address in declared,
        files=scope,
    )
    budgets += (*saved_budgets(saved), *(config.budgets if config is not None else ()))
    return Run(session, config, wishes, How(**how), saved, budgets)()
