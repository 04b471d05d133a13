"""What was forecast of each task beside what was paid, and how well the forecasts held -> text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from flowplan.documents.amounts import from_to, number, price
from flowplan.documents.track_record import amounts_of, are_near, expected_of, held_of, is_rounded_apart, overrun
from flowplan.names import alike, ranges
from flowplan.pricing.track_record import ENOUGH
from flowplan.pricing.units import percent
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, apart, bold, wrapped
from flowplan.reports.text.tables import lined

if TYPE_CHECKING:
    from flowplan.documents.shapes import track_record as shape

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


def compared(body: shape.TrackRecord, paint: Paint) -> Iterator[str]:
    """The forecasts of each task beside what was paid, then how well they held; nothing where there are none."""
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
    made = [_Told(name, rows[-latest:], _earlier(rows[:-latest])) for name, rows in by_address.items()]
    groups = [(these, [*map(_row, zip(*(one.rows for one in these), strict=True))]) for these in _alike(made, paint)]
    lines, *below = lined([head, *(row[:-1] for _, rows in groups for row in rows)], paint.width)
    for these, rows in groups:
        many = f" ({len(these):,} alike)" if len(these) > 1 else ""
        names = ", ".join(ranges((one.name for one in these), paint.dots))
        lines += apart([*bold(f"{names}{many}", paint), *these[0].earlier], "  ", "    ", paint.width)
        for row in rows:
            *above, last = below.pop(0)
            lines += [*above, *apart([last, *_verdict(row[-1], paint)], "", "    ", paint.width)]
    return lines


class _Told(NamedTuple):
    """The forecasts of one task that are shown, and what is said of those before them."""

    name: str
    rows: Sequence[shape.Judged]
    earlier: Sequence[str]


def _alike(made: Sequence[_Told], paint: Paint) -> Iterator[list[_Told]]:
    """Those together of which the same is said, or the same but for some cents: many tasks are placed one after the
    other, so what each pays differs by what the seconds between cost."""

    def but_for_cents(one: _Told) -> object:
        rows = [_row([row]) for row in one.rows]
        kinds = [(row["paid"] is None, expected_of(row) is None, row["address"] is None) for row in one.rows]
        return (*((*row[:2], row[3], row[5]) for row in rows), *kinds, *one.earlier)

    for these in alike(made, but_for_cents, each=paint.verbose):
        if all(map(are_near, zip(*(one.rows for one in these), strict=True))):
            yield these
        else:
            yield from alike(these, lambda one: (*(_row([row]) for row in one.rows), *one.earlier))


def _row(these: Sequence[shape.Judged]) -> Row:
    """A forecast, or several that are alike. One that ended early, or has not ended, is compared over the hours that
    have passed: so many are in the row, with their share of what was expected: nobody forecast them alone; there is no
    band of them."""
    one = these[0]
    expected, paid = map(from_to, amounts_of(these))
    cost, hours = one["cost"], f"{one['hours']:g}"
    begins = datetime.fromisoformat(one["starts_at"] or "").strftime("%d %b %H:%M")
    if one["course"] == "elapsed":
        band = f"{price(cost['p10'])} to {price(cost['p90'])}" if cost["p10"] != cost["p90"] else price(cost["p90"])
        return begins, f"{hours} h", expected, band, paid, _judgement(one)
    over = f"{Decimal(one['hours_compared']):.1f} h"
    course = _COURSES.get(one["course"], shown(one["course"]))
    end = _REASONS.get(one["reason"] or "", "") if one["course"] == "cut_short" else course
    of = f"{end}, of {hours} h" if end else f"of {hours} h"
    return begins, over, expected, "-", paid, of


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
