"""Prices of the API that do not fit each other, or are none: `market --exit-code` never says that a bid wins where that
is unknown, and no price is below the reserve."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Place
from tests.faults.odd_rows import answers, get

ASKED = ("market", "8xH100", "--region", "us-central1-b", "--limit", "20", "--exit-code")
CURRENT = {
    "spot_price_cents": 800,
    "reserved_price_cents": 2712,
    "minimum_price_cents": 800,
    "lowest_allocated_bid_cents": 900,
    "dynamic_win_price_cents": 901,
    "available_capacity": 32,
    "total_capacity": 64,
}
FULL = {"available_capacity": 0}
UNKNOWN = {"available_capacity": None, "dynamic_win_price_cents": None}


@pytest.mark.parametrize(
    ("edit", "code", "said"),
    [
        ({}, 0, "wins now, for $8.00 an hour"),
        (UNKNOWN, 1, "whether it would win now is unknown"),
        ({**UNKNOWN, "available_capacity": -1}, 1, "whether it would win now is unknown"),
        ({**UNKNOWN, "available_capacity": "many"}, 1, "whether it would win now is unknown"),
        ({**UNKNOWN, "dynamic_win_price_cents": 1e300}, 1, "whether it would win now is unknown"),
        ({"available_capacity": None}, 0, "to enter about $9.00 ($8.00 to $10.37): if nothing is free, a new bid pays"),
        (FULL, 0, "the market is full; a new bid pays"),
        ({**FULL, "dynamic_win_price_cents": 2001}, 1, "the smallest limit that wins is $20.01"),
        ({**FULL, "total_capacity": 0}, 2, "never wins: the auction has no instance"),
        ({"minimum_price_cents": 2001}, 2, "never wins: the limit is below the reserve of $20.01"),
        ({"spot_price_cents": 0}, 0, "wins now, for $8.00 an hour"),
        ({**FULL, "lowest_allocated_bid_cents": 50}, 0, "the market is full; a new bid pays"),
        ({**FULL, "lowest_allocated_bid_cents": 50, "dynamic_win_price_cents": 51}, 0, "wins now, for $8.00 an hour"),
    ],
    ids=str,
)
def test_what_a_limit_would_do(place: Place, edit: dict[str, Any], code: int, said: str) -> None:
    answers(place, "/v2/pricing/current", {**CURRENT, **edit})
    result = place.run(*ASKED)
    assert (result.code, said in " ".join(result.out.split())) == (code, True), result


@pytest.mark.parametrize("answer", [{}, [], None, "x", {"detail": "gone"}], ids=str)
def test_an_answer_that_has_no_price_is_unknown(place: Place, answer: Any) -> None:
    answers(place, "/v2/pricing/current", answer)
    result = place.run(*ASKED)
    assert (result.code, "whether it would win now is unknown" in result.out) == (1, True), result


def test_an_auction_that_is_listed_twice_is_one(place: Place) -> None:
    once = place.ok("market", "8xH100")
    for path in ("/v2/spot/availability", "/v2/instance-types"):
        answers(place, path, get(place, path) * 2)
    assert place.ok("market", "8xH100") == once


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/pricing/current", "the current cost is unknown for 5 auctions: GET /v2/pricing/current: "),
        ("/v2/pricing/history", "the cost over time is unknown for 5 regions: GET /v2/pricing/history: "),
    ],
)
def test_what_cannot_be_fetched_of_many_places_is_one_note(place: Place, path: str, said: str) -> None:
    place.write("version: 2\ntasks: {a: {resources_specification: {fcp_instance: 8xH100}}}\n")
    with place.simulator() as simulator:
        simulator.faults.add(f"GET {path}", "status", status=200, body='{"series": 3}', times=None)
    result = place.run("market", "--for", "flowplan.yaml")
    assert result.code == 0, result
    assert "us-central1-b      $8.00" in result.out
    assert " ".join(result.err.split()).count("is unknown") == 1
    assert said in " ".join(result.err.split())
