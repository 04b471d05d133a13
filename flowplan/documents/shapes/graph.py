"""The resource graph."""

from typing import NotRequired, TypedDict

from flowplan.model.lifecycle import Until

GraphEdge = TypedDict("GraphEdge", {"from": str, "to": str, "until": NotRequired[Until]})


class GraphNode(TypedDict):
    """`id`: what edges name it by; `attached`: a volume that flowplan only reads."""

    id: str
    address: str
    attached: bool


class GraphDocument(TypedDict):
    """An edge leads from what is needed to what needs it; with `until` from what is waited for to what waits."""

    format_version: str
    nodes: list[GraphNode]
    edges: list[GraphEdge]
