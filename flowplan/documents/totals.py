"""What has to be said beside totals, lest their figures be misread. Of a plan it is read from the document, as a saved
plan is shown from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from flowplan.classes import frozen
from flowplan.pricing.entry import has_passed
from flowplan.pricing.units import CENT, cents, storage_per_hour

if TYPE_CHECKING:
    from flowplan.documents.shapes import cost as shape
    from flowplan.documents.shapes.plan import PlanBody

_SIDES: tuple[Literal["current"], Literal["planned"], Literal["delta"]] = ("current", "planned", "delta")
_CHANGED = (["create"], ["update"], ["delete", "create"], ["create", "delete"], ["import", "update"])
_ROUNDED = Decimal("0.005")  # dollars: more than this is a cent
_APART = Decimal("0.02")  # dollars: more than rounding makes of three figures


def added_and_destroyed(body: PlanBody) -> tuple[int, int]:
    """How many resources are made and how many go: a replacement is both."""
    counts = body["summary"]
    return counts["create"] + counts["replace"], counts["delete"] + counts["replace"]


def is_rounded_apart(cost: shape.Totals) -> bool:
    """Whether a row of the table does not add up because each of its figures is rounded once."""
    gaps = [_gap(*(cost[side]["now"] for side in _SIDES)), _gap(*(cost[side]["worst"] for side in _SIDES))]
    if cost["horizon"]:
        gaps.append(_gap(*(cost["horizon"][side]["expected"] for side in _SIDES)))
        if not stands_alone(cost):
            gaps.append(_gap(*(cost["horizon"][side]["p90"] for side in _SIDES)))
    return max(gaps) >= _ROUNDED


def rows_make(rows: Sequence[Decimal], total: Decimal) -> Decimal | None:
    """What `rows` add up to as they are printed, each rounded to the cent, where that is not `total` as it is printed;
    None: it is, they differ by more than rounding makes of them, or one is printed as less than a cent."""
    if any(0 < abs(one) < CENT for one in rows):
        return None
    made = sum(map(cents, rows), Decimal(0))
    apart = abs(made - cents(total))
    return made if 0 < apart <= _ROUNDED * (len(rows) + 1) else None


@frozen
class Over:
    """A total over `hours`: the dollars that are expected; None: unknown."""

    hours: float
    expected: Decimal | None


@frozen
class AddedUp:
    """What expected costs come to as they are printed, where that is not their total as it is printed. `storage`: the
    dollars of it that are for storage, which has no expected cost of its own; 0: none is."""

    made: Decimal
    storage: Decimal


def expected_make(costs: Iterable[shape.BidCost | shape.VolumeCost | None], whole: Over | None) -> AddedUp | None:
    """What the expected costs of these bids and their volumes add up to over `whole` hours, which is the total of just
    them; None: to the total, but for nothing that is printed, or one of them has none that is printed."""
    rows: list[Decimal] = []
    gb = 0
    for one in costs:
        if one is None or whole is None:
            return None
        if one["unit"] == "USD/GB-month":
            gb += one["quantity"] or 0
            continue
        if one["outlook"] in ("paused", "cannot_win"):
            continue  # it costs nothing, for sure, and so none of the cents
        ahead = one["cost"]["horizon"]
        if ahead is None or ahead["expected"] is None or one["outlook"] not in ("runs", "waits"):
            return None
        rows.append(Decimal(ahead["expected"]))
    if whole is None or whole.expected is None or len(rows) < 1:
        return None
    storage = cents(storage_per_hour(gb) * Decimal(whole.hours))
    made = rows_make([*rows, *([storage] if storage else [])], whole.expected)
    return None if made is None else AddedUp(made, storage)


def planned_make(body: PlanBody) -> AddedUp | None:
    """The same of a plan that places all there is: of any other, what stays has no row of its own."""
    ahead, entries = body["cost"]["horizon"], [one for one in body["resource_changes"] if one["type"] != "ports"]
    if ahead is None or any(one["change"]["actions"] != ["create"] for one in entries):
        return None
    expected = ahead["planned"]["expected"]
    whole = Over(ahead["hours"], None if expected is None else Decimal(expected))
    return expected_make((one["cost"] for one in entries), whole)


def stands_alone(cost: shape.Totals) -> bool:
    """Whether the p90 of the change is not the difference of the two: so it is with quantiles."""
    horizon = cost["horizon"]
    return horizon is not None and _gap(*(horizon[side]["p90"] for side in _SIDES)) >= _APART


def entry_range(cost: shape.BidCost) -> tuple[Decimal, Decimal] | None:
    """The range that the price per instance-hour of a bid is in right after it has entered a full auction, or below the
    price of now, or others of yours with it; None where it is known to the cent, or is not known at all."""
    entry = cost["entry_price"]
    high = {"displacing": entry["high"], "room": entry["point"]}.get(entry["basis"])
    if cost["outlook"] != "runs" or entry["low"] is None or high is None:
        return None
    found = Decimal(entry["low"]), Decimal(high)
    return found if found[0] < found[1] else None


def is_charged_outbid(cost: shape.BidCost) -> bool:
    """Whether a bid is charged now, or may be, although it wins no longer."""
    return cost["outlook"] in ("waits", "cannot_win") and cost["cost"]["hour"]["now"] != "0.00"


def is_at_most(cost: shape.BidCost) -> bool:
    """Whether what a bid is charged now is the most that it is."""
    last, limit = (None if one is None else Decimal(one) for one in (cost["last_price"], cost["limit"]))
    return cost["cost"]["hour"]["now"] is not None and is_charged_outbid(cost) and has_passed(last, limit)


def runs_at_most(cost: shape.BidCost) -> bool:
    """Whether a bid is forecast to run at most so long: a forecast goes by the price, which is within its limit, and
    winning takes more (as in `Offer`)."""
    last, limit = (None if one is None else Decimal(one) for one in (cost["last_price"], cost["limit"]))
    return cost["outlook"] == "waits" and last is not None and limit is not None and last <= limit


def hour_range(body: PlanBody) -> tuple[Decimal, Decimal] | None:
    """The range that the whole costs an hour right after bids have entered where they move the price; None where none
    does."""
    now = body["cost"]["planned"]["now"]
    entering = [
        (cost, found)
        for one in body["resource_changes"]
        if one["type"] == "bid" and one["change"]["actions"] in _CHANGED and (cost := one["cost"]) is not None
        if (found := entry_range(cost)) is not None
    ]
    if now is None or not entering:
        return None
    points = [(cost["quantity"] or 0, Decimal(cost["entry_price"]["point"] or 0), found) for cost, found in entering]
    low = sum((count * (found[0] - point) for count, point, found in points), Decimal(now))
    high = sum((count * (found[1] - point) for count, point, found in points), Decimal(now))
    return low, high


def below_every_limit(horizon: shape.Horizon | None) -> Decimal | None:
    """The share by which what is expected over the horizon is below every limit paid all the time; both are figures of
    the document. None: it is not below, or not known."""
    planned = horizon["planned"] if horizon is not None else None
    if planned is None or planned["expected"] is None or planned["worst"] is None:
        return None
    expected, worst = Decimal(planned["expected"]), Decimal(planned["worst"])
    return 1 - expected / worst if expected < worst else None


def _gap(before: str | None, after: str | None, delta: str | None) -> Decimal:
    if before is None or after is None or delta is None:
        return Decimal(0)
    return abs(Decimal(after) - Decimal(before) - Decimal(delta))


def of_other_hours(body: PlanBody) -> list[str]:
    """The addresses of bids that are placed or changed, and whose figures cover another time than the totals."""
    whole = body["cost"]["horizon"]
    if whole is None:
        return []
    return [
        one["address"]
        for one in body["resource_changes"]
        if one["change"]["actions"] in _CHANGED
        if one["type"] == "bid" and one["cost"] is not None and one["cost"]["outlook"] in ("runs", "waits")
        if (found := one["cost"]["cost"]["horizon"]) and found["hours"] != whole["hours"]
    ]
