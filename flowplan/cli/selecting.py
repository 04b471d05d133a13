"""Options of which part of a stack is meant, and of what is shown of it, each written once."""

from __future__ import annotations

import click

from flowplan.cli.base import F, all_of
from flowplan.cli.completing import addresses

replace = click.option(
    "--replace",
    multiple=True,
    metavar="ADDR",
    shell_complete=addresses,
    help="Replace this resource even if nothing differs.",
)
target = click.option(
    "--target",
    multiple=True,
    metavar="ADDR",
    shell_complete=addresses,
    help="Only this and what it needs. * and ? are wildcards; task.NAME is a bid and its ports.",
)
refresh_only = click.option(
    "--refresh-only", is_flag=True, help="Only record in the state what changed outside; nothing live is changed."
)
exclude = click.option(
    "--exclude",
    multiple=True,
    metavar="ADDR",
    shell_complete=addresses,
    help="All but this and what depends on it; wildcards as in --target.",
)

show_scripts = click.option(
    "--show-scripts",
    is_flag=True,
    help="Show the startup script of each bid that is placed, or how it differs from the one that runs.",
)


def selecting(function: F) -> F:
    """The options of which part of the stack is meant."""
    return all_of(function, target, exclude)
