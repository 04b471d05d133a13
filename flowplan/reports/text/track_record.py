"""The document of `flowplan cost` -> text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from flowplan.documents.amounts import an_amount, number, price
from flowplan.documents.totals import Over, expected_make
from flowplan.documents.track_record import expected_of, has_past, held_of, is_rounded_apart, overrun
from flowplan.names import alike, ranges
from flowplan.pricing.history import WINDOW, is_beyond
from flowplan.pricing.track_record import ENOUGH
from flowplan.pricing.units import counted, percent, span, usd
from flowplan.printable import shown
from flowplan.reports.text.cost import adding_up, banded, bidding, is_at_most, joining, stored
from flowplan.reports.text.paid import paid_over_life, rounded
from flowplan.reports.text.paint import Paint, apart, bold, wrapped
from flowplan.reports.text.tables import lined

if TYPE_CHECKING:
    from flowplan.documents.shapes import track_record as shape
    from flowplan.documents.shapes.cost import SavingPart

LATEST = 5  # forecasts of a task that are shown; of many tasks one each
MANY = 8  # tasks
_REASONS = {
    "limit_changed": "limit changed",
    "paused": "paused",
    "cancelled": "cancelled",
    "history_unknown": "history unknown",
    "no_band": "without a band",
}
_COURSES = {"running": "so far"}  # the forecast runs; the bid may wait
_PLACES = {"inside": "held", "below": "below", "above": "ABOVE"}
_STYLES = {"held": "green", "below": "yellow", "ABOVE": "red"}
_PRO_RATA = "for fewer hours than were forecast, expected is their share of the whole forecast"
_ROUNDED = "figures are rounded separately, so a total may be some cents off what its rows add up to"
Row = tuple[str, str, str, str, str, str]


def text(body: shape.TrackRecord, paint: Paint) -> str:
    """The estimate of the stack as it is, forecasts beside what was paid, and how well they held."""
    paid = [paid_over_life(body["paid"], paint)] if has_past(body["paid"], body["estimate"]) else []
    parts = [*_estimate(body["estimate"], paint), *paid, *_compared(body, paint)]
    if not parts:
        none = "No bid or volume of this stack is live, and there is no earlier forecast to compare."
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
    least, most = usd(min(amounts)), usd(max(amounts))
    each = "each " if len(these) > 1 else ""
    return f"; {each}{least if least == most else f'{least} to {most}'} paid so far"


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
    if is_beyond(hours):
        return f"Confidence: low, because no more than {WINDOW / 24:g} days of past prices are known."
    return "Confidence: low, because few past prices are known."


# ---- forecast and paid ------------------------------------------------------------------------------------


def _compared(body: shape.TrackRecord, paint: Paint) -> Iterator[str]:
    single, whole = body["forecasts"], body["totals"]
    if single is None:
        yield "Forecast and paid: unknown, because the saved forecasts cannot be read."
        return
    if not single:
        if body["estimate"] is not None and body["estimate"]["resources"]:
            yield "Forecast and paid: there is no earlier forecast; from now on flowplan saves them."
        return
    by_address: dict[str, list[shape.Judged]] = {}
    for one in single:
        by_address.setdefault(shown(one["address"] or ""), []).append(one)
    if whole:
        by_address["total, storage included"] = whole
    latest = LATEST if len(by_address) <= MANY else 1
    shown_rows = [one for rows in by_address.values() for one in rows[-latest:]]
    notes = [] if all(one["course"] == "elapsed" for one in shown_rows) else [_PRO_RATA]
    if is_rounded_apart(
        [one for one in shown_rows if one["address"]], [one for one in shown_rows if not one["address"]]
    ):
        notes.append(_ROUNDED)
    below = [line for one in notes for line in wrapped(one, "  ", "  ", paint.width)]
    yield "\n".join([paint("Forecast and paid", "bold"), *_table(by_address, latest, paint), *below])
    yield "\n".join(_summary(body["coverage"], paint.width))


def _table(by_address: Mapping[str, Sequence[shape.Judged]], latest: int, paint: Paint) -> list[str]:
    head = ("from (UTC)", "over", "expected", "80% band", "paid")
    made = [
        (name, tuple(map(_row, rows[-latest:])), tuple(_earlier(rows[:-latest]))) for name, rows in by_address.items()
    ]
    groups = list(alike(made, lambda one: one[1:], each=paint.verbose))
    figures = [head, *(row[:-1] for (_, rows, _), *_ in groups for row in rows)]
    lines, *below = lined(figures, paint.width)
    for (name, rows, earlier), *others in groups:
        many = f" ({len(others) + 1:,} alike)" if others else ""
        names = ", ".join(ranges([name, *(one[0] for one in others)], paint.dots))
        lines += apart([*bold(f"{names}{many}", paint), *earlier], "  ", "    ", paint.width)
        for row in rows:
            *above, last = below.pop(0)
            lines += [*above, *apart([last, *_verdict(row[-1], paint)], "", "    ", paint.width)]
    return lines


def _row(one: shape.Judged) -> Row:
    """A forecast that ended early, or has not ended, is compared over the hours that have passed: so many are in the
    row, with their share of what was expected: nobody forecast them alone; there is no band of them."""
    cost, hours = one["cost"], f"{one['hours']:g}"
    begins = datetime.fromisoformat(one["starts_at"] or "").strftime("%d %b %H:%M")
    if one["course"] == "elapsed":
        band = f"{price(cost['p10'])} to {price(cost['p90'])}" if cost["p10"] != cost["p90"] else price(cost["p90"])
        return begins, f"{hours} h", price(expected_of(one)), band, price(one["paid"]), _judgement(one)
    over = f"{Decimal(one['hours_compared']):.1f} h"
    course = _COURSES.get(one["course"], shown(one["course"]))
    end = _REASONS.get(one["reason"] or "", "") if one["course"] == "cut_short" else course
    of = f"{end}, of {hours} h" if end else f"of {hours} h"
    return begins, over, price(expected_of(one)), "-", price(one["paid"]), of


def _judgement(one: shape.Judged) -> str:
    """Where it lies; above, also how many times the upper end was paid."""
    if not one["counts"]:
        return f"not counted: {shown(one['basis'])}"
    word = _PLACES[one["place"] or ""]
    times = overrun(one)
    return word if times is None else f"{word} x{times:.2f}"


def _verdict(said: str, paint: Paint) -> list[str]:
    style = _STYLES.get(said.partition(" ")[0])
    return [paint(said, style) if style else said] if said else []


def _earlier(rows: Sequence[shape.Judged]) -> list[str]:
    if not rows:
        return []
    held, counted = held_of(rows)
    return [f"({len(rows)} earlier: {held} of {counted} that count held)"]


# ---- how well they held -----------------------------------------------------------------------------------


def _summary(found: shape.Coverages, width: int) -> list[str]:
    single, whole = found["forecasts"], found["totals"]
    if single is None or whole is None:
        return []
    said = [_held(single), _decided(single), _bias(single), _excluded(single)]
    if whole["elapsed"]:
        said.append(f"In total: {whole['held']} of {whole['elapsed']} held.")
    return [line for sentence in said if sentence for line in wrapped(sentence, "", "  ", width)]


def _held(single: shape.Coverage) -> str:
    count = single["elapsed"]
    if not count:
        return "No forecast that counts has ended yet, so the bands cannot be judged."
    share = percent(Decimal(single["held"]) / count)
    places = (("above", single["above"]), ("below", single["below"]))
    outside = "".join(f", {count} {where}" for where, count in places if count)
    return f"Bands of 80%: {single['held']} of {count} held ({share}){outside}."


def _decided(single: shape.Coverage) -> str:
    """Whether that is as it should be, in plain words."""
    count, held = single["apart"], single["apart_held"]
    if single["finding"] == "nothing":
        return ""
    among = f"Of the {count} that overlap no other of their auction, {held} held: " if count < single["elapsed"] else ""
    chance = f"one case of {round(1 / number(single['chance'])):,}" if number(single["chance"]) else "no case"
    finding = {
        "too_few": f"too few to say whether the bands are right (fewer than {ENOUGH})",
        "as_stated": "about as many as expected",
        "too_narrow": f"the forecasts are WRONG here. If the bands were right, so few would hold in {chance}. "
        "Plan with the limits instead",
        "too_wide": f"more than expected ({chance}): the bands are on the safe side",
    }[single["finding"]]
    return f"{among}{finding}." if among else f"{finding[0].upper()}{finding[1:]}."


def _bias(single: shape.Coverage) -> str:
    ratio = single["paid_over_expected"]
    if ratio is None:
        return ""
    both = f"You paid {price(single['paid'])} where {price(single['expected'])} was expected"
    return f"{both}: {Decimal(ratio):.2f} times as much."


def _excluded(single: shape.Coverage) -> str:
    parts = [f"{count} {_REASONS.get(reason, shown(reason))}" for reason, count in single["excluded"].items()]
    if not parts:
        return ""
    count = sum(single["excluded"].values())
    return f"{count} not counted, because a forecast holds only for an unchanged bid: {', '.join(parts)}."
