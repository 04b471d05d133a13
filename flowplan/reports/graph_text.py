"""The resource graph -> Graphviz and Mermaid. An arrow leads from what is needed to what needs it."""

from __future__ import annotations

from collections.abc import Mapping

from flowplan.config import Config
from flowplan.resources import Address


def edges_of(config: Config) -> dict[str, list[str]]:
    """Every node with the nodes that need it. Attached volumes, which flowplan only reads, end in "(attached)"."""
    edges: dict[str, list[str]] = {str(address): [] for address in config.volumes}
    for address, task in config.tasks.items():
        edges.setdefault(str(address), [])
        for use in task.volumes:
            needed = str(use.volume) if isinstance(use.volume, Address) else f"volume.{use.volume} (attached)"
            edges.setdefault(needed, []).append(str(address))
        if task.ports:
            ports = str(Address("ports", address.name))
            edges[str(address)].append(ports)
            edges.setdefault(ports, [])
    return {node: sorted(edges[node]) for node in sorted(edges)}


def dot(edges: Mapping[str, list[str]]) -> str:
    """For Graphviz; what flowplan only reads is dashed."""
    lines = ["digraph flowplan {", "  rankdir = LR;", "  node [shape = box];"]
    lines += [f'  "{node}"{" [style = dashed]" if node.endswith(")") else ""};' for node in edges]
    lines += [f'  "{needed}" -> "{user}";' for needed, users in edges.items() for user in users]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(edges: Mapping[str, list[str]]) -> str:
    """For Mermaid."""
    ids = {node: f"n{number}" for number, node in enumerate(edges)}
    lines = ["graph LR", *(f'  {ids[node]}["{node}"]' for node in edges)]
    lines += [f"  {ids[needed]} --> {ids[user]}" for needed, users in edges.items() for user in users]
    return "\n".join(lines) + "\n"
