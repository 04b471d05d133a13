"""Options of what a plan may cost, and how far ahead that is looked at, each written once."""

from __future__ import annotations

import click

from flowplan.cli.base import F, all_of
from flowplan.cli.completing import files
from flowplan.cli.kinds import Choice, Duration
from flowplan.model.bases import BASES

horizon = click.option(
    "--horizon",
    type=Duration(),
    metavar="TIME",
    help="How far ahead to forecast the cost.  [default: a task's estimated duration, else 24h]",
)
max_hourly_cost = click.option(
    "--max-hourly-cost", metavar="USD", help="Refuse a plan if the whole stack would then cost more than this per hour."
)
max_cost_increase = click.option(
    "--max-cost-increase",
    metavar="USD|N%",
    help="Refuse a plan that raises the hourly cost of the stack by more than this.",
)
budget_basis = click.option(
    "--budget-basis",
    type=Choice(BASES),
    help="Which cost the two limits apply to: the worst case (every limit price paid), or the 90th or 50th percentile "
    "of the forecast. Given alone, the limits in the files must hold on it as well.  [default: worst]",
)
max_changes = click.option(
    "--max-changes",
    metavar="N|N%",
    help="Refuse a plan that updates, replaces and deletes more resources than this (N% of those that there are; "
    "creates do not count). Stands for guards.max_changes of the files.",
)
what_if = click.option(
    "--what-if",
    is_flag=False,
    flag_value="24h",
    metavar="[TIME]",
    help="Also simulate the auctions with these bids for TIME.  [default: 24h]",
)

policy = click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="Hold the plan to the policies in FILE, beside those of the stack.",
)

hooks = click.option(
    "--no-hooks",
    is_flag=True,
    envvar="FLOWPLAN_NO_HOOKS",
    help="Do not run the commands under `hooks` of the stack file.  [FLOWPLAN_NO_HOOKS=1]",
)


def budgeting(function: F) -> F:
    """The options of what may be spent."""
    return all_of(function, max_hourly_cost, max_cost_increase, budget_basis, max_changes)
