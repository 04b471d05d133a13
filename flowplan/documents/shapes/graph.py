"""The resource graph."""

from typing import TypedDict

GraphEdge = TypedDict("GraphEdge", {"from": str, "to": str})


class GraphNode(TypedDict):
    """`id`: what edges name it by; `attached`: a volume that flowplan only reads."""

    id: str
    address: str
    attached: bool


class GraphDocument(TypedDict):
    """An edge leads from what is needed to what needs it."""

    format_version: str
    nodes: list[GraphNode]
    edges: list[GraphEdge]
