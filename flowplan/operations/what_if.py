"""plan --what-if: the plan's bids in simulated auctions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flowplan.cost.what_if import what_if
from flowplan.documents.what_if import block

if TYPE_CHECKING:
    from flowplan.cost.costs import Costs
    from flowplan.documents.shapes.what_if import WhatIf
    from flowplan.model.catalogue import Catalogue
    from flowplan.pricing.history import Stream


def simulated(
    costs: Costs,
    streams: Mapping[tuple[str, str], Stream],
    catalogue: Catalogue,
    hours: float,
    tell: Callable[[int, int], None],
) -> WhatIf:
    """The part of the plan document that says what may happen to the bids of `costs` over `hours`. `tell` hears how
    many of all simulations are done."""
    return block(what_if(costs, streams, catalogue, hours, tell=tell))
