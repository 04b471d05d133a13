"""What a task file and a stack file may hold, as a JSON Schema."""

from __future__ import annotations


def schema() -> dict[str, object]:
    """The schema, draft-07, of a document of either format."""
    from flowplan.config.schema import schema as made

    return made()
