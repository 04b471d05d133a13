"""What a program reads of a command that failed: in the format that it asked for, or as the end of the events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import define

from flowplan.cli.asked import Asked
from flowplan.cli.terminal import Terminal
from flowplan.clock import timestamp
from flowplan.diagnostics import Diagnostic

if TYPE_CHECKING:
    from flowplan.reports.events import EventLines


@define
class Answer:
    """`asked`: what was asked for; looked at only where a command fails. `events`: those of a run that has begun."""

    terminal: Terminal
    asked: Callable[[], Asked]
    events: EventLines | None = None

    def end(self, code: int, said: Sequence[Diagnostic] = ()) -> None:
        """The command ends with `code`; where it failed, `said` is why."""
        if said and self.events is None and self.asked().events:
            from flowplan.reports.events import EventLines

            self.events = EventLines(self.terminal.out, timestamp)
        if self.events is not None:
            self.events.end(code, said)
        elif said and not self.terminal.output.used:
            self._document(code, said)

    def _document(self, code: int, said: Sequence[Diagnostic]) -> None:
        from flowplan.documents.failure import Failure
        from flowplan.reports.formats import failure_text

        asked = self.asked()
        text = failure_text(asked.subject, asked.form, Failure(code, said, timestamp()), self.terminal.paint)
        if text is not None:
            self.terminal.out(text, end="")
