"""A plan, and the same plan made again."""

from __future__ import annotations

from typing import Any

import attrs

from flowplan.model.resources import Resource
from flowplan.planning.plan import Plan
from tests.builders import DATA, TRAIN, bid, bound, live, live_bid, live_volume, planned, state, volume

USES = bid(volumes=("vol_1",))
KNOWN = state(bound(DATA, "vol_1", volume()), bound(TRAIN, "bid_1", USES, needs=(DATA,)))
WANTED: dict[Any, Resource] = {DATA: volume(), TRAIN: bid(limit="21", volumes=(DATA,))}


def made(wanted: dict[Any, Resource] = WANTED, seen: Any = USES, **other: Any) -> Plan:
    return planned(wanted, KNOWN, live(live_volume(volume()), live_bid(seen, **other)))


def told(plan: Plan, **other: Any) -> Plan:
    """`plan` with something else said of each change."""
    return attrs.evolve(plan, changes=tuple(attrs.evolve(one, **other) for one in plan.changes))
