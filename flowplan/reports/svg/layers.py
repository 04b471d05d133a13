"""Where the nodes of a graph without circles go: in layers, so that edges lead from left to right and few cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from flowplan.classes import frozen

_SWEEPS = 8  # there and back: more change little

Node: TypeAlias = Hashable
# What stands in for an edge in a layer that it passes: the edge, and the layer.
Bend: TypeAlias = tuple[str, Node, Node, int]


@frozen
class Layers:
    """`layers`: what stands in each, from top to bottom, bends among them; `routes`: edge -> what it passes, its two
    ends included; `rows`: how far down each stands, in rows, the topmost at 0."""

    layers: Sequence[Sequence[Node]]
    routes: Mapping[tuple[Node, Node], Sequence[Node]]
    rows: Mapping[Node, float]


def layers_of(nodes: Sequence[Node], edges: Iterable[tuple[Node, Node]]) -> Layers:
    """The layers of `nodes`: as far right as the longest way to a node is long; what nothing leads to stands right
    before what it leads to. Of equal places the order of `nodes` decides."""
    wanted = list(dict.fromkeys(edges))
    depth = _depths(nodes, wanted)
    routes = {(one, other): _route(one, other, depth) for one, other in wanted}
    layers: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        layers[depth[node]].append(node)
    for route in routes.values():
        for number, bend in enumerate(route[1:-1], depth[route[0]] + 1):
            layers[number].append(bend)
    before: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    after: dict[Node, list[Node]] = {node: [] for layer in layers for node in layer}
    for route in routes.values():
        for one, other in pairwise(route):
            after[one].append(other)
            before[other].append(one)
    ordered = _ordered(layers, before, after)
    return Layers(ordered, routes, _rows(ordered, before, after))


def _depths(nodes: Sequence[Node], edges: Sequence[tuple[Node, Node]]) -> dict[Node, int]:
    before: dict[Node, int] = dict.fromkeys(nodes, 0)
    after: dict[Node, list[Node]] = {node: [] for node in nodes}
    for one, other in edges:
        before[other] += 1
        after[one].append(other)
    sources = [node for node in nodes if not before[node]]
    depth, ready = dict.fromkeys(nodes, 0), list(sources)
    while ready:
        node = ready.pop()
        for user in after[node]:
            depth[user] = max(depth[user], depth[node] + 1)
            before[user] -= 1
            if not before[user]:
                ready.append(user)
    for node in sources:
        depth[node] = min((depth[user] for user in after[node]), default=1) - 1
    return depth


def _route(one: Node, other: Node, depth: Mapping[Node, int]) -> list[Node]:
    bends: list[Node] = [("bend", one, other, number) for number in range(depth[one] + 1, depth[other])]
    return [one, *bends, other]


# ---- few crossings ------------------------------------------------------------------------------------------


def _ordered(
    layers: list[list[Node]], before: Mapping[Node, Sequence[Node]], after: Mapping[Node, Sequence[Node]]
) -> list[list[Node]]:
    """Each layer by the mean place of what its nodes are joined to, there and back again; the best that was found."""
    best, fewest = layers, _crossings(layers, after)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        there = sweep % 2 == 0
        layers = _swept(layers, before if there else after, backwards=not there)
        crossings = _crossings(layers, after)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _swept(layers: list[list[Node]], joined: Mapping[Node, Sequence[Node]], *, backwards: bool) -> list[list[Node]]:
    found: list[list[Node]] = []
    place: dict[Node, float] = {}
    for layer in reversed(layers) if backwards else layers:
        here = {node: _mean([place[one] for one in joined[node]], float(n)) for n, node in enumerate(layer)}
        found.append(sorted(layer, key=here.__getitem__))
        place = {node: float(number) for number, node in enumerate(found[-1])}
    return found[::-1] if backwards else found


def _crossings(layers: list[list[Node]], after: Mapping[Node, Sequence[Node]]) -> int:
    count = 0
    for one, other in pairwise(layers):
        place, ends = {node: number for number, node in enumerate(other)}, list[int]()
        for node in one:
            mine = sorted(place[user] for user in after[node])
            count += sum(len(ends) - bisect_right(ends, end) for end in mine)
            for end in mine:
                insort(ends, end)
    return count


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


# ---- straight edges -----------------------------------------------------------------------------------------


def _rows(
    layers: Sequence[Sequence[Node]], before: Mapping[Node, Sequence[Node]], after: Mapping[Node, Sequence[Node]]
) -> dict[Node, float]:
    """Each node as near as it can be to the middle of what it is joined to, a row or more below the one above it."""
    rows = {node: float(number) for layer in layers for number, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        joined, order = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        for layer in order:
            wanted = [_mean([rows[one] for one in joined[node]], rows[node]) for node in layer]
            rows.update(zip(layer, _apart(wanted), strict=True))
    top = min(rows.values(), default=0.0)
    return {node: row - top for node, row in rows.items()}


def _apart(wanted: Sequence[float]) -> list[float]:
    """The rows nearest to those wanted (least squares) that are at least one apart, in their order."""
    groups: list[tuple[float, int]] = []  # the sum and the number of what must move together
    for number, row in enumerate(wanted):
        total, count = row - number, 1
        while groups and groups[-1][0] / groups[-1][1] > total / count:
            more, others = groups.pop()
            total, count = total + more, count + others
        groups.append((total, count))
    means = [total / count for total, count in groups for _ in range(count)]
    return [mean + number for number, mean in enumerate(means)]
