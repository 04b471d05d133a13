"""A plan document -> its resource graph; and a graph in which what is alike is one node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from flowplan.classes import frozen
from flowplan.documents.graph import Graph, Node
from flowplan.model.address import KINDS

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry
    from flowplan.model.lifecycle import Until

_FEW = 3  # so many that are alike are shown one by one


def graph_of_plan(entries: Iterable[Entry]) -> Graph:
    """What needs what, and what waits for what, of all that a plan lists."""
    users: dict[Node, list[Node]] = {}
    waits: dict[Node, dict[Node, Until]] = {}
    for entry in entries:
        users.setdefault(Node(entry["address"]), [])
        for need in entry["needs"]:
            users.setdefault(_needed(need), []).append(Node(entry["address"]))
        for wait in entry.get("waits_for", ()):
            until = cast("Until", wait["until"])
            users.setdefault(Node(wait["address"]), [])
            waits.setdefault(Node(wait["address"]), {})[Node(entry["address"])] = until
    return Graph({node: sorted(users[node], key=str) for node in sorted(users, key=str)}, waits)


def _needed(need: str) -> Node:
    """A resource of the plan; what has no address is a volume that flowplan only reads."""
    return Node(need) if need.partition(".")[0] in KINDS else Node(f"volume.{need}", attached=True)


@frozen
class Folded:
    """A graph, and of each of its nodes those that it stands for: itself, or many that are alike."""

    graph: Graph
    members: Mapping[Node, Sequence[Node]]


def folded(graph: Graph, looks: Callable[[Node], str]) -> Folded:
    """`graph` with one node for more than a few that are alike: they look so, and so does all that they need, that
    needs them, that they wait for, and so on. There is no circle in it that was in none before."""
    alike: dict[int, list[Node]] = defaultdict(list)
    for node, number in _classes(graph, looks).items():
        alike[number].append(node)
    members = {_for(group): group for group in alike.values() if len(group) > _FEW}
    members |= {node: [node] for group in alike.values() if len(group) <= _FEW for node in group}
    stands = {node: one for one, group in members.items() for node in group}
    users: dict[Node, set[Node]] = {one: set() for one in members}
    waits: dict[Node, dict[Node, Until]] = {}
    for node, needing in graph.users.items():
        users[stands[node]].update(stands[one] for one in needing)
    for node, waiting in graph.waits.items():
        waits.setdefault(stands[node], {}).update((stands[one], until) for one, until in waiting.items())
    return Folded(
        Graph({node: sorted(users[node], key=str) for node in sorted(users, key=str)}, waits),
        members,
    )


def _for(group: Sequence[Node]) -> Node:
    """What stands for several: their kind, the first name and the last."""
    kind, _, first = group[0].address.partition(".")
    return Node(f"{kind}.{first} … {group[-1].address.partition('.')[2]}", group[0].attached)


def _classes(graph: Graph, looks: Callable[[Node], str]) -> dict[Node, int]:
    """A number for each node, the same for those that are alike: told apart by looks, then again and again by what is
    next to them, until that tells no more apart."""
    near: dict[Node, list[tuple[str, Node]]] = {node: [] for node in graph.users}
    for node, users in graph.users.items():
        for user in users:
            near[node].append(("user", user))
            near[user].append(("need", node))
    for node, waiting in graph.waits.items():
        for one, until in waiting.items():
            near[node].append((f"before {until}", one))
            near[one].append((f"after {until}", node))
    found = _numbered({node: (node.address.partition(".")[0], node.attached, looks(node)) for node in graph.users})
    while True:
        finer = _numbered({n: (found[n], sorted((how, found[o]) for how, o in near[n])) for n in graph.users})
        if len(set(finer.values())) == len(set(found.values())):
            return found
        found = finer


def _numbered(signs: Mapping[Node, object]) -> dict[Node, int]:
    numbers: dict[str, int] = {}
    return {node: numbers.setdefault(repr(sign), len(numbers)) for node, sign in signs.items()}
