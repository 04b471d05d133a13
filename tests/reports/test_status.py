"""What a stack costs now, by the statuses of its bids: what does not run costs nothing, what is unknown is unknown."""

from __future__ import annotations

import re
from decimal import Decimal

import attrs
import pytest

from flowplan.documents.shapes.paid import PaidFor, PaidInAll
from flowplan.documents.status import BidRow, Status, VolumeRow, document
from flowplan.model.address import Address
from flowplan.model.live import UP, LiveBid
from flowplan.pricing.entry import Market
from flowplan.reports.text.paid import paid_over_life
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.status import text
from flowplan.state.state import State
from tests.builders import LINEAGE, Machine, bid, volume

PRICE = Decimal("8.00")


def row(status: str, price: Decimal | None = PRICE, *machines: Machine, deactivated: bool = False) -> BidRow:
    wanted = bid(quantity=2)
    live = LiveBid("bid_1", wanted, status, deactivated=deactivated)
    win = None if price is None else price + Decimal("0.01")
    market = Market(wanted.instance_type, wanted.region, 2, spot=price, win_price=win)
    return BidRow(
        Address("bid", "train"), "bid_1", status, live.is_billed, wanted, market, machines, (), Decimal("1.5")
    )


def status(*rows: BidRow, there: bool = True) -> Status:
    return Status(State(LINEAGE), rows, [VolumeRow(Address("volume", "data"), "vol_1", volume(size_gb=730), there)])


@pytest.mark.parametrize(
    ("found", "runs"),
    [
        (row("Allocated", PRICE, Machine("a", UP), Machine("b", UP)), True),
        (row("Allocated", PRICE, Machine("a", UP), Machine("b", "STATUS_STARTING")), False),
        (row("Allocated", PRICE, Machine("a", UP), Machine("b", UP), Machine("c", "STATUS_TERMINATED")), True),
        (row("Preempting", PRICE, Machine("a", UP), Machine("b", UP)), False),
        (row("Allocated"), False),
    ],
)
def test_a_bid_runs_once_all_its_instances_do(found: BidRow, runs: bool) -> None:
    assert found.runs is runs


STORAGE = "0.08"  # dollars an hour of 730 GB


@pytest.mark.parametrize(
    ("found", "now", "said"),
    [
        (row("Allocated"), "16.00", "In total $16.08 an hour now"),
        (row("Preempting"), "16.00", "In total $16.08 an hour now"),
        (row("Preempting", Decimal(26)), "40.00", "In total at most $40.08 an hour now"),
        (row("Allocated", Decimal(26)), "40.00", "In total at most $40.08 an hour now"),
        (row("Open", Decimal(26)), "0.00", "In total $0.08 an hour now"),
        (row("Open"), "0.00", "In total $0.08 an hour now, storage included; more from the next auction on:"),
        (row("Paused"), "0.00", "In total $0.08 an hour now"),
        (row("Terminated"), "0.00", "In total $0.08 an hour now"),
        (row("Archived", deactivated=True), "0.00", "In total $0.08 an hour now"),
        (row("Open", None), "0.00", "In total $0.08 an hour now"),
        (row("Allocated", None), None, "In total: unknown, because a price is unknown."),
        (row("Frozen"), None, "In total: unknown, because flowplan does not know the status Frozen."),
    ],
    ids=lambda one: one.status if isinstance(one, BidRow) else "",
)
def test_what_is_paid_now(found: BidRow, now: str | None, said: str) -> None:
    body = document(status(found))
    assert body["bids"][0]["hour"]["now"] == now
    assert body["hour"]["now"] == (None if now is None else f"{Decimal(now) + Decimal(STORAGE):.2f}")
    assert said in text(status(found), Paint(on=False))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (row("Allocated"), "charged $16.00 an hour ($8.00 per instance-hour, limit $20.00)"),
        (row("Allocated", None), "charged an unknown amount an hour (price unknown, limit $20.00)"),
        (row("Preempting"), "charged $16.00 an hour ($8.00 per instance-hour, limit $20.00)"),
        (
            row("Preempting", Decimal(26)),
            "charged at most $40.00 an hour until it is preempted ($26.00 per instance-hour now, limit $20.00)",
        ),
        (
            row("Open", Decimal(25)),
            "charged nothing: it waits, because winning takes a limit of $25.01 "
            "($25.00 per instance-hour now, limit $20.00)",
        ),
        (
            row("Open"),
            "charged nothing until the next auction, which its limit wins ($8.00 per instance-hour now, limit $20.00)",
        ),
        (row("Open", None), "charged nothing: it waits (price unknown, limit $20.00)"),
        (row("Paused"), "charged nothing: paused (limit $20.00)"),
        (row("Terminated"), "charged nothing: ended (limit $20.00)"),
        (row("Frozen"), "whether it is charged is unknown ($8.00 per instance-hour now, limit $20.00)"),
    ],
    ids=lambda one: one.status if isinstance(one, BidRow) else "",
)
def test_what_is_charged_and_why_not(found: BidRow, said: str) -> None:
    assert f"{said} $1.50 paid so far" in " ".join(text(status(found), Paint(on=False)).split())


def test_what_was_paid_is_said_in_all_and_what_it_leaves_out() -> None:
    said = text(status(row("Allocated"), row("Terminated")), Paint(on=False))
    assert said.endswith("\n$3.00 paid so far for the instances of these bids, storage not included.\n")
    assert "paid so far" not in text(status(), Paint(on=False))


@pytest.mark.parametrize(
    ("paid", "said"),
    [
        (("0.333", "0.333", "0.334"), "$1.00 paid so far for the instances of these bids, storage not included. $0.99"),
        (("1.25", "1.25", "1.25"), "$3.75 paid so far for the instances of these bids, storage not included."),
        (("0.004", "0.004", "0.004"), "$0.01 paid so far for the instances of these bids, storage not included."),
        (("0.333", "0.333", None), "Paid so far: unknown, because the bill could not be read."),
    ],
)
def test_rows_that_do_not_add_up_to_the_total_say_so(paid: tuple[str | None, ...], said: str) -> None:
    """Who pays adds them."""
    rows = [
        attrs.evolve(
            row("Allocated"), id=f"bid_{n}", address=Address("bid", f"t{n}"), paid=None if one is None else Decimal(one)
        )
        for n, one in enumerate(paid)
    ]
    shown = " ".join(text(status(*rows), Paint(on=False)).split())
    said_so = r"The amounts paid are each rounded to the cent; they add up to (\S+)\.$"
    assert re.sub(said_so, r"\1", shown).endswith(said)


def test_what_a_stack_was_paid_over_its_life_adds_up_or_says_that_it_does_not() -> None:
    def of(paid: str, *tasks: str, unknown: bool = False) -> str:
        each: list[PaidFor] = [
            {"address": f"bid.t{n}", "bids": ["bid_1"], "paid": None if unknown else one, "at_least": one}
            for n, one in enumerate(tasks)
        ]
        whole: PaidInAll = {
            "tasks": each,
            "released": [],
            "paid": None if unknown else paid,
            "at_least": paid,
            "storage_included": False,
            "since_serial": None,
        }
        return " ".join(paid_over_life(whole, Paint(on=False)).split())

    assert of("1.01", "0.33", "0.67").endswith(
        "In all $1.01. The amounts paid are each rounded to the cent; they add up to $1.00."
    )
    assert of("1.00", "0.33", "0.67").endswith("In all $1.00.")
    assert of("9.00", "0.33", "0.67").endswith("In all $9.00.")  # no rounding makes that
    assert of("1.01", "0.33", "0.67", unknown=True).endswith(
        "In all at least $1.01, because the bill of a bid could not be read."
        " The amounts paid are each rounded to the cent; they add up to $1.00."
    )


def test_a_volume_that_is_gone_costs_nothing() -> None:
    (gone,) = document(status(there=False))["volumes"]
    assert (gone["status"], gone["hour"]["now"], gone["month"]["now"]) == ("gone", "0.00", "0.00")
    (there,) = document(status())["volumes"]
    assert (there["status"], there["hour"]["now"], there["month"]["now"]) == ("live", STORAGE, "58.40")


def test_instances_that_are_over_are_in_the_document_alone() -> None:
    machines = [Machine("b", "STATUS_RUNNING", "203.0.113.1:22"), Machine("a", "STATUS_TERMINATED")]
    found = status(row("Allocated", PRICE, *machines))
    assert [one["name"] for one in document(found)["bids"][0]["instances"]] == ["a", "b"]
    assert re.findall(r"^  (\w)  ", text(found, Paint(on=False)), re.MULTILINE) == ["b"]
