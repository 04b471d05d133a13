"""What a plan document says of costs, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.documents.amounts import price
from flowplan.pricing.units import span
from flowplan.printable import natural
from flowplan.reports.text.cost import costs, remarks, rows_of
from flowplan.reports.text.paint import PLAIN

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import BidEntry, Entry, PlanBody

_BANDS = 20  # rows that are shown; the most expensive
_FAR = 2  # times the widest band: a limit further out would press the bands flat


@frozen
class Totals:
    """The table of the totals, its head first, or the sentence that says all; and what must be said beside it."""

    rows: Sequence[tuple[str, str, str, str]]
    line: str
    remarks: Sequence[str]


@frozen
class Band:
    """What one bid costs over its hours; `more`: how many others cost the same. `left`, `width`, `mark`, `most`: where
    on a scale of 0 to 100 the band begins, how wide it is, where the expected cost is, and the most; None: further
    out."""

    address: str
    more: int
    over: str
    expected: str
    low: str
    high: str
    worst: str
    left: str
    width: str
    mark: str
    most: str | None


@frozen
class Bands:
    """`scale`: what 100 stands for; `more`: bids that are not shown."""

    bands: Sequence[Band]
    scale: str
    more: int


def totals_of(body: PlanBody) -> Totals:
    """The totals of a plan."""
    cost = body["cost"]
    if cost["current"] == cost["planned"]:
        return Totals([], costs(body, PLAIN), [])
    return Totals(rows_of(cost), "", remarks(body))


def bands_of(entries: Sequence[Entry]) -> Bands | None:
    """The bids whose cost is forecast, the dearest first; None without any."""
    found = [one for one in entries if one["type"] == "bid" and _figures(one)]
    if not found:
        return None
    found.sort(key=lambda one: (*_same(one), natural(one["address"])))
    alike = [[*some] for _, some in groupby(found, _same)]
    shown = [some[0] for some in alike[:_BANDS]]
    top = max(_figures(one)["p90"] for one in shown)
    limits = [worst for one in shown if (worst := _figures(one)["worst"]) <= top * _FAR]
    scale = max([top, *limits]) or Decimal(1)
    bands = [_band(some[0], len(some) - 1, scale) for some in alike[:_BANDS]]
    return Bands(bands, price(str(scale)), sum(map(len, alike[_BANDS:])))


def _same(entry: BidEntry) -> tuple[object, ...]:
    """By what bids that cost the same are known; the most expensive first."""
    figures, ahead = _figures(entry), entry["cost"] and entry["cost"]["cost"]["horizon"]
    return (-figures["p90"], -figures["expected"], figures["p10"], figures["worst"], ahead and ahead["hours"])


def _figures(entry: BidEntry) -> dict[str, Decimal]:
    """The amounts of a forecast, all of them; nothing where one is unknown, or there is none."""
    ahead = entry["cost"] and entry["cost"]["cost"]["horizon"]
    if not ahead or entry["change"]["after"] is None:
        return {}
    amounts = {"p10": ahead["p10"], "p90": ahead["p90"], "expected": ahead["expected"], "worst": ahead["worst"]}
    known = {name: Decimal(amount) for name, amount in amounts.items() if amount is not None}
    return known if len(known) == len(amounts) else {}


def _band(entry: BidEntry, more: int, scale: Decimal) -> Band:
    figures, ahead = _figures(entry), entry["cost"] and entry["cost"]["cost"]["horizon"]
    at = {name: figure / scale * 100 for name, figure in figures.items()}
    return Band(
        address=entry["address"],
        more=more,
        over=span(ahead["hours"]) if ahead else "",
        expected=price(str(figures["expected"])),
        low=price(str(figures["p10"])),
        high=price(str(figures["p90"])),
        worst=price(str(figures["worst"])),
        left=f"{at['p10']:.2f}",
        width=f"{at['p90'] - at['p10']:.2f}",
        mark=f"{at['expected']:.2f}",
        most=f"{at['worst']:.2f}" if at["worst"] <= 100 else None,
    )
