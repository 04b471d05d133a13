"""Places where a task could go -> a table by type and region, with what they cost and why they were not chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from flowplan.documents.amounts import price
from flowplan.pricing.units import percent
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped
from flowplan.reports.text.tables import lined

if TYPE_CHECKING:
    from flowplan.documents.shapes.offers import Candidate

_NEXT = 3  # places beside the chosen one that a plan shows
_TITLES = ("place", "price now", "runs", "until done", "in", "why not")
_WHY_NOT = {
    "below_reserve": "below reserve",
    "too_large": "too few there",
    "cannot_finish": "cannot finish",
    "price_unknown": "price unknown",
    "would_wait": "would wait now",
    "later_in_order": "later in order",
    "costs_more": "costs more",
    "done_later": "done later",
    "no_better": "no better",
    "price_no_lower": "price no lower",
    "no_more_room": "no more room",
    None: "chosen",
}


def chosen_and_next(places: Sequence[Candidate], indent: str, paint: Paint) -> list[str]:
    """The table of a plan: the chosen place, the next best ones, and how many more there are."""
    others = [one for one in places if one["why_not"] is not None]
    near = others[:_NEXT]
    lines = table([one for one in places if one in near or one["why_not"] is None], indent, paint)
    more = len(others) - len(near)
    if more:
        said = f"{more} other place{'' if more == 1 else 's'}: `flowplan market --for FILE` shows all"
        lines += wrapped(said, indent, indent, paint.width)
    return lines


def table(places: Sequence[Candidate], indent: str, paint: Paint) -> list[str]:
    """A line a place, under its type with the limit there; the type of the best place first. Prices are of an
    instance-hour, the cost of all instances until the work is done."""
    titles, rows = list(_TITLES), [_cells(one) for one in places]
    lines, *made = lined([titles, *rows], paint.width, indent, last_left=True)
    for (name, limit), group in groupby(_by_type(zip(places, made, strict=True)), key=lambda pair: _of(pair[0])):
        lines += wrapped(f"{shown(name)}, limit {price(limit)} per instance-hour", indent, f"{indent}    ", paint.width)
        for one, row in group:
            lines += row
            if one["reason"] == "cannot_finish":
                why = (one["why_not"] or "").partition(": ")[2]  # the word before it stands in the row
                lines += wrapped(shown(why, 400), f"{indent}    ", f"{indent}    ", paint.width)
    return lines


def _by_type(pairs: Iterable[tuple[Candidate, list[str]]]) -> list[tuple[Candidate, list[str]]]:
    """Those of one type one after the other; else in their order."""
    pairs = list(pairs)
    types = list(dict.fromkeys(_of(one) for one, _ in pairs))
    return sorted(pairs, key=lambda pair: types.index(_of(pair[0])))


def _of(one: Candidate) -> tuple[str, str]:
    return one["instance_type_name"], one["limit_price"]


def _cells(one: Candidate) -> list[str]:
    hours, share = one["expected_hours"], one["expected_availability"]
    return [
        f"  {shown(one['region'])}",
        _or_dash(one["price_now"]),
        "-" if share is None else percent(Decimal(share)),
        _or_dash(one["expected_cost"]),
        "-" if hours is None else f"{hours:.1f} h",
        _WHY_NOT[one["reason"]],
    ]


def _or_dash(amount: str | None) -> str:
    return "-" if amount is None else price(amount)
