"""What `convert` makes of a file."""

from flowplan.documents.shapes.validate import Found, Refused


class ConvertDocument(Refused):
    """`tool`: flow or skypilot; `stack_file`: its text, null where the file could not be converted; `left_out`: what it
    does not say of the source, each with its place. Without one `valid` is false, and `diagnostics` says why."""

    format_version: str
    valid: bool
    source: str
    tool: str | None
    stack_file: str | None
    left_out: list[Found]
    diagnostics: list[Found]
