"""A task of another tool -> a stack file; no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.config.foreign.convert import convert as converted
from flowplan.documents.convert import Conversion, stack_text
from flowplan.errors import UsageProblem
from flowplan.operations.files import write_new
from flowplan.operations.validate import configuration
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.config import Source
    from flowplan.operations.opening.session import Session


def convert(session: Session, source: Source) -> Conversion:
    """The stack file of `source`, which is valid. Raises ConfigError: for a file that is no task of flow or SkyPilot,
    one with problems, and one of which only an invalid stack file could be made, whose problems these are."""
    from flowplan.config import Source

    found = converted(source)
    text = stack_text(shown(source.name), found.tool.name, dict(found.stack))
    made = Source(f"<stack made of {source.name}>", text.encode())
    said = configuration(session, [made]).warnings
    return Conversion(source.name, found.tool.name, text, (*found.left, *said))


def write(session: Session, path: str, text: str) -> None:
    """Write `text` to the new file `path`. Raises UsageProblem for one that exists, FlowplanError."""
    if not write_new(session.settings.directory / path, text):
        raise UsageProblem(f"{shown(path)} exists; nothing was written", hint="choose another name for --out")
