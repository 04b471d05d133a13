"""What a check of the configuration says."""

from typing import Literal, NotRequired, TypedDict

from flowplan.documents.shapes.common import Place


class Related(TypedDict):
    """A further place that has a part in a diagnostic. `message`: which, such as "used here"."""

    message: str
    source: Place


class Span(Place):
    """A place with where it ends, behind its last character; where that is known."""

    end_line: NotRequired[int]
    end_column: NotRequired[int]


class Found(TypedDict):
    """A diagnostic of a configuration. `snippet`: the text of its line."""

    severity: Literal["error", "warning", "note"]
    code: str
    summary: str
    detail: str | None
    hint: str | None
    source: Span | None
    snippet: str | None
    related: list[Related]


class Refused(TypedDict):
    """What a document has besides where it says that the configuration has problems: true, and what the command ends
    with."""

    errored: NotRequired[bool]
    exit_code: NotRequired[int]


class ValidateDocument(Refused):
    """Whether the configuration is valid, and every problem found in it."""

    format_version: str
    valid: bool
    error_count: int
    warning_count: int
    diagnostics: list[Found]
