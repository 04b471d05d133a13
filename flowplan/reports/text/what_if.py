"""The `what_if` part of a plan document -> lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from flowplan.documents.amounts import number, price
from flowplan.pricing.notable import raises_the_price
from flowplan.pricing.units import lasting
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped
from flowplan.reports.text.plot import bars
from flowplan.reports.text.tables import lined

if TYPE_CHECKING:
    from flowplan.documents.shapes import what_if as shape
    from flowplan.documents.shapes.common import Band

_FIGURES = ("p10", "p50", "p90", "expected")
_BAR = 40  # columns, where there is room


def what_if(found: shape.WhatIf, paint: Paint) -> str:
    """What the plan's bids cost and how they run, together and one by one; what had to be assumed."""
    head = paint("What if", "bold") + f": {lasting(found['hours'])} in {found['futures']} simulated futures"
    if not found["bids"]:
        return f"{head}: there are no bids."
    lines = wrapped(f"{head}, these bids in the auctions:", "", "  ", paint.width)
    storage = "total" if found["storage"] == "0.00" else "total, storage included"
    rows = [_priced(shown(one["address"]), one["cost"]) for one in found["bids"]]
    titles, *bids, total = lined([["", *_FIGURES], *rows, _priced(storage, found["cost"])], paint.width)
    lines += titles
    for one, row in zip(found["bids"], bids, strict=True):
        lines += [*row, *_how_it_runs(one, paint)]
    lines += total
    lines += _pictured(found["histogram"], found["futures"], paint)
    return "\n".join([*lines, *_assumed(found["auctions"], paint)])


def _priced(name: str, cost: Band) -> list[str]:
    return [name, price(cost["p10"]), price(cost["p50"]), price(cost["p90"]), price(cost["expected"])]


def _how_it_runs(one: shape.BidIf, paint: Paint) -> list[str]:
    if one["reason"] is not None:
        text = one["reason"] if one["runs"] is not None else f"unknown: {one['reason']}"
        return wrapped(text, "    ", "    ", paint.width)
    return [line for text in _in_words(one) for line in wrapped(text, "    ", "    ", paint.width)]


def _in_words(one: shape.BidIf) -> Iterator[str]:
    runs = number(one["runs"])
    if not runs:
        yield "runs in none of the futures"
        return
    how_many = "in all futures" if runs == 1 else f"in {_percent(runs)} of the futures"
    yield f"runs {how_many}, {_percent(one['availability']['mean'])} of the time; {_preempted(one)}"
    if one["impact"] is not None and raises_the_price(Decimal(one["impact"])):
        yield f"this plan's bids raise its price by {_percent(one['impact'])}"
    if one["finish"] is not None:
        yield _finished(one["finish"])


def _preempted(one: shape.BidIf) -> str:
    if not number(one["preempted"]):
        return "never preempted"
    times = one["preemptions_per_day"]
    often = f"{_times(times['expected'])} a day, at most {times['p90']} in 9 of 10 cases"
    return f"preempted in {_percent(one['preempted'])} of them: {often}"


def _times(count: str | None) -> str:
    value = number(count)
    return "once" if value == 1 else f"{value:.1f} times" if value >= 1 else f"{count} times"


def _finished(finish: shape.Work) -> str:
    work, chance = lasting(finish["work_hours"]), Decimal(finish["chance"])
    if not chance:
        return f"its {work} of work finish by then in none of the futures"
    text = f"its {work} of work finish by then in {'all' if chance == 1 else _percent(chance)} of the futures"
    if finish["p50"] is None:
        return text
    late = None if finish["p90"] is None else lasting(float(finish["p90"]))
    middle = lasting(float(finish["p50"]))
    if late == middle:
        return f"{text}, after {middle}"
    slowest = "in the slowest cases later" if late is None else f"in 9 of 10 cases within {late}"
    return f"{text}, after {middle}, {slowest}"


def _pictured(rows: Sequence[shape.Step], futures: int, paint: Paint) -> list[str]:
    """A bar for each step of the total."""
    if not rows:
        return []
    names = [
        f"from {price(row['from'])}" if row["below"] is None else f"{price(row['from'])} to {price(row['below'])}"
        for row in rows
    ]
    width = max(map(len, names))
    room = paint.width - width - len("       under 1%")
    drawn = bars([row["futures"] for row in rows], min(_BAR, room), ascii=paint.ascii)
    lines = [
        f"    {name:>{width}}  {bar} {_part(row['futures'], futures)}".rstrip()
        for name, bar, row in zip(names, drawn, rows, strict=True)
    ]
    return ["  the total, by the share of futures:", *lines]


def _part(count: int, futures: int) -> str:
    share = round(count * 100 / futures)
    return "under 1%" if count and not share else f"{share}%" if count else ""


def _assumed(auctions: Sequence[shape.AuctionIf], paint: Paint) -> list[str]:
    """What the figures rest on: the books are secret, and everything depends on how deep they are."""
    lines = [
        line
        for one in auctions
        if one["reason"] is None
        for line in wrapped(_rests_on(one), "    ", "      ", paint.width)
    ]
    if not lines:
        return []
    return [
        *wrapped(
            "other bids are secret; the simulation assumes that taking 1% of an auction's GPUs raises its price by",
            "  ",
            "  ",
            paint.width,
        ),
        *lines,
    ]


_DEPTH_FROM = {
    "win_price": "by the limits that win now",
    "lowest_allocated": "by the lowest limit that wins now",
    "assumed": "assumed",
}


def _rests_on(one: shape.AuctionIf) -> str:
    where = f"{shown(one['instance_type'])}, {shown(one['region'])}"
    text = f"{1 / number(one['elasticity']):.2f}% in {where}: {_DEPTH_FROM[one['elasticity_from'] or '']}"
    if one["room"]:
        text += f"; {one['room']} of {one['gpus']} GPUs are free now, as they are whenever the price is the reserve"
    return text if one["basis"] == "high" else f"{text}; past prices: {one['basis']} confidence"


def _percent(share: str | Decimal | None) -> str:
    """Rounded down below all, up above nothing: 99.96% is not all of it."""
    value = (share if isinstance(share, Decimal) else number(share)) * 100
    return f"{value:.1f}".removesuffix(".0") + "%"
