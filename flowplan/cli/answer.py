"""What a program reads of a command: in the format that it asked for, and as JSON in a file beside that. That is also
where it reads of a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flowplan.cli.failures import PENDING, Failed, tell, tell_lost
from flowplan.cli.github import from_top, tell_step
from flowplan.cli.terminal import Terminal
from flowplan.errors import FlowplanError

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.cli.asked import Asked
    from flowplan.cli.json_file import JsonFile
    from flowplan.diagnostics import Diagnostic
    from flowplan.reports.events import EventLines
    from flowplan.reports.formats import Report


class Answer:
    """`asked`: what was asked for; looked at only where a command fails. `events`: those of a run that has begun.
    `file`: where --json writes to; `refused`: it may not be written."""

    def __init__(self, terminal: Terminal, asked: Callable[[], Asked]) -> None:
        self.terminal, self.asked = terminal, asked
        self.events: EventLines | None = None
        self.file: JsonFile | None = None
        self.refused = False

    def tell(self, error: Exception) -> Failed:
        """Say on stderr why a command failed, and what it ends with. Each command that is named works on the state that
        was asked for, where the machine gives enough to look that up."""
        with suppress(OSError):
            asked = self.asked()
            self.terminal.works_on(asked.place, asked.paths)
        return tell(error, self.terminal)

    def begin(self, file: str, state: str | None, used: Iterable[str] = ()) -> None:
        """--json FILE of a command that works with `state`, where --state names one, and with the files `used`. Raises
        UsageProblem for a FILE that may not be written."""
        from flowplan.cli.json_file import JsonFile

        self.refused = True
        self.file = JsonFile.at(file, state, used)
        self.refused = False

    def report(self, subject: str, form: str, found: Any, max_bytes: int | None = None) -> None:
        """Write `found`, a `subject` of the table of reports, to stdout in a format, and as JSON to the file."""
        from flowplan.reports.formats import report_of

        self.write(report_of(subject, form, max_bytes), found)
        self.keep(subject, found)

    def write(self, report: Report, found: Any) -> None:
        """Write what a report makes of `found` to stdout."""
        if report.commands and isinstance(found, Mapping):  # a plan; a check knows how its repository names files
            found = from_top(found)
        self.terminal.out(report(found, self.terminal.paint), end="", commands=report.commands)

    def keep(self, subject: str, found: Any) -> None:
        """`found` as JSON is what the file is to hold, where there is one."""
        from flowplan.reports.formats import report_of

        if self.file is not None:
            self.file.text = report_of(subject, "json")(found, self.terminal.paint)

    def reporter(self, own: Reporter) -> Reporter:
        """What hears a run: `own` reports to stdout, and the events go to the file, where there is one."""
        from flowplan.apply.events import PassesOn
        from flowplan.reports.events import EventLines

        self.events = own if isinstance(own, EventLines) else None
        return own if self.file is None else PassesOn((own, self.file.begin(self.terminal.paint.typed)))

    @property
    def streams(self) -> tuple[EventLines, ...]:
        """The events that a run writes: to stdout, to the file, or to neither."""
        beside = self.file.events if self.file is not None else None
        return tuple(one for one in (self.events, beside) if one is not None)

    def end(self, code: int, said: Sequence[Diagnostic] = ()) -> int:
        """The command ends with `code`; where it failed, `said` is why. Returns its exit code: another one where it did
        well, but not all that it says could be written."""
        self._to_stdout(code, said)
        if said and self.file is not None:
            self.file.failed(code)
        if self.terminal.output.lost and code in (0, PENDING):
            lost = tell_lost(self.terminal)
            code, said = lost.exit_code, lost.said
        failed = self._to_file(code, said)
        return failed if code in (0, PENDING) and failed else code

    def _to_stdout(self, code: int, said: Sequence[Diagnostic]) -> None:
        if said and self.events is None and self.asked().events:
            from flowplan.clock import timestamp
            from flowplan.reports.events import EventLines

            self.events = EventLines(self.terminal.out, timestamp, self.terminal.paint.typed)
        if self.events is not None:
            self.events.end(code, said)
        elif said and not self.terminal.output.used:
            self._tell_failed(code, said)

    def _to_file(self, code: int, said: Sequence[Diagnostic]) -> int:
        file = self.file or (self._file_of_failure() if said else None)
        if file is None:
            return 0
        if said and not self.asked().subject and file.events is None:
            file.begin(self.terminal.paint.typed)
        file.end(code, said)
        if said and not file.text:
            found = self._failed("json", code, said)
            file.text = found[0](found[1], self.terminal.paint) if found else ""
        return file.write(self.terminal)

    def _file_of_failure(self) -> JsonFile | None:
        """The file of a command that failed before it came to look at it; None: there is none, or it may not be
        written."""
        asked = self.asked()
        if self.refused or not asked.file:
            return None
        from flowplan.cli.json_file import JsonFile

        try:
            return JsonFile.at(asked.file, asked.state, asked.used)
        except FlowplanError:  # stderr says already why the command failed
            return None

    def _tell_failed(self, code: int, said: Sequence[Diagnostic]) -> None:
        if found := self._failed(self.asked().form, code, said):
            self.write(*found)
            if self.asked().subject == "plan" and found[0].commands:
                try:
                    tell_step(self.terminal, found[1])
                except FlowplanError as error:  # it fails already
                    self.terminal.error(error)

    def _failed(self, form: str, code: int, said: Sequence[Diagnostic]) -> tuple[Report, Any] | None:
        """The report of a failure, and what it takes; None: the format has no place for it."""
        from flowplan.clock import timestamp
        from flowplan.documents.failure import Failure
        from flowplan.reports.formats import failed

        return failed(self.asked().subject, form, Failure(code, said, timestamp()), self.asked().max_bytes)
