"""What is said of limits: that a high one is right, once for each auction, and one direction for a bid that loses."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs
import pytest

from flowplan.cost.costs import Costs
from flowplan.cost.warnings import warned
from flowplan.diagnostics import Diagnostic
from flowplan.model.resources import Bid
from flowplan.pricing.advice import Advice
from tests.builders import bid, costs_of, market


def said(*bids: Bid, advised: str, price: str = "8.00") -> list[Diagnostic]:
    """What is said of new bids in an auction at `price`, where a limit of `advised` would be enough."""
    advice = Advice(Decimal(advised), Decimal("0.95"), Decimal("0.9"), 24.0, "high", "many days")
    prices = market(
        spot=Decimal(price), minimum=Decimal(2), win_price=Decimal(price), available=9 if Decimal(price) <= 8 else 0
    )
    costs = costs_of(*bids, prices=prices)
    changes = tuple(attrs.evolve(one, advice=advice) for one in costs.changes)
    return [one for one in warned(Costs(changes)) if one.code != "self-competition"]


def codes(found: Iterable[Diagnostic]) -> list[str]:
    return [one.code for one in found]


def test_a_high_limit_is_a_note_once_for_each_auction() -> None:
    (note,) = said(bid("a", "40"), bid("b", "50"), bid("c", "9"), advised="8.00")
    assert (note.code, note.severity) == ("limit-far-above-need", "note")
    assert "the limits of bid.a and bid.b are $40.00 to $50.00, far above the $8.00 needed" in note.summary
    assert "you are charged the price, not the limit" in note.summary
    assert note.hint == "with a limit of $8.00 it is down for up to 5% of a day in 90% of cases, longer in the others"


@pytest.mark.parametrize("limit", ["16.00", "33.92", "98.32", "119.92"])
def test_the_limit_of_a_priority_is_never_too_high(limit: str) -> None:
    assert said(bid("a", limit, gpus=8), advised="2.00", price="2.00") == []
    assert codes(said(bid("a", "119.93", gpus=8), advised="2.00", price="2.00")) == ["limit-far-above-need"]


def test_a_bid_that_loses_is_shown_one_direction() -> None:
    (lost,) = said(bid("a", "7"), advised="1.00", price="9.00")
    assert (lost.code, lost.hint) == ("cannot-win-now", "raise it to $9.00, the lowest that wins now")
    (lost,) = said(bid("a", "7"), advised="12.00", price="9.00")
    assert lost.hint == "a limit of $12.00 keeps it running 95% of a day in 90% of cases"
    (never,) = said(bid("a", "1"), advised="1.00")
    assert (never.code, never.hint) == ("below-reserve", "raise it to at least $2.00, the reserve")


def test_a_paused_bid_is_not_told_to_raise_its_limit() -> None:
    for limit in ("1", "7", "50"):
        found = said(bid("a", limit, paused=True), advised="1.00", price="9.00")
        assert all(one.hint is None for one in found)
        assert "limit-far-above-need" not in codes(found)
