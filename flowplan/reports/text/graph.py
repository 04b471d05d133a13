"""The resource graph -> Graphviz and Mermaid. An arrow leads from what is needed to what needs it."""

from __future__ import annotations

from collections.abc import Mapping

from flowplan.reports.text.paint import Paint


def dot(edges: Mapping[str, list[str]], _: Paint) -> str:
    """For Graphviz; what flowplan only reads is dashed."""
    lines = ["digraph flowplan {", "  rankdir = LR;", "  node [shape = box];"]
    lines += [f'  "{node}"{" [style = dashed]" if node.endswith(")") else ""};' for node in edges]
    lines += [f'  "{needed}" -> "{user}";' for needed, users in edges.items() for user in users]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(edges: Mapping[str, list[str]], _: Paint) -> str:
    """For Mermaid."""
    ids = {node: f"n{number}" for number, node in enumerate(edges)}
    lines = ["graph LR", *(f'  {ids[node]}["{node}"]' for node in edges)]
    lines += [f"  {ids[needed]} --> {ids[user]}" for needed, users in edges.items() for user in users]
    return "\n".join(lines) + "\n"
