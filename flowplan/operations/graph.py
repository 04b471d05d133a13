"""The resource graph of a configuration, without network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowplan.documents.graph import Graph, graph_of
from flowplan.operations.validate import configuration

if TYPE_CHECKING:
    from flowplan.config import Source
    from flowplan.operations.session import Session


def graph(session: Session, paths: Sequence[str | Source]) -> Graph:
    """What the files that `paths` mean declare, and what needs what. Raises ConfigError, UsageProblem."""
    sources, _ = session.sources(paths)
    return graph_of(configuration(session, sources).needs())
