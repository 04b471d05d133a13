"""What a program reads of a command that failed."""

from typing import TypedDict

from flowplan.documents.shapes.validate import Found


class FailureDocument(TypedDict):
    """In the place of the document of a command that failed. `exit_code`: what the command ends with."""

    format_version: str
    flowplan_version: str
    timestamp: str
    errored: bool
    exit_code: int
    diagnostics: list[Found]
