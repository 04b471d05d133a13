"""An average above what 9 of 10 cases cost at most is explained, wherever the two stand beside each other."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from flowplan.pricing.forecasting import Band
from flowplan.reports.text.cost import banded, remarks
from flowplan.reports.text.market import _about
from tests.conftest import Place

WHY = "expected is the average of all cases: the most expensive 1 of 10 raises it above what the other 9 cost at most"


def test_the_totals_of_a_plan_say_why(example: Place) -> None:
    body: Any = json.loads(example.ok("plan", "--format", "json"))
    assert WHY not in remarks(body)
    planned = body["cost"]["horizon"]["planned"]
    planned |= {"expected": "12.10", "p90": "12.00"}
    assert WHY in remarks(body)
    planned |= {"expected": "12.00"}
    assert WHY not in remarks(body)


def test_a_band_beside_an_average() -> None:
    assert banded("9.00", "8.00", "12.00") == "about $9.00 ($8.00 to $12.00 in 8 of 10 cases)"
    assert banded("12.10", "8.00", "12.00") == "$12.10 on average ($8.00 to $12.00 in 8 of 10 cases)"
    low, high = Decimal(8), Decimal(12)
    assert _about(Band(low, low, high, Decimal("12.1"))) == "$12.10 on average ($8.00 to $12.00 in 8 of 10 cases)"
    assert _about(Band(low, low, high, Decimal(9))) == "about $9.00 ($8.00 to $12.00 in 8 of 10 cases)"
