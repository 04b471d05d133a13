"""Forecasts of a plan's document -> kept, so that `flowplan cost` can judge them. Fails no run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from flowplan import __version__
from flowplan.apply.outcome import Outcome
from flowplan.backends.forecast_log import KEPT, KeptForecasts
from flowplan.cost.forecast import storage_planned
from flowplan.errors import FlowplanError
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.operations.session import Session
from flowplan.planning.plan import Plan
from flowplan.pricing.forecasting import Band
from flowplan.pricing.track_record import KeptForecast


def kept_forecasts(directory: Path) -> KeptForecasts:
    """Those of a stack's directory."""
    return KeptForecasts(directory / KEPT)


def keep_shown(session: Session, body: Mapping[str, Any], plan: Plan, outcome: Outcome) -> None:
    """Keep what the document `body` of `plan` forecast of what exists now. What goes wrong is told in a note."""
    now = session.cloud().now() or datetime.now(UTC)
    try:
        found = list(shown_forecasts(body, plan, outcome, now))
        if found:
            kept_forecasts(session.settings.directory).add(found)
    except FlowplanError as error:
        session.listener.note(f"the forecast is not kept, so `flowplan cost` cannot judge it: {told(error)}")


def told(error: FlowplanError) -> str:
    """An error in one line, with what to do."""
    return f"{error}; {error.hint}" if error.hint else str(error)


def shown_forecasts(body: Mapping[str, Any], plan: Plan, outcome: Outcome, now: datetime) -> Iterator[KeptForecast]:
    """Of each bid that was placed or changed, and, when all was done, of the whole. Raises FlowplanError for a document
    that was tampered with."""
    bindings = outcome.state.bindings
    placed = {step.address for step in outcome.done if step.way == "up"}
    try:
        for entry in body["resource_changes"]:
            address = Address.parse(entry["address"])
            made = bindings.get(address)
            if made is not None and isinstance(made.applied, Bid) and address in placed:
                found = of_bid(outcome.state.lineage, str(address), made.id, made.applied, entry["cost"], now)
                if found is not None:
                    yield found
        if outcome.failed or outcome.unknown or outcome.not_started or outcome.stopped:
            return  # the whole is not what was shown
        ids = [bindings[one.address].id for one in plan.changes if isinstance(one.after, Bid) and not one.after.paused]
        horizon = body["cost"]["horizon"]
        if horizon is not None:
            storage = storage_planned(plan.changes, horizon["hours"])
            total = of_stack(
                outcome.state.lineage, ids, horizon["hours"], horizon["planned"], storage, now, as_of(body, now)
            )
            if total is not None:
                yield total
    except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise FlowplanError(f"the plan's costs cannot be read ({error})") from error


def as_of(body: Mapping[str, Any], now: datetime) -> datetime:
    """When the prices of a document were read, the earliest of them."""
    costs = [entry["cost"] for entry in body["resource_changes"] if entry["type"] == "bid" and entry["cost"]]
    return min((datetime.fromisoformat(cost["as_of"]) for cost in costs if cost.get("as_of")), default=now)


def of_bid(
    lineage: str, address: str, id: str, bid: Bid, cost: Mapping[str, Any] | None, now: datetime
) -> KeptForecast | None:
    """From the `cost` of a document's entry; None where nothing was forecast: a paused bid costs nothing for sure."""
    horizon = cost["cost"].get("horizon") if cost is not None else None
    if cost is None or horizon is None or cost["outlook"] == "paused" or horizon["p50"] is None:
        return None
    return KeptForecast(
        lineage=lineage,
        address=address,
        bids=(id,),
        made_at=datetime.fromisoformat(cost["as_of"]) if cost["as_of"] else now,
        starts_at=now,
        hours=float(horizon["hours"]),
        basis=cost["basis"],
        cost=_band(horizon),
        worst=_amount(horizon["worst"]),
        auction=(bid.instance_type, bid.region),
        quantity=bid.instance_quantity,
        limit=bid.limit_price,
        price_now=_amount(cost["last_price"]),
        market_snapshot_id=cost["market_snapshot_id"],
        flowplan_version=__version__,
    )


def of_stack(
    lineage: str,
    ids: Sequence[str],
    hours: float,
    total: Mapping[str, Any],
    storage: Decimal,
    now: datetime,
    made_at: datetime,
) -> KeptForecast | None:
    """Of several bids together; of one alone it would say nothing more."""
    if len(ids) < 2 or total["p50"] is None:
        return None
    return KeptForecast(
        lineage=lineage,
        address="",
        bids=tuple(sorted(ids)),
        made_at=made_at,
        starts_at=now,
        hours=float(hours),
        basis=total["basis"],
        cost=_band(total),
        worst=_amount(total["worst"]),
        storage=storage,
        flowplan_version=__version__,
    )


def _band(found: Mapping[str, Any]) -> Band:
    return Band(*(_amount(found[name]) for name in ("p10", "p50", "p90", "expected")))


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
