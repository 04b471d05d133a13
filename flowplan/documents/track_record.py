"""What the stack as it is will cost, and what came of earlier forecasts -> a JSON document; text is made from it.

Money as text, null where it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.cost.costs import Costs
from flowplan.cost.paid import NOTHING_PAID, PaidInAll
from flowplan.documents.about import moment, stack_of
from flowplan.documents.amounts import band, hours_left, money
from flowplan.documents.cost import cost, totals
from flowplan.documents.paid import paid_in_all
from flowplan.documents.status import UNKNOWN
from flowplan.documents.totals import rows_make
from flowplan.model.address import in_order
from flowplan.model.resources import Bid
from flowplan.pricing.billing import Bills
from flowplan.pricing.lifetime import ENDLESS
from flowplan.pricing.notable import hardly_differ
from flowplan.pricing.track_record import Coverage, Judged, coverage
from flowplan.state.known import is_raised
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.documents.shapes import track_record as shape
    from flowplan.documents.shapes.paid import PaidInAll as PaidShape

FORMAT_VERSION = "1.0"
NOMINAL = "0.8"
_OVER = Decimal("1.005")  # times


@frozen
class Truth:
    """What there is to tell, at the server's time `now`. `costs`: of the stack as it is, with its forecast; None where
    nothing is placed. `bills`: of every bid. `judged`: None when what was kept cannot be read.
    `paid`: over the life of the stack."""

    state: State
    hours: float
    now: datetime | None = None
    costs: Costs | None = None
    bills: Bills = Bills()
    judged: Sequence[Judged] | None = ()
    paid: PaidInAll = NOTHING_PAID


def document(truth: Truth) -> shape.TrackRecord:
    """The whole document."""
    judged, stack = truth.judged, stack_of(truth.state)
    single = None if judged is None else [one for one in judged if not one.kept.whole]
    whole = None if judged is None else [one for one in judged if one.kept.whole]
    return {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "as_of": moment(truth.now),
        "stack": stack,
        "estimate": _estimate(truth),
        "paid": paid_in_all(truth.paid, looked=truth.now is not None or stack["lineage"] is not None),
        "forecasts": None if single is None else [_judged(one) for one in single],
        "totals": None if whole is None else [_judged(one) for one in whole],
        "coverage": {
            "nominal": NOMINAL,
            "forecasts": None if single is None else _coverage(coverage(single)),
            "totals": None if whole is None else _coverage(coverage(whole)),
        },
    }


def _estimate(truth: Truth) -> shape.Estimate | None:
    costs = truth.costs
    if costs is None:
        return None
    total = totals(costs)
    paid = [truth.bills.paid(one.id, truth.now) for a, one in truth.state.bindings.items() if a.kind == "bid"]
    known = [amount for amount in paid if amount is not None]
    return {
        "hours": truth.hours,
        "paid": money(sum(known, Decimal(0))) if len(known) == len(paid) else None,
        "resources": list(_resources(truth, costs)),
        "hour": {"now": total["current"]["now"], "worst": total["current"]["worst"]},
        "horizon": total["horizon"]["current"] if total["horizon"] else None,
    }


def _resources(truth: Truth, costs: Costs) -> Iterable[shape.Resource]:
    """Every bid and volume of the state; one that is not there any more has the status `gone`, and costs nothing."""
    changes = costs.by_address()
    for address in sorted(truth.state.bindings, key=in_order):
        binding, priced = truth.state.bindings[address], changes.get(address)
        if address.kind == "ports":
            continue
        is_bid = address.kind == "bid"
        status = priced.change.status if priced is not None else "gone"
        resource = priced.change.after if priced is not None else binding.applied
        made = {
            "address": str(address),
            "type": address.kind,
            "id": binding.id,
            "status": UNKNOWN if status == "" else status,
            "instance_quantity": resource.quantity if isinstance(resource, Bid) else None,
            "instance_type_name": resource.instance_type_name if isinstance(resource, Bid) else None,
            "region": getattr(resource, "region", None),
            "paid": money(truth.bills.paid(binding.id, truth.now)) if is_bid else None,
            "cost": cost(priced) if priced is not None else None,
        }
        if priced is not None and isinstance(resource, Bid) and is_raised(binding, resource):
            made["raised_from"] = money(binding.raised_from)
        if priced is not None and priced.left != ENDLESS:
            left = priced.left
            hours = {"running_hours": hours_left(left.running), "hours": hours_left(left.hours)}
            made["left"] = {**hours, "cost": money(left.paid)}
        yield cast("shape.Resource", made)  # its type says which cost it has


def _judged(one: Judged) -> shape.Judged:
    kept, verdict = one.kept, one.verdict
    return {
        "address": kept.address or None,
        "bids": list(kept.bids),
        "made_at": moment(kept.made_at),
        "starts_at": moment(kept.starts_at),
        "hours": kept.hours,
        "quantity": kept.quantity,
        "limit": money(kept.limit),
        "last_price": money(kept.price_now),
        "basis": kept.basis,
        "cost": {**band(kept.cost), "worst": money(kept.worst)},
        "market_snapshot_id": kept.market_snapshot_id,
        "flowplan_version": kept.flowplan_version,
        "course": verdict.course,
        "reason": verdict.reason,
        "until": moment(verdict.until),
        "hours_compared": f"{one.passed:.3f}",
        "expected_until_then": money(one.due),
        "paid": money(verdict.paid),
        "starting": money(verdict.starting),
        "place": one.place,
        "counts": one.counts,
    }


def has_past(paid: PaidShape, found: shape.Estimate | None) -> bool:
    """Whether something was paid, or released, that the resources of an estimate do not show; or, since the state was
    lost, may have been paid."""
    if paid["since_serial"] is not None:
        return True
    there = {one["id"] for one in found["resources"]} if found is not None else set()
    return any(id not in there for task in (*paid["tasks"], *paid["released"]) for id in task["bids"])


def overrun(one: shape.Judged) -> Decimal | None:
    """How many times the upper end of its band was paid for a forecast that did not hold; None for one that was not
    above it, or not by so much that two decimals show it."""
    if one["place"] != "above" or one["paid"] is None or not (top := Decimal(one["cost"]["p90"] or 0)):
        return None
    times = Decimal(one["paid"]) / top
    return times if times >= _OVER else None


def expected_of(one: shape.Judged) -> str | None:
    """What was expected of the hours that are compared: of one that ended early, its share of the whole."""
    elapsed = one["course"] == "elapsed"
    return (one["cost"]["expected"] or one["cost"]["p50"]) if elapsed else one["expected_until_then"]


def amounts_of(rows: Sequence[shape.Judged]) -> tuple[list[Decimal], list[Decimal]]:
    """What was expected of each, and what was paid, but for what is unknown."""
    expected = [Decimal(one) for one in map(expected_of, rows) if one is not None]
    return expected, [Decimal(one["paid"]) for one in rows if one["paid"] is not None]


def are_near(rows: Sequence[shape.Judged]) -> bool:
    """Whether what was expected, and what was paid, is the same of all, or differs by as little as the seconds between
    the placing of many cost."""
    return all(map(hardly_differ, amounts_of(rows)))


def is_rounded_apart(rows: Sequence[shape.Judged], whole: Sequence[shape.Judged]) -> bool:
    """Whether `rows`, forecasts of single bids, do not add up to one of `whole` that is of just these, from the same
    moment to the same, because each figure is rounded."""
    return any(_is_apart([one for one in rows if _covered(one) == _covered(total)], total) for total in whole)


def _covered(one: shape.Judged) -> tuple[str | None, str]:
    return one["starts_at"], one["hours_compared"]


def _is_apart(rows: Sequence[shape.Judged], total: shape.Judged) -> bool:
    if sorted(bid for one in rows for bid in one["bids"]) != sorted(total["bids"]):
        return False
    expected = [expected_of(one) for one in (total, *rows)]
    columns = (expected, [one["paid"] for one in (total, *rows)])
    known = [[Decimal(one) for one in column if one is not None] for column in columns]
    return any(len(these) > len(rows) and rows_make(these[1:], these[0]) is not None for these in known)


def held_of(rows: Sequence[shape.Judged]) -> tuple[int, int]:
    """How many of the forecasts that count held, and how many count."""
    counted = [one for one in rows if one["counts"]]
    return sum(one["place"] == "inside" for one in counted), len(counted)


def _coverage(found: Coverage) -> shape.Coverage:
    return {
        "elapsed": found.elapsed,
        "held": found.held,
        "below": found.below,
        "above": found.above,
        "share": _share(found.share),
        "apart": found.apart,
        "apart_held": found.apart_held,
        "chance": None if found.chance is None else f"{found.chance:.3g}",
        "expected": money(found.expected),
        "paid": money(found.paid),
        "paid_over_expected": _share(found.bias),
        "excluded": dict(found.excluded),
        "finding": found.finding,
    }


def _share(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:.3f}"
