"""Options that say in which format a command reports: of one that reports while it goes on, all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from flowplan.cli.base import JSON_INTO, F, all_of
from flowplan.cli.completing import files
from flowplan.cli.everywhere import remember
from flowplan.cli.kinds import Choice
from flowplan.errors import UsageProblem
from flowplan.reports.formats import RUNNING


class Form(click.Option):
    """--format of a `subject` of the table of reports; "": of what is reported while it happens."""

    def __init__(self, *names: Any, subject: str = "", **how: Any) -> None:
        super().__init__(*names, **how)
        self.subject = subject


class IntoFile(click.Option):
    """--json=FILE of a command of which --json is a flag."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        return "'--json'"


json_into = click.option(
    JSON_INTO,
    "json_file",
    cls=IntoFile,
    metavar="FILE",
    shell_complete=files,
    expose_value=False,
    callback=remember,
    hidden=True,
)


running_form = click.option(
    "--format", "form", cls=Form, type=Choice(list(RUNNING)), default=next(iter(RUNNING)), show_default=True
)
as_events = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="The same as --format json: events on stdout, one a line. --json=FILE: to FILE, beside the text.",
)


def events(function: F) -> F:
    """The options that say how a run is reported while it goes on; `form_of` reads them."""
    return all_of(function, running_form, as_events, json_into)


def form_of(given: Mapping[str, Any]) -> str:
    """The format that the options of `events` ask for. Raises UsageProblem where they contradict each other."""
    from click.core import ParameterSource

    form: str = given["form"]
    if not given["as_json"]:
        return form
    typed = click.get_current_context().get_parameter_source("form") is ParameterSource.COMMANDLINE
    if typed and form != "json":
        raise UsageProblem(
            f"--json and --format {form} cannot be combined", hint="--json=FILE writes it beside the text"
        )
    return "json"
