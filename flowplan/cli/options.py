"""Options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable

import click

from flowplan.cli import selecting
from flowplan.cli.base import F, all_of
from flowplan.cli.completing import files
from flowplan.cli.everywhere import remember
from flowplan.cli.forms import Form, events
from flowplan.cli.github import LEAST
from flowplan.cli.kinds import Choice, Duration, Finite, Whole
from flowplan.cli.spending import budgeting, horizon
from flowplan.reports.formats import formats_of

paths = click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path())
allow_volume_destroy = click.option(
    "--allow-volume-destroy",
    multiple=True,
    metavar="NAME",
    help="Allow the data on the volume of this name or address to be destroyed ('*': on all).",
)
keep_volumes = click.option(
    "--keep-volumes", is_flag=True, help="Cancel the bids; leave the volumes with their data, and forget them."
)
max_bytes = click.option(
    "--max-bytes",
    type=Whole(min=LEAST),
    metavar="N",
    help="Cut --format markdown at a resource, to N bytes.  [default: 60000]",
)
auto_approve = click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")
parallelism = click.option(
    "--parallelism",
    type=Whole(1, 256),
    default=10,
    show_default=True,
    metavar="N",
    help="API calls at the same time.",
)
wait = click.option(
    "--wait",
    type=Choice(["placed", "allocated", "running"]),
    default="placed",
    show_default=True,
    help="What to wait for after placing a bid.",
)
timeout = click.option(
    "--timeout",
    type=Duration(),
    default="30m",
    show_default=True,
    metavar="TIME",
    help="How long to wait for a bid or a removal.",
)
settle_window = click.option(
    "--settle-window",
    type=Finite(0, 3600),
    envvar="FLOWPLAN_SETTLE_WINDOW",
    default=45,
    show_default=True,
    metavar="SECONDS",
    help="How long to look for the object of a create whose answer was lost.",
)
on_unknown = click.option(
    "--on-unknown",
    type=Choice(["retry", "stop"]),
    default="retry",
    show_default=True,
    help="When a create provably did not happen: send it once more, or stop.",
)
init = click.option(
    "--init", is_flag=True, help="Start a new state despite traces of an earlier one, which are moved aside."
)


def destroying(function: F) -> F:
    """The options of everything that takes away."""
    return all_of(function, allow_volume_destroy, auto_approve, parallelism, timeout, events, settle_window)


def applying(function: F) -> F:
    """The options of everything that places."""
    return destroying(all_of(function, wait, on_unknown, init, horizon, budgeting, selecting.show_scripts))


json_file = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    shell_complete=files,
    is_flag=False,
    flag_value="-",  # refused, with what prints JSON
    expose_value=False,
    callback=remember,
    help="Also write the JSON to FILE, whatever --format prints.",
)


def form(subject: str) -> Callable[[F], F]:
    """--format: what the table of reports offers for a subject."""
    offered = formats_of(subject)
    own = click.option(
        "--format",
        "form",
        cls=Form,
        subject=subject,
        type=Choice(offered),
        default=offered[0],
        show_default=True,
    )
    beside = [json_file] if "json" in offered[1:] and subject != "output" else []
    return lambda function: all_of(function, own, *beside)
