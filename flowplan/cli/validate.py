"""flowplan validate."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import ConfigError
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@options.paths
@options.form("validate")
@click.pass_context
def validate(ctx: click.Context, paths: tuple[str, ...], form: str) -> int:
    """Check the configuration: every problem in one run, each with its place. No network.

    Exit codes: 0 valid; 65 problems, or a file that cannot be read; 64 nothing to check.
    """
    from flowplan.documents.validate import Checked
    from flowplan.operations.checking.policing import heedless
    from flowplan.operations.opening.repository import checkout_of
    from flowplan.operations.validate import configuration

    here = Context.of(ctx)
    whole = report_of("validate", form).whole
    checkout = checkout_of(here.session.settings.directory)
    files: tuple[str, ...] = ()
    typed = here.terminal.paint.typed
    try:
        sources, _ = here.session.sources(paths)
        files = tuple(source.name for source in sources)
        config = configuration(here.session, sources, checked_alone=True)
        warnings = [one.typed(typed) for one in (*config.warnings, *heedless(here.session, config))]
        found = Checked(warnings, len(config.tasks), len(config.volumes), files=files, checkout=checkout)
    except ConfigError as error:
        if not whole:
            raise
        problems = [one.typed(typed) for one in error.problems]
        found = Checked(problems, exit_code=error.exit_code, files=files, checkout=checkout)
    if found.problems and not whole:
        from flowplan.reports.text.diagnostics import text

        here.terminal.err(text(found.problems, here.terminal.paint_err))
    here.report("validate", form, found)
    return found.exit_code
