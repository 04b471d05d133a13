"""The small parts of documents: dollars, ports, places, what is said, and what is live in no state."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flowplan.diagnostics import Diagnostic, Position
from flowplan.documents.amounts import money, number, plain, price, signed
from flowplan.documents.diagnostics import of
from flowplan.documents.orphans import document as orphaned
from flowplan.documents.ports import listed, ranges
from flowplan.documents.validate import Checked
from flowplan.documents.validate import document as checked
from flowplan.model.resources import PortPair
from flowplan.state.orphans import orphans
from tests.builders import LINEAGE, TRAIN, bid, live, live_bid, marker, state

D = Decimal


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, None),
        (D(0), "0.00"),
        (D("8"), "8.00"),
        (D("1234.5"), "1234.50"),
        (D("0.01"), "0.01"),
        (D("0.0001096"), "0.000110"),  # a small volume is cheap, not free
        (D("-0.001"), "-0.001000"),
        (D("-3.5"), "-3.50"),
    ],
)
def test_dollars_are_texts_and_what_is_unknown_is_null(amount: Decimal | None, text: str | None) -> None:
    assert money(amount) == text


def test_a_number_has_no_zeros_behind_it() -> None:
    assert [plain(one) for one in (None, D("0.250"), D("0.2504"), D(1))] == [None, "0.25", "0.25", "1"]
    assert plain(D("36.12346"), D("0.0001")) == "36.1235"


def test_amounts_for_people() -> None:
    assert [price(one) for one in (None, "8.00", "1234.50")] == ["unknown", "$8.00", "$1,234.50"]
    assert [signed(one) for one in (None, "2.00", "-2.00", "0.00", "-0.00")] == [
        "unknown", "+$2.00", "-$2.00", "$0.00", "$0.00",
    ]  # fmt: skip


def test_an_amount_that_has_to_be_known_is() -> None:
    assert number("8.50") == D("8.50")
    with pytest.raises(ValueError, match="has to be known"):
        number(None)


@pytest.mark.parametrize(
    ("pairs", "texts"),
    [
        ([], []),
        ([(80, 80)], ["80"]),
        ([(80, 8080)], ["80 -> 8080"]),
        ([(82, 82), (80, 80), (81, 81)], ["80-82"]),
        ([(8443, 8003), (8444, 8004)], ["8443-8444 -> 8003-8004"]),
        ([(80, 80), (81, 8081), (82, 8082), (84, 84)], ["80", "81-82 -> 8081-8082", "84"]),
    ],
)
def test_ports_are_listed_and_written_as_ranges(pairs: list[tuple[int, int]], texts: list[str]) -> None:
    rows = listed(PortPair(*pair) for pair in pairs)
    assert [(one["external"], one["internal"]) for one in rows] == pairs
    assert ranges(rows) == texts


def test_what_has_a_word_is_known_by_it() -> None:
    place = Position("a.yaml", 3, 7)
    said = Diagnostic("tie", "a tie", "wait", detail="long", severity="warning", position=place)
    source = {"file": "a.yaml", "line": 3, "column": 7}
    assert of(said) == {"severity": "warning", "summary": "a tie", "detail": "tie", "source": source, "hint": "wait"}
    assert of(Diagnostic("missing", "x", detail="long"))["detail"] == "long"


def test_a_configuration_with_warnings_only_is_valid() -> None:
    warning, error = Diagnostic("ignored", "w", severity="warning"), Diagnostic("missing", "e")
    for problems, valid, counts in (((), True, (0, 0)), ((warning,), True, (0, 1)), ((error, warning), False, (1, 1))):
        body: Any = checked(Checked(problems))
        assert (body["valid"], (body["error_count"], body["warning_count"])) == (valid, counts)


def test_an_orphan_is_named_as_its_marker_names_it() -> None:
    ours = live_bid(bid("renamed"), "bid_1", marker=marker(bid()))
    theirs = live_bid(bid("theirs"), "bid_2", marker=marker(bid(), stack="other", lineage="l-2"))
    body = orphaned(orphans(state(), (), live(ours, theirs)))
    (mine,) = body["bids"]
    assert (mine["id"], mine["name"], mine["address"], mine["lineage"]) == ("bid_1", "renamed", str(TRAIN), LINEAGE)
    assert (mine["limit_price"], mine["instance_quantity"]) == ("20.00", 1)
    assert [(one["id"], one["stack"]) for one in body["other_stacks"]] == [("bid_2", "other")]
    assert (body["released"], body["volumes"]) == ([], [])
