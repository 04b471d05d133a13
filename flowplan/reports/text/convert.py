"""A converted file -> the text of the stack file, and the list of what it does not say."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.diagnostics import Diagnostic
from flowplan.documents.shapes.convert import ConvertDocument
from flowplan.reports.text.diagnostics import one
from flowplan.reports.text.paint import Paint


def text(document: ConvertDocument, _: Paint) -> str:
    """The stack file as it is."""
    return document["stack_file"] or ""


def left(said: Sequence[Diagnostic], paint: Paint) -> str:
    """What the stack file does not say, and how much that is."""
    count = f"{len(said)} thing{'' if len(said) == 1 else 's'} to look at before you apply the stack file"
    return "\n\n".join([*(one(item, paint) for item in said), count])
