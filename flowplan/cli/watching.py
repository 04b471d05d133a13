"""flowplan status --watch: the same again and again, in place on a terminal, and elsewhere whenever it has changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flowplan.cli.context import Context
from flowplan.errors import CloudError
from flowplan.reports.formats import report_of
from flowplan.reports.text.paint import cut


def watch(here: Context, every: float) -> None:
    """Until a signal ends it; what was found last stays on the terminal then. `every`: seconds."""
    from flowplan.documents.about import moment
    from flowplan.operations.simulator import STANDS_STILL
    from flowplan.operations.status import looks

    terminal, text = here.terminal, ""
    in_place = terminal.live and terminal.output.stream.isatty()
    paint = (
        terminal.paint._replace(width=terminal.paint.width - 1) if in_place else terminal.paint
    )  # a column stays free
    if here.session.settings.simulated:
        terminal.note(STANDS_STILL)
    try:
        for found in looks(here.session, every):
            if isinstance(found, CloudError):
                terminal.note(f"what is shown is from before: {found}")
                continue
            before, text = text, report_of("status", "text")(found, paint)
            head = f"As of {moment(found.as_of) or 'an unknown time'}, again every {every:g} s until Ctrl-C:\n"
            if in_place:
                terminal.below(partial(_fitting, f"{head}\n{text}".splitlines()))
            elif text != before:
                terminal.out(f"{head}\n{text}")
    finally:
        terminal.below(None)
        if in_place and text:
            terminal.out(text, end="")


def _fitting(lines: Sequence[str], columns: int, rows: int) -> list[str]:
    shown = [cut(line, columns) for line in lines]
    return shown if len(shown) <= rows else [*shown[: rows - 1], f"and {len(shown) - rows + 1} more lines"]
