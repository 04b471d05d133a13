"""The FILE of --json: what a program reads beside the text, written whole once the command ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field

from flowplan.classes import define
from flowplan.cli.terminal import Terminal
from flowplan.errors import FlowplanError

if TYPE_CHECKING:
    from pathlib import Path

    from flowplan.diagnostics import Diagnostic
    from flowplan.reports.events import EventLines

_FILES = ("paths", "path", "planfile", "file", "var_file", "policies", "out", "generate", "svg")


def files_of(given: Mapping[str, Any]) -> list[str]:
    """The files that a command line names beside that of --json: what the command reads, and what else it writes."""
    values = [given.get(name) for name in _FILES]
    lists = [list(value) if isinstance(value, list | tuple) else [value] for value in values]
    named = [one for few in lists for one in few if isinstance(one, str) and one.strip()]
    return [*named, *_first_files(given["directory"])] if isinstance(given.get("directory"), str) else named


def _first_files(directory: str) -> list[str]:
    """What `init` writes into a directory."""
    from pathlib import Path

    from flowplan.documents.init import FILE, IGNORED, SCHEMA

    return [str(Path(directory, name)) for name in (FILE, SCHEMA, IGNORED)]


@define
class JsonFile:
    """`text`: the document that it is to hold; `events`: those of a run that has begun, which go to `lines`. `grows`:
    it has the first of them already, as that run has no end of its own; `behind`: it lacks what it should have."""

    path: Path
    text: str = ""
    lines: list[str] = field(factory=list)
    events: EventLines | None = None
    grows: bool = False
    behind: bool = False

    @classmethod
    def at(cls, name: str, state: str | None = None, used: Iterable[str] = ()) -> JsonFile:
        """Removes the JSON of an earlier command. Raises UsageProblem for what cannot be written, and for anything but
        such JSON. `state`: that of the command, where --state names one; `used`: its other files."""
        from pathlib import Path

        from flowplan.operations.files import hold_json_file, remove_json_file

        hold_json_file(name, state, used)
        remove_json_file(name)
        return cls(Path(name).absolute())

    def begin(self, typed: Callable[[str], str]) -> EventLines:
        """The events of a run, from here on; `typed` as there."""
        from flowplan.clock import timestamp
        from flowplan.reports.events import EventLines

        self.events = EventLines(self.lines.append, timestamp, typed)
        return self.events

    def end(self, code: int, said: Sequence[Diagnostic]) -> None:
        """The run ends with `code`."""
        if self.events is not None:
            self.events.end(code, said)
            self.text = "".join(f"{line}\n" for line in self.lines)

    def failed(self, code: int) -> None:
        """The command failed, with `code`: a document that was made before that, and does not say so, is dropped."""
        if self.events is None and self.text and not _says(self.text, code):
            self.text = ""

    def grow(self, terminal: Terminal) -> int:
        """Add the events since the last time to the file. What cannot be written is tried again the next time. Returns
        as `write` does; stderr says once why the file is behind."""
        from flowplan.operations.files import append, hold_json_file

        self.grows = True
        try:
            hold_json_file(str(self.path))  # somebody may have moved it away, as those who rotate logs do
            more = "".join(f"{line}\n" for line in self.lines)
            append(self.path, terminal.inert(more), "the file of --json", hint="it is tried again", private=True)
        except FlowplanError as error:
            if not self.behind:
                terminal.error(error)
            self.behind = True
            return error.exit_code
        self.lines.clear()
        self.behind = False
        return 0

    def write(self, terminal: Terminal) -> int:
        """Write all of it or nothing, without what no stream shows. Returns 0, or the exit code of a failure, which
        stderr says."""
        from flowplan.operations.files import hold_json_file, write_output

        if self.grows:
            self.behind = False  # it is said at the end, too
            return self.grow(terminal)
        if not self.text:
            return 0
        try:
            hold_json_file(str(self.path))  # what was not there may be there by now
            write_output(str(self.path), terminal.inert(self.text))
        except FlowplanError as error:
            terminal.error(error)
            return error.exit_code
        return 0


def _says(text: str, code: int) -> bool:
    """Whether a document says itself that the command ends with `code`."""
    import json

    found = json.loads(text)
    return isinstance(found, dict) and found.get("exit_code") == code
