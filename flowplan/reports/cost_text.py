"""The cost part of a plan document -> lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flowplan.errors import shown
from flowplan.reports.amounts import price as _price
from flowplan.reports.amounts import signed as _signed
from flowplan.reports.paint import Paint, wrapped


def cost_line(entry: Mapping[str, Any]) -> str:
    """What one bid costs per hour, in one line: now, if it won, at most."""
    cost = entry["cost"]
    if cost is None:
        return ""
    if entry["change"]["actions"] == ["forget"]:
        kept = entry["action_reason"] == "forget_because_attached"
        return f"{_price(cost['cost']['month']['now'])} a month for storage goes on" if kept else ""
    if entry["type"] == "volume":
        return f"{_price(cost['cost']['month']['now'])} a month for storage"
    hour = cost["cost"]["hour"]
    if entry["change"]["actions"] == ["delete"]:
        return f"{_price(hour['now'])} an hour now"
    at_most = f"at most {_price(hour['worst'])}"
    if cost["outlook"] == "paused":
        return "paused: no charge for instances"
    if cost["outlook"] == "unknown":
        return f"price unknown; {at_most} an hour"
    if cost["outlook"] == "cannot_win":
        if cost["entry_price"]["basis"] == "too_large":
            return "cannot win: more instances at once than the whole auction has"
        return f"cannot win: the limit is below the reserve of {_price(cost['reserve'])}"
    if cost["outlook"] == "waits":
        return f"would wait: nothing now, {at_most} an hour once it wins{_ahead(cost)}"
    spot = cost["last_price"]
    base = f"{_price(hour['now'])} an hour now, {at_most}{_ahead(cost)}"
    if cost["entry_price"]["point"] != spot:
        who = "your own bids raise" if "self_competition" in cost["warnings"] else "entering raises"
        base += f"; the spot price is {_price(spot)}, {who} it to {_price(cost['entry_price']['point'])}"
    return base


def _ahead(cost: Mapping[str, Any]) -> str:
    """What is expected over the horizon with its band, when it is forecast."""
    found = cost["cost"].get("horizon")
    if found is None:
        return ""
    over = f"; over {span(found['hours'])}"
    if found["expected"] is None:
        return f"{over} unknown, at most {_price(found['worst'])}"
    if found["p10"] == found["p90"]:
        return f"{over} {_price(found['expected'])}"
    return f"{over} about {_price(found['expected'])} ({_price(found['p10'])} to {_price(found['p90'])})"


def costs(body: Mapping[str, Any], paint: Paint) -> str:
    """The totals per hour."""
    cost = body["cost"]
    current, planned, delta = cost["current"], cost["planned"], cost["delta"]
    if current == planned:
        if planned["worst"] == "0.00":
            return ""
        return f"Cost per hour, at the second price: {_price(planned['now'])}, at most {_price(planned['worst'])}."
    rows = [
        ("", "before", "after", "change"),
        ("an hour now, at the second price", _price(current["now"]), _price(planned["now"]), _signed(delta["now"])),
        (
            "an hour at most, every limit paid",
            _price(current["worst"]),
            _price(planned["worst"]),
            _signed(delta["worst"]),
        ),
    ]
    rows += _expected_rows(cost.get("horizon"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  "
        + row[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    lines = [paint("Cost", "bold") + ", storage included:", *lines]
    return "\n".join([*lines, *_movers(cost.get("horizon")), *_saved(cost.get("horizon"))])


def _expected_rows(found: Mapping[str, Any] | None) -> list[tuple[str, str, str, str]]:
    """Over the horizon: what is expected, and nine times of ten at most."""
    if found is None:
        return []
    before, after, delta = found["current"], found["planned"], found["delta"]
    over = span(found["hours"])
    named = (("expected", f"{over}, expected"), ("p90", f"{over} at most, nine times of ten"))
    return [(name, _price(before[key]), _price(after[key]), _signed(delta[key])) for key, name in named]


def _movers(found: Mapping[str, Any] | None) -> list[str]:
    """What moves the expected cost most, where it is not one thing alone."""
    if found is None or len(found["movers"]) < 2:
        return []
    listed = ", ".join(f"{shown(one['address'])} {_signed(one['expected'])}" for one in found["movers"])
    return wrapped(f"most of it: {listed}", "  ", "    ")


def _saved(found: Mapping[str, Any] | None) -> list[str]:
    """How far the expected cost is below the limits."""
    planned = found["planned"] if found is not None else {}
    if not planned or planned["expected"] is None or planned["worst"] is None or not Decimal(planned["worst"]):
        return []
    share = int((1 - Decimal(planned["expected"]) / Decimal(planned["worst"])) * 100)
    return [f"  {share} % below the limits is expected; confidence: {planned['basis']}"] if share > 0 else []


def span(hours: float) -> str:
    """How long a horizon is, in words."""
    return "a day" if hours == 24 else f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
