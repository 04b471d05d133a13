"""A plan document with everything in it, made from values: every action, every kind of resource, drift, a budget."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from flowplan.cost.budgets import judged, refusals
from flowplan.cost.priced_plan import PricedPlan
from flowplan.diagnostics import Position
from flowplan.documents.plan import Circumstances, document, sealed
from flowplan.documents.shapes.plan import PlanDocument
from flowplan.model.address import Address
from flowplan.model.budget import Budget
from flowplan.model.resources import ContainerImage, Inputs, LocalDisk, Mount, PortMapping, Script
from flowplan.planning.actions import Change
from tests.builders import HTTP, bid, change, costs_to, market, plan_to, state, volume, with_past

ABOUT = Circumstances("2026-03-01T12:00:00Z", state(), "c" * 64, ("tasks",))
GIVEN = Inputs(
    Script.of("echo hello\n"),
    HTTP,
    (Mount("vol_kept", "/mnt/data", "Block", "kept"),),
    (LocalDisk("/dev/vdc", "/scratch"),),
    ContainerImage("nginx", None, "-e TOKEN=abcdefgh"),
)


NEW, KEPT, FRESH = Address("volume", "new"), Address("volume", "kept"), Address("bid", "fresh")
CHANGES = (
    change("create", None, bid("fresh", volumes=(NEW, "vol_kept"), inputs=GIVEN), FRESH, needs=(NEW,)),
    change("delete", bid("goes"), None, Address("bid", "goes"), id="bid_goes", needs_before=(KEPT,)),
    change("update", bid("raised"), bid("raised", "25"), Address("bid", "raised"), id="bid_raised", status="Allocated"),
    change("replace", bid("renewed"), bid("renewed", region="s"), Address("bid", "renewed"), id="bid_renewed",
           note="chosen", position=Position("tasks/a.yaml", 3, 7)),
    change("forget", bid("lost"), None, Address("bid", "lost"), id="bid_lost", reason="deleted_outside"),
    change("create", None, PortMapping(FRESH, HTTP), Address("ports", "fresh")),
    change("no-op", volume("kept", 10, capacity_gb=16), volume("kept", 10, capacity_gb=16), KEPT, id="vol_kept"),
    change("create", None, volume("new"), NEW),
)  # fmt: skip
DRIFT = (change("update", bid("raised", "18"), bid("raised"), Address("bid", "raised"), id="bid_raised"),)


def priced_plan(*changes: Change, budgets: tuple[Budget, ...] = (), **other: Any) -> PricedPlan:
    """A plan of these changes, with the prices of `market` and a calm past."""
    costs = with_past(costs_to(*changes, prices=market()), (336, "8"))
    verdicts = judged(costs, budgets)
    return PricedPlan(plan_to(*changes, **other), costs, refusals(costs, verdicts), verdicts)


def whole() -> PlanDocument:
    """The document of CHANGES, held to a budget that takes them."""
    return document(priced_plan(*CHANGES, drift=DRIFT, budgets=(Budget(max_hourly_cost=Decimal(1000)),)), ABOUT)


def saved() -> dict[str, Any]:
    """The same as a file has it."""
    made: dict[str, Any] = json.loads(json.dumps(sealed(whole())))
    return made
