"""What each resource needs -> the resource graph, and its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address, Ref, in_order
from flowplan.model.lifecycle import After, Until
from flowplan.printable import Natural, natural

if TYPE_CHECKING:
    from flowplan.documents.shapes.graph import GraphDocument, GraphEdge


@frozen
class Node:
    """A resource. `attached`: a volume that flowplan only reads; by its name or id, it has no address of its own."""

    address: str
    attached: bool = False

    def __str__(self) -> str:
        return f"{self.address} (attached)" if self.attached else self.address


@frozen
class Graph:
    """Every node, in the order of their texts, with the nodes that need it, in that order too. `waits`: node -> those
    that are placed only once it is as far as they say."""

    users: Mapping[Node, Sequence[Node]]
    waits: Mapping[Node, Mapping[Node, Until]] = field(factory=dict)


def graph_of(needs: Mapping[Address, Sequence[Ref]], after: Mapping[Address, Sequence[After]] | None = None) -> Graph:
    """The graph of `needs`: each resource with what it needs. `after`: each bid with what it waits for."""
    users: dict[Node, list[Node]] = {Node(str(address)): [] for address in needs}
    waits: dict[Node, dict[Node, Until]] = {}
    for address, needed in needs.items():
        for one in needed:
            node = Node(str(one)) if isinstance(one, Address) else Node(f"volume.{one}", attached=True)
            users.setdefault(node, []).append(Node(str(address)))
    for address, waited in sorted((after or {}).items(), key=lambda item: in_order(item[0])):
        for wait in waited:
            waits.setdefault(Node(str(wait.task)), {})[Node(str(address))] = wait.until
    return Graph({node: sorted(users[node], key=_by_text) for node in sorted(users, key=_by_text)}, waits)


def _by_text(node: Node) -> Natural:
    return natural(str(node))


def waits(graph: Graph) -> list[tuple[Node, Node, Until]]:
    """What is waited for, what waits, and how far the first must be by then; in the order of their texts."""
    found = [(one, to, until) for one, after in graph.waits.items() for to, until in after.items()]
    return sorted(found, key=lambda edge: (str(edge[0]), str(edge[1])))


def document(graph: Graph) -> GraphDocument:
    """Its nodes; an edge from what is needed to each that needs it, and from what is waited for to each that waits."""
    edges: list[GraphEdge] = [{"from": str(one), "to": str(to)} for one, users in graph.users.items() for to in users]
    edges += [{"from": str(one), "to": str(to), "until": until} for one, to, until in waits(graph)]
    return {
        "format_version": "1.0",
        "nodes": [{"id": str(node), "address": node.address, "attached": node.attached} for node in graph.users],
        "edges": edges,
    }
