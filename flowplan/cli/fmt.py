"""flowplan fmt."""

from __future__ import annotations

import sys

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.reports.formats import report_of

_STDIN = "-"


@click.command(cls=Command)
@options.paths
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.pass_context
def fmt(ctx: click.Context, paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Rewrite configuration files in the canonical layout, and print the names of those that change. No network.

    Two spaces for each level, lists too; one space after `-` and `:`; no space at the end of a line, no blank line at
    the end of a file. Comments, quotes, anchors, the order of keys and everything in scripts stay. A file that would
    mean something else is not written. `-` reads stdin and prints it.

    Exit codes: 0 done; 1 --check found files that would change, or some were not written: the others are; 65 a file is
    not YAML; nothing is written.
    """
    from flowplan.operations.fmt import laid_out_text, layouts, write

    here = Context.of(ctx)
    if _STDIN in paths:
        if len(paths) > 1:
            raise UsageProblem("`-` reads stdin and cannot be combined with another PATH")
        files = [laid_out_text("<stdin>", sys.stdin.buffer.read())]
    else:
        files = layouts(here.session, paths)
    changed = [file for file in files if file.changes]
    if _STDIN in paths and not (check or diff):
        here.terminal.exact(files[0].text, "name the file instead of `-`: flowplan then writes it in place")
        return 0
    failed: list[FlowplanError] = []
    if not (check or diff):
        changed, failed = write(here.session, changed)
    here.terminal.out(report_of("fmt", "diff" if diff else "names")(changed, here.terminal.paint), end="")
    if failed:
        raise _summed_up(failed, len(changed))
    return 1 if check and changed else 0


def _summed_up(failed: list[FlowplanError], written: int) -> FlowplanError:
    """What was not written, as one error."""
    if len(failed) == 1 and not written:
        return failed[0]
    count = f"{len(failed)} of {len(failed) + written} files could not be written"
    return FlowplanError(count, detail="\n".join(map(str, failed)), hint=failed[0].hint)
