"""What the simulated cloud offers, by name."""

from __future__ import annotations

from flowplan.simulator.auctions.catalogue import INSTANCE_TYPES, REGIONS


def type_names() -> list[str]:
    """Names of instance types as the API has them, each once."""
    return sorted({kind.name for kind in INSTANCE_TYPES})


def regions() -> list[str]:
    """Names of regions, sorted, also of those in which nothing is sold now."""
    return sorted(REGIONS)
