"""The resource graph of a configuration, without network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowplan.documents.graph import Graph, graph_of
from flowplan.operations.validate import configuration

if TYPE_CHECKING:
    from flowplan.config import Source
    from flowplan.operations.opening.session import Session


def graph(session: Session, paths: Sequence[str | Source]) -> Graph:
    """What the files that `paths` mean declare, and what needs what. Raises ConfigError, UsageProblem."""
    sources, _ = session.sources(paths)
    config = configuration(session, sources)
    return graph_of(config.needs(), {address: task.depends_on for address, task in config.tasks.items()})
