"""flowplan convert."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import ConfigError
from flowplan.reports.formats import report_of


@click.command(cls=Command)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--out", "-o", metavar="FILE", type=click.Path(), help="Write the stack file there instead of to stdout.")
@options.form("convert")
@click.pass_context
def convert(ctx: click.Context, file: str, out: str | None, form: str) -> int:
    """Turn a task of the flow SDK or of SkyPilot into a stack file. No network.

    What the stack file cannot say is listed on stderr, each with its place and why. The limit is never above the one
    that FILE gives; without one it is the lowest.

    Exit codes: 0 converted; 65 FILE is no such task, or has problems, and nothing is written; 64 --out exists.
    """
    from flowplan.documents.convert import document as document_of
    from flowplan.documents.convert import failed
    from flowplan.operations.convert import convert as converted
    from flowplan.operations.convert import write
    from flowplan.reports.text.convert import left

    here = Context.of(ctx)
    whole = report_of("convert", form).whole
    (source, *_), _ = here.session.sources([file])
    try:
        made = converted(here.session, source)
    except ConfigError as error:
        document = failed(source.name, error.problems)
        here.answer.keep("convert", document)
        if not whole:
            raise
        here.report("convert", form, document)
        return error.exit_code
    if made.left and not whole:
        here.terminal.err(left(made.left, here.terminal.paint_err))
    if out is not None:
        write(here.session, out, made.text)
        here.terminal.note(f"{out} is written; check it with: flowplan plan {out}")
    here.answer.keep("convert", document_of(made))
    if whole:
        here.report("convert", form, document_of(made))
    elif out is None:  # its script is what will run: rather nothing than another one
        here.terminal.exact(made.text, "give --out FILE: flowplan then writes the stack file as it is")
    return 0
