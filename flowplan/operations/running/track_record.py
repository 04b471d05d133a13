"""Forecasts that somebody was shown -> kept, so that `flowplan cost` can judge them. Fails no run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan import __version__
from flowplan.backends.forecast_log import KEPT, KeptForecasts
from flowplan.classes import frozen
from flowplan.cost.forecast import storage_planned
from flowplan.documents.amounts import money
from flowplan.documents.cost import snapshot_id
from flowplan.errors import FlowplanError
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import Forget, NoOp
from flowplan.pricing.forecasting import Band
from flowplan.pricing.lifetime import ENDLESS
from flowplan.pricing.track_record import KeptForecast

if TYPE_CHECKING:
    from flowplan.apply.outcome import Outcome
    from flowplan.cost.costs import Costs, Priced
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan
    from flowplan.pricing.forecasting import Forecast
    from flowplan.pricing.history import Basis
    from flowplan.pricing.sums import Sum


@frozen
class Figures:
    """What was shown of one bid, or of the whole: dollars over `hours`, to the cent. The rest is of one bid."""

    hours: float
    basis: Basis
    cost: Band
    worst: Decimal | None
    as_of: datetime | None = None
    price_now: Decimal | None = None
    snapshot: str | None = None


@frozen
class Shown:
    """The figures of a plan: of its bids, by address, and of the whole, None where nothing was forecast. `as_of`: when
    the earliest of the prices was read."""

    bids: Mapping[Address, Figures]
    whole: Figures | None
    as_of: datetime | None


def shown(costs: Costs) -> Shown:
    """The figures of `costs`, rounded as they are shown."""
    bids = {one.change.address: found for one in costs.changes if (found := _of_priced(one)) is not None}
    whole = None
    endless = all(one.left == ENDLESS for one in costs.changes)
    if costs.forecast is not None and costs.hours is not None and endless:
        whole = _figures(costs.hours, costs.forecast.planned)
    changing = [one for one in costs.changes if not isinstance(one.change, NoOp)]
    markets = [priced.market for one in changing if (priced := one.cost or one.cost_before) is not None]
    return Shown(bids, whole, _earliest(market.as_of for market in markets if market is not None))


def _of_priced(one: Priced) -> Figures | None:
    """None where nothing was forecast, of a paused bid (it costs nothing for sure), and of one that its lifetime is to
    end: it costs that little only if somebody cancels it."""
    estimate, ahead = one.cost, one.forecast
    if estimate is None or ahead is None or estimate.outlook == "paused" or one.left != ENDLESS:
        return None
    market = estimate.market
    if market is None:
        return _figures(ahead.hours, ahead)
    snapshot = snapshot_id(market)
    return _figures(ahead.hours, ahead, _time(market.as_of), _rounded(market.spot), snapshot)


def _figures(
    hours: float,
    found: Forecast | Sum,
    as_of: datetime | None = None,
    price_now: Decimal | None = None,
    snapshot: str | None = None,
) -> Figures | None:
    cost = found.cost
    if cost.p50 is None:
        return None
    band = Band(*map(_rounded, (cost.p10, cost.p50, cost.p90, cost.expected)))
    return Figures(hours, found.basis, band, _rounded(found.worst_case), as_of, price_now, snapshot)


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else Decimal(money(amount))


def shown_in(body: Mapping[str, Any]) -> Shown:
    """The figures of a saved plan. Raises FlowplanError for one whose figures cannot be read."""
    try:
        entries = {Address.parse(one["address"]): one for one in body["resource_changes"] if one["type"] == "bid"}
        costs = {address: one["cost"] for address, one in entries.items()}
        ending = {address for address, one in entries.items() if _is_ended(one.get("lifetime"))}
        endless = {address: cost for address, cost in costs.items() if address not in ending}
        bids = {address: found for address, cost in endless.items() if (found := _of_entry(cost)) is not None}
        horizon = body["cost"]["horizon"]
        whole = None if horizon is None or ending else _of_part(horizon["planned"], horizon["hours"])
        return Shown(bids, whole, _earliest(cost["as_of"] for cost in costs.values() if cost))
    except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise FlowplanError(f"the plan's costs cannot be read ({error})") from error


def _is_ended(lifetime: Mapping[str, Any] | None) -> bool:
    """Whether a lifetime is to end a bid whatever its script does."""
    return lifetime is not None and any(lifetime[key] is not None for key in ("max_hours", "max_cost", "end_at"))


def _of_entry(cost: Mapping[str, Any] | None) -> Figures | None:
    horizon = cost["cost"].get("horizon") if cost is not None else None
    if cost is None or horizon is None or cost["outlook"] == "paused":
        return None
    return _of_part(
        {**horizon, "basis": cost["basis"]},
        horizon["hours"],
        _time(cost["as_of"]),
        _amount(cost["last_price"]),
        cost["market_snapshot_id"],
    )


def _of_part(part: Mapping[str, Any], hours: float, *of_a_bid: Any) -> Figures | None:
    if part["p50"] is None:
        return None
    band = Band(*(_amount(part[name]) for name in ("p10", "p50", "p90", "expected")))
    return Figures(float(hours), part["basis"], band, _amount(part["worst"]), *of_a_bid)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _earliest(moments: Iterable[str | None]) -> datetime | None:
    return min((found for text in moments if (found := _time(text)) is not None), default=None)


# ---- kept ---------------------------------------------------------------------------------------------------


def kept_forecasts(directory: Path) -> KeptForecasts:
    """Those of a stack's directory."""
    return KeptForecasts(directory / KEPT)


def keep_shown(session: Session, figures: Costs | Mapping[str, Any], plan: Plan, outcome: Outcome) -> None:
    """Keep what was forecast, by the costs that were shown or by a saved plan, of what exists now. What goes wrong is
    said in a note."""
    from flowplan.cost.costs import Costs

    now = session.cloud().time()
    try:
        found = list(of_run(shown(figures) if isinstance(figures, Costs) else shown_in(figures), plan, outcome, now))
        if found:
            kept_forecasts(session.settings.directory).add(found)
    except FlowplanError as error:
        session.listener.note(
            f"the forecast could not be saved, so `flowplan cost` cannot check it: {in_a_line(error)}"
        )


def in_a_line(error: FlowplanError) -> str:
    """An error in one line, with what to do."""
    return f"{error}; {error.hint}" if error.hint else str(error)


def of_run(found: Shown, plan: Plan, outcome: Outcome, now: datetime) -> Iterator[KeptForecast]:
    """Of each bid that was placed or changed, and, when all was done, of the whole."""
    bindings, lineage = outcome.state.bindings, outcome.state.lineage
    placed = {step.address for step in outcome.done if step.way == "up"}
    for address, figures in found.bids.items():
        made = bindings.get(address)
        if made is not None and isinstance(made.applied, Bid) and address in placed:
            yield of_bid(lineage, str(address), made.id, made.applied, figures, now)
    if outcome.failed or outcome.unknown or outcome.not_started or outcome.stopped or found.whole is None:
        return  # the whole is not what was shown
    ids = [bindings[one.address].id for one in plan.changes if isinstance(one.after, Bid) and not one.after.paused]
    ids += [one.id for one in plan.changes if isinstance(one, Forget) and _goes_on(one)]
    storage = storage_planned(plan.changes, found.whole.hours)
    yield from of_stack(lineage, ids, found.whole, storage, now, found.as_of or now)


def _goes_on(one: Forget) -> bool:
    """Whether it is a bid that the stack releases, and the total has what it goes on costing."""
    return one.released and isinstance(one.before, Bid) and not one.before.paused


def of_bid(lineage: str, address: str, id: str, bid: Bid, figures: Figures, now: datetime) -> KeptForecast:
    """The figures of a single bid, from `now` on."""
    return KeptForecast(
        lineage=lineage,
        address=address,
        bids=(id,),
        made_at=figures.as_of or now,
        starts_at=now,
        hours=figures.hours,
        basis=figures.basis,
        cost=figures.cost,
        worst=figures.worst,
        auction=(bid.instance_type, bid.region),
        quantity=bid.instance_quantity,
        limit=bid.limit_price,
        price_now=figures.price_now,
        market_snapshot_id=figures.snapshot,
        flowplan_version=__version__,
    )


def of_stack(
    lineage: str, ids: Sequence[str], figures: Figures, storage: Decimal | None, now: datetime, made_at: datetime
) -> Iterator[KeptForecast]:
    """Of several bids together; of one alone it would say nothing more."""
    if len(ids) >= 2 and storage is not None:
        yield KeptForecast(
            lineage=lineage,
            address="",
            bids=tuple(sorted(ids)),
            made_at=made_at,
            starts_at=now,
            hours=figures.hours,
            basis=figures.basis,
            cost=figures.cost,
            worst=figures.worst,
            storage=storage,
            flowplan_version=__version__,
        )
