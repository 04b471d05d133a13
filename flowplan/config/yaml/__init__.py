"""YAML 1.2 text -> nodes that know where they stand; what YAML allows and flowplan does not is a problem. Pure.

One pass, one document at a time. An alias stands for its anchor's node without a copy; what it would expand to
is counted first, in nodes and in depth, so nothing that reads a document can be made to walk further.
"""

from flowplan.config.yaml.nodes import (
    KINDS,
    Also,
    Broken,
    Document,
    Kind,
    Mapping,
    Node,
    Scalar,
    Secretive,
    Sequence,
    carried,
    reached,
    scalars,
)
from flowplan.config.yaml.parse import MAX_DEPTH, MAX_NODES, documents
from flowplan.config.yaml.text import (
    MAX_PROBLEMS,
    SIZE_LIMIT,
    Findings,
    Mark,
    Text,
    TooManyProblems,
    home_of,
    mark_at,
    quoted,
    read_text,
    strange_character,
)

__all__ = [
    "KINDS",
    "MAX_DEPTH",
    "MAX_NODES",
    "MAX_PROBLEMS",
    "SIZE_LIMIT",
    "Also",
    "Broken",
    "Document",
    "Findings",
    "Kind",
    "Mapping",
    "Mark",
    "Node",
    "Scalar",
    "Secretive",
    "Sequence",
    "Text",
    "TooManyProblems",
    "carried",
    "documents",
    "home_of",
    "mark_at",
    "quoted",
    "reached",
    "read_text",
    "scalars",
    "strange_character",
]
