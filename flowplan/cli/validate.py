"""flowplan validate."""

from __future__ import annotations

import click

from flowplan.cli import Command, options
from flowplan.errors import ConfigError
from flowplan.operations.settings import Session
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@options.paths
@options.form("validate")
@click.pass_context
def validate(ctx: click.Context, paths: tuple[str, ...], form: str) -> int:
    """Check the configuration: every problem in one run, each with its place. No network.

    \b
    Exit codes: 0 valid; 65 problems, or a file that cannot be read; 64 nothing to check.
    """
    from flowplan.documents.diagnostics import Checked

    session = Session.of(ctx)
    sources, _ = session.sources(paths)
    report, code = report_of("validate", form), 0
    try:
        config = session.configuration(sources)
        found = Checked(config.warnings, len(config.tasks), len(config.volumes))
    except ConfigError as error:
        if not report.whole:
            raise
        found, code = Checked(error.problems), error.exit_code
    if found.problems and not report.whole:
        from flowplan.reports.text.diagnostics import text

        session.terminal.err(text(found.problems, session.terminal.paint_err))
    session.terminal.out(report(found, session.terminal.paint), end="")
    return code
