"""flowplan validate."""

from __future__ import annotations

import json
from typing import Any

import click

from flowplan.cli import Command, options
from flowplan.diagnostics import Problem
from flowplan.errors import ConfigError
from flowplan.operations.settings import Session


@click.command(cls=Command)
@options.paths
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def validate(ctx: click.Context, paths: tuple[str, ...], form: str) -> int:
    """Check the configuration: every problem in one run, each with its place. No network.

    \b
    Exit codes: 0 valid; 65 problems, or a file that cannot be read; 64 nothing to check.
    """
    session = Session.of(ctx)
    sources, _ = session.sources(paths)
    if form == "json":
        return _as_json(session, sources)
    config = session.configuration(sources)
    if config.warnings:
        from flowplan.reports.text.diagnostics import text

        session.terminal.err(text(config.warnings, session.terminal.paint_err))
    tasks, volumes = len(config.tasks), len(config.volumes)
    session.terminal.out(
        f"Valid: {tasks} task{'' if tasks == 1 else 's'}, {volumes} volume{'' if volumes == 1 else 's'}."
    )
    return 0


def _as_json(session: Session, sources: Any) -> int:
    """The shape of `terraform validate -json`, with our positions."""
    try:
        problems, code = list(session.configuration(sources).warnings), 0
    except ConfigError as error:
        problems, code = list(error.problems), error.exit_code
    errors = sum(problem.severity == "error" for problem in problems)
    body = {
        "format_version": "1.0",
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(problems) - errors,
        "diagnostics": [_diagnostic(problem) for problem in problems],
    }
    session.terminal.out(json.dumps(body, indent=2))
    return code


def _diagnostic(problem: Problem) -> dict[str, Any]:
    place = problem.position
    return {
        "severity": problem.severity,
        "summary": problem.summary,
        "detail": problem.detail,
        "hint": problem.hint,
        "source": {"file": place.file, "line": place.line, "column": place.column} if place else None,
        "snippet": problem.source,
    }
