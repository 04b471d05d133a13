"""Port mappings in a document, and as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from flowplan.model.resources import PortPair

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Pair


def listed(pairs: Iterable[PortPair]) -> list[Pair]:
    """Port pairs of a document."""
    return [{"external": one.external, "internal": one.internal, "protocol": one.protocol} for one in pairs]


def ranges(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Port pairs for people, neighbours as ranges: "6006-6010", "8443-8445 -> 8003-8005"."""
    ordered = sorted((pair["external"], pair["internal"]) for pair in pairs)
    found = []
    for _, group in groupby(enumerate(ordered), key=lambda one: (one[1][0] - one[0], one[1][1] - one[1][0])):
        run = [pair for _, pair in group]
        (first, inside), (last, inside_last) = run[0], run[-1]
        outer = f"{first}" if first == last else f"{first}-{last}"
        inner = f"{inside}" if inside == inside_last else f"{inside}-{inside_last}"
        found.append(outer if outer == inner else f"{outer} -> {inner}")
    return found
