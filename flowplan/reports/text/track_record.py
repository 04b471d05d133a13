"""The document of `flowplan cost` -> text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowplan.documents.amounts import an_amount, from_to, number, price
from flowplan.documents.totals import Over, expected_make, is_at_most
from flowplan.documents.track_record import has_past
from flowplan.names import alike, ranges
from flowplan.pricing.history import why_rough
from flowplan.pricing.units import counted, span
from flowplan.printable import shown
from flowplan.reports.text.cost import adding_up, banded, bidding, joining, stored
from flowplan.reports.text.forecasts import compared
from flowplan.reports.text.paid import NOT_LOOKED, paid_over_life, rounded
from flowplan.reports.text.paint import Paint, apart, bold, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes import track_record as shape
    from flowplan.documents.shapes.cost import SavingPart


def text(body: shape.TrackRecord, paint: Paint) -> str:
    """The estimate of the stack as it is, forecasts beside what was paid, and how well they held."""
    paid = [paid_over_life(body["paid"], paint)] if has_past(body["paid"], body["estimate"]) else []
    parts = [*_estimate(body["estimate"], paint), *paid, *compared(body, paint)]
    if not parts:
        none = "No bid or volume of this stack is live, and there is no earlier forecast to compare."
        none = none if body["stack"]["lineage"] is not None else paint.typed(NOT_LOOKED)
        return "\n".join(wrapped(none, "", "", paint.width)) + "\n"
    return "\n\n".join(parts) + "\n"


# ---- the stack as it is -----------------------------------------------------------------------------------


def _estimate(found: shape.Estimate | None, paint: Paint) -> Iterator[str]:
    if found is None:
        return
    if not found["resources"]:
        yield "No bid or volume of this stack is live now."
        return
    groups = list(alike(found["resources"], _said, each=paint.verbose))
    lines = [line for these in groups for line in _resources(these, paint)]
    whole = _in_all(found, paint.width, folded=len(groups) < len(found["resources"]))
    yield "\n".join([paint("The live stack", "bold"), *lines, "", *whole])


def _resources(these: Sequence[shape.Resource], paint: Paint) -> list[str]:
    """One resource, or all of which the same is said."""
    first, many = these[0], len(these) > 1
    state, *figures = _said(first)
    if many and first["type"] == "volume" and first["cost"] is not None:
        state = f"each {state}"
    name = ", ".join(ranges((shown(one["address"]) for one in these), paint.dots))
    heads = [*bold(f"{name} ({len(these):,} alike)" if many else name, paint), f"{state}{_paid(these)}"]
    each = [f"each {one}" if many else one for one in figures]
    return [
        *apart(heads, "  ", "    ", paint.width),
        *(line for one in each for line in wrapped(one, "    ", "    ", paint.width)),
    ]


def _said(one: shape.Resource) -> tuple[str, ...]:
    """What is said of it but for its name and what was paid: its state, or what it costs; then its figures."""
    if one["cost"] is None:
        return ("gone" if one["type"] == "volume" else "ended",)
    if one["type"] == "volume":
        return (stored(one["cost"]),)
    kind = shown(one["instance_type_name"] or "?")
    what = f"{counted(one['instance_quantity'], kind)} in {shown(one['region'] or '')}"
    raised = (_raised(one["raised_from"]),) if "raised_from" in one else ()
    return shown(one["status"] or ""), what, bidding(one["cost"], ends="left" in one), *raised


def _raised(limit: str) -> str:
    return f"its limit was raised by watch from {price(limit)} per instance-hour"


def _paid(these: Sequence[shape.Resource]) -> str:
    """What was paid for it; of several from the least to the most: the document has cents, which do not add up."""
    amounts = [number(one["paid"]) for one in these if one["paid"] is not None]
    if len(amounts) < len(these):
        return "; paid so far: unknown" if these[0]["type"] == "bid" else ""
    each = "each " if len(these) > 1 else ""
    return f"; {each}{from_to(amounts)} paid so far"


def _in_all(found: shape.Estimate, width: int, *, folded: bool) -> list[str]:
    """The whole, storage included; how sure it is. `folded`: not every amount that it is the sum of is shown."""
    hour, ahead = found["hour"], found["horizon"]
    bids = [one["cost"] for one in found["resources"] if one["type"] == "bid" and one["cost"] is not None]
    waiting = joining((one["status"], one["cost"]) for one in found["resources"] if one["type"] == "bid")
    more = [f"{one[0].upper()}{one[1:]}." for one in waiting]
    most = "at most " if hour["now"] is not None and any(map(is_at_most, bids)) else ""
    said = f"In total {most}{an_amount(hour['now'])} an hour now, storage included"
    if ahead is not None:
        most = "" if ahead["worst"] is None else f", at most {price(ahead['worst'])}"
        said += f"; over {span(found['hours'])} {_ahead(ahead)}{most}"
    paid = "What was paid so far for instances is unknown."
    if found["paid"] is not None:
        paid = f"{price(found['paid'])} paid so far for instances."
    rows = [] if folded else [one["paid"] for one in found["resources"] if one["type"] == "bid"]
    said = " ".join([f"{said}.", *more, *_adding_up(found), paid, *(rounded(rows, found["paid"]) if rows else ())])
    lines = wrapped(said, "  ", "  ", width)
    sure = [] if ahead is None else wrapped(_confidence(ahead["basis"], found["hours"]), "  ", "  ", width)
    return [*lines, *sure]


def _adding_up(found: shape.Estimate) -> list[str]:
    """That the expected costs do not add up to what is expected of all: what is gone costs nothing."""
    ahead = found["horizon"]
    if ahead is None or ahead["expected"] is None:
        return []
    there = [one["cost"] for one in found["resources"] if one["cost"] is not None]
    made = expected_make(there, Over(found["hours"], number(ahead["expected"])))
    if made is None:
        return []
    said = adding_up(made)
    return [f"{said[0].upper()}{said[1:]}."]


def _ahead(ahead: SavingPart) -> str:
    if ahead["expected"] is None:
        return "unknown"
    if price(ahead["p10"]) == price(ahead["p90"]):
        return f"about {price(ahead['expected'])}"
    return banded(ahead["expected"], ahead["p10"], ahead["p90"])


def _confidence(basis: str, hours: float) -> str:
    if basis != "low":
        return f"Confidence: {basis}."
    return f"Confidence: low, because {why_rough(hours)}."
