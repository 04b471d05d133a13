"""What a plan leaves alone -> its part of the plan document: each resource with its cost, and what is paid in all."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, cast

from flowplan.cost.costs import Costs, PricedApart
from flowplan.documents.amounts import money
from flowplan.documents.cost import of_bid, of_volume
from flowplan.model.resources import Volume
from flowplan.pricing.entry import Total

if TYPE_CHECKING:
    from flowplan.documents.shapes import plan as shape


def left_alone(costs: Costs) -> shape.LeftAlone:
    """The resources that are left alone, and dollars an hour: of them, and with those of the plan."""
    hour = reduce(Total.__add__, (one.hour for one in costs.left_alone), Total())
    return {
        "resources": [_resource(one) for one in costs.left_alone],
        "hour": _hour(hour),
        "current": _hour(costs.totals.current + hour),
        "planned": _hour(costs.totals.planned + hour),
    }


def _hour(total: Total) -> shape.HourOf:
    return {"now": money(total.now), "worst": money(total.worst)}


def _resource(one: PricedApart) -> shape.ResourceLeftAlone:
    left = one.left
    made: dict[str, object] = {
        "address": str(left.address),
        "type": left.address.kind,
        "id": left.id,
        "status": left.status,
        "file": left.file,
        "file_exists": left.file is not None and not left.is_gone,
        "cost": None if one.cost is None else of_bid(one.cost, None),
    }
    if isinstance(left.resource, Volume):
        made["cost"] = of_volume(left.resource)
    return cast("shape.ResourceLeftAlone", made)  # its type says which cost it has
