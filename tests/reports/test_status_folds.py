"""Bids that are alike are one paragraph of `status`, so that its totals fit a screen; --verbose shows each."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from flowplan.reports.text.paint import Paint
from flowplan.reports.text.track_record import text
from tests.conftest import APPLY, Place, made_once
from tests.texts import task_text


@pytest.fixture
@made_once
def sweep(place: Place) -> Place:
    """120 bids of one kind that run, and one of another limit."""
    names = [f"sweep-{number}" for number in range(120)]
    text = "".join(task_text(name, "20", "a40.1x.PCIe", "us-central1-a") for name in names)
    place.write(text + task_text("other", "21", "a40.1x.PCIe", "us-central1-a"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "1h")
    return place


def test_alike_bids_are_one_and_the_totals_fit_a_screen(sweep: Place) -> None:
    out = sweep.ok("status")
    assert len(out.splitlines()) < 24
    assert "bid.sweep-0 … 119 (120 alike)  Allocated" in out
    assert "instances: 120 running; --verbose shows each with its ssh command" in " ".join(out.split())
    assert "bid.other  Allocated  (bid_" in out
    told = " ".join(out.partition("In total ")[2].split())
    assert "storage not included." in told
    each = sweep.ok("status", "--verbose")
    assert len(re.findall(r"^bid\.sweep-\d+  Allocated  \(bid_", each, re.MULTILINE)) == 120
    assert len(re.findall(r" ssh -p \d+ ubuntu@", each)) == 121
    again = " ".join(each.partition("In total ")[2].split())
    assert again.partition(" The amounts")[0] == told.partition(" The amounts")[0]
    assert "The amounts paid are each rounded to the cent; they add up to $" in again  # 121 of them
    *parts, whole = (Decimal(one) for one in re.findall(r"^ *\$([\d.]+) paid so far", out, re.MULTILINE))
    assert len(parts) == 2
    assert abs(sum(parts) - whole) <= Decimal("0.01")


def test_alike_volumes_are_one_line(place: Place) -> None:
    names = ", ".join(f"a{number}" for number in range(40))
    more = "other: {size: 7, region_id: us-central1-b}"
    place.write(f"version: 2\nvolumes: {{v: {{for_each: [{names}], size: 50, region_id: us-central1-b}}, {more}}}\n")
    place.ok(*APPLY)
    out = place.ok("status")
    said = " ".join(out.split())
    assert "(40 alike) each 50 GB Block in us-central1-b, $4.00 a month, $160.00 in all " in said
    assert "volume.other 7 GB Block in us-central1-b, $0.56 a month (vol_" in said
    assert len(out.splitlines()) < 8
    assert len(re.findall(r"\(vol_", place.ok("status", "--verbose"))) == 41
    assert "(40 alike) each $4.00 a month for storage" in " ".join(place.ok("cost").split())


def test_what_differs_is_not_alike(sweep: Place) -> None:
    text = (sweep.path / "flowplan.yaml").read_text()
    sweep.write(text.replace("utility_threshold_price: 20", "utility_threshold_price: 22", 1))
    sweep.ok(*APPLY)
    out = sweep.ok("status")
    assert "(119 alike)" in out
    assert out.count("limit $22.00") == 1


def test_cost_says_once_what_is_alike(sweep: Place) -> None:
    """In the estimate, and beside what was forecast."""
    out = sweep.ok("cost")
    assert len(out.splitlines()) < 40
    assert re.search(r"bid\.sweep-0 … 119 \(120 alike\)  Allocated; each \$0\.\d\d to \$0\.\d\d paid so far\n", out)
    assert "each 1 x a40-48gb.pcie.1x in us-central1-a\n    each $0.21 an hour now, at most $20.00; over 30 days" in out
    assert "  bid.other, bid.sweep-0 … 119 (121 alike)\n" in out.partition("Forecast and paid")[2]
    each = sweep.ok("cost", "--verbose")
    assert len(re.findall(r"^  bid\.sweep-\d+  Allocated; \$", each, re.MULTILINE)) == 120
    assert len(re.findall(r"^  bid\.sweep-\d+$", each, re.MULTILINE)) == 120


def test_forecasts_are_alike_where_what_was_paid_lies_cents_apart(sweep: Place) -> None:
    """One is placed after the other: at a slow API what each has paid is not the same to the cent."""
    body = json.loads(sweep.ok("cost", "--format", "json"))
    several = body["forecasts"]
    for number, one in enumerate(several):
        one["paid"] = str(Decimal("0.21") + number % 2 * Decimal("0.01"))
    table = text(body, Paint()).partition("Forecast and paid")[2]
    assert "  bid.other, bid.sweep-0 … 119 (121 alike)\n" in table
    assert "$0.21 to $0.22" in table
    for number, one in enumerate(several):
        one["paid"] = str(Decimal("0.21") + number % 2 * Decimal(9))
    apart = text(body, Paint()).partition("Forecast and paid")[2]
    assert "(60 alike)" in " ".join(apart.split())
    assert "(61 alike)" in " ".join(apart.split())
    assert " to $9.21" not in apart
    several[0]["paid"] = None
    assert "unknown" in text(body, Paint()).partition("Forecast and paid")[2]
