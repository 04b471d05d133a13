"""What each resource needs -> the resource graph, and its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from flowplan.model.address import Address, Ref

if TYPE_CHECKING:
    from flowplan.documents.shapes.graph import GraphDocument


@frozen
class Node:
    """A resource. `attached`: a volume that flowplan only reads; by its name or id, it has no address of its own."""

    address: str
    attached: bool = False

    def __str__(self) -> str:
        return f"{self.address} (attached)" if self.attached else self.address


@frozen
class Graph:
    """Every node, in the order of their texts, with the nodes that need it, in that order too."""

    users: Mapping[Node, Sequence[Node]]


def graph_of(needs: Mapping[Address, Sequence[Ref]]) -> Graph:
    """The graph of `needs`: each resource with what it needs."""
    users: dict[Node, list[Node]] = {Node(str(address)): [] for address in needs}
    for address, needed in needs.items():
        for one in needed:
            node = Node(str(one)) if isinstance(one, Address) else Node(f"volume.{one}", attached=True)
            users.setdefault(node, []).append(Node(str(address)))
    return Graph({node: sorted(users[node], key=str) for node in sorted(users, key=str)})


def document(graph: Graph) -> GraphDocument:
    """Its nodes, and an edge from what is needed to each that needs it."""
    return {
        "format_version": "1.0",
        "nodes": [{"id": str(node), "address": node.address, "attached": node.attached} for node in graph.users],
        "edges": [{"from": str(one), "to": str(user)} for one, users in graph.users.items() for user in users],
    }
