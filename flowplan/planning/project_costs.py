"""What a whole project costs an hour at most, before a plan and after it: also what is not of this stack. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from flowplan.classes import frozen
from flowplan.model.live import Live
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import Forget
from flowplan.planning.plan import Plan
from flowplan.pricing.units import storage_per_hour

_COUNTS = {"limit_price", "instance_quantity", "size_gb", "paused"}  # the fields that a cost is made of


@frozen
class Hourly:
    """Dollars an hour with every limit paid, storage included. `unknown`: why these are not all of it; "": they are."""

    before: Decimal
    after: Decimal
    unknown: str = ""

    @classmethod
    def of(cls, plan: Plan, live: Live) -> Hourly:
        """Of the project that `live` is of."""
        known: dict[str, Resource] = {id: one.bid for id, one in live.bids.items() if not one.ended}
        known |= {id: one.volume for id, one in live.volumes.items()}
        touched = {one.id: one for one in plan.changes if one.address.kind != "ports" and one.id}
        staying = [one for id, one in known.items() if id not in touched]
        planned = [known.get(one.id) if isinstance(one, Forget) else one.after for one in plan.changes]
        after = [one for one in planned if one is not None]
        every = [*known.values(), *after]
        unknown = _unseen(plan) or _unread(live) or next(filter(None, map(_gap, every)), "")
        return cls(_sum(known.values()), _sum([*staying, *after]), unknown)


def _unseen(plan: Plan) -> str:
    return "" if plan.refreshed else "--no-refresh does not check what else is live"


def _unread(live: Live) -> str:
    kinds = [f"{kind}s" for kind in live.unlisted]
    return f"the {' and '.join(kinds)} of the project cannot be listed" if kinds else ""


def _sum(resources: Iterable[Resource]) -> Decimal:
    return sum((_worst(one) or Decimal(0) for one in resources), Decimal(0))


def _worst(resource: Resource) -> Decimal | None:
    if isinstance(resource, Bid):
        return Decimal(0) if resource.paused else resource.worst
    return storage_per_hour(resource.held_gb) if isinstance(resource, Volume) else Decimal(0)


def _gap(resource: Resource) -> str:
    """What of its cost was not reported; "": nothing."""
    if not isinstance(resource, (Bid, Volume)):
        return ""
    missing = sorted(_COUNTS.intersection(resource.unreported))
    return f"the API does not report {', '.join(missing)} of {resource.name}" if missing else ""
