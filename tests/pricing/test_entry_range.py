"""What a bid pays right after it enters a full auction, in simulated markets, is in the range that a plan prints."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from decimal import Decimal

import attrs
import pytest

from flowplan.documents.cost import of_bid
from flowplan.pricing.entry import Market, estimate
from flowplan.reports.text.cost import bidding
from flowplan.simulator import Simulator
from tests.conftest import Place
from tests.pricing.simulated import COVERED, Client
from tests.texts import task_text

_RANGE = re.compile(r"entering makes it \$([0-9.,]+) to \$([0-9.,]+)")


def entries(seed: int, hours: int) -> Iterator[tuple[int, bool]]:
    """(quantity, whether the price lay in the range) for one bid in each full auction of a market of its own stock."""
    chosen = random.Random(seed)
    with Simulator.open(":memory:", seed=seed) as simulator:
        simulator.advance(hours * 3600)
        client, seen = Client(simulator), set()
        auctions = sorted(simulator.market(), key=lambda one: chosen.random())
        for number, one in enumerate(auctions):
            stock = (one.region, tuple((line.limit_price, line.quantity, line.gpus) for line in one.book))
            if one.available or stock in seen:
                continue  # there is room; or it shares its stock with one that was looked at
            seen.add(stock)
            quantity = min(chosen.choice((1, 1, 2, 3, max(1, one.capacity // 4))), one.capacity)
            market = client.market(one.instance_type, one.region, quantity)
            if market.win_price is None:
                continue
            more = client.market(one.instance_type, one.region, quantity + 1)
            market = attrs.evolve(market, next_win=more.win_price)
            limit = (market.win_price * Decimal(chosen.choice(("1.02", "1.3", "2")))).quantize(Decimal("0.01"))
            low, high = printed(market, limit)
            client.place(f"bid-{number}", market, limit)
            paid = client.market(one.instance_type, one.region, quantity).spot
            yield quantity, paid is not None and low <= paid <= high


def printed(market: Market, limit: Decimal) -> tuple[Decimal, Decimal]:
    """The range of the price per instance-hour as the text of a plan has it."""
    found = estimate(market, limit, market.quantity, gpus=1, paused=False, holding=False)
    text = bidding(of_bid(found, None))
    match = _RANGE.search(text)
    if match is None:
        price = Decimal(re.findall(r"\$([0-9.,]+)", text)[-1].replace(",", ""))
        return price, price
    low, high = (Decimal(amount.replace(",", "")) for amount in match.groups())
    return low, high


@pytest.mark.parametrize("markets", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_the_price_after_entry_is_in_the_printed_range(markets: int) -> None:
    found: list[tuple[int, bool]] = []
    for seed in range(1, 100):
        found += entries(seed, hours=0)
        if len(found) >= markets:
            break
    inside = sum(is_in for _, is_in in found)
    print(f"{inside} of {len(found)} in the printed range")
    assert len(found) >= markets
    assert inside >= COVERED * len(found)


@pytest.mark.slow
def test_in_many_markets_of_all_ages_and_for_one_instance_as_for_several() -> None:
    found = [one for seed in range(1000, 1200) for one in entries(seed, hours=seed * 7 % 48)]
    for single in (True, False):
        those = [is_in for quantity, is_in in found if (quantity == 1) is single]
        print(f"{'one instance' if single else 'several'}: {sum(those)} of {len(those)} in the printed range")
        assert sum(those) >= COVERED * len(those)


def test_with_room_the_price_is_known_and_no_range_is_printed() -> None:
    room = Market("it", "r", 1, Decimal(8), Decimal(8), Decimal(9), Decimal(8), 2, 9)
    found = estimate(room, Decimal(30), 1, gpus=1, paused=False, holding=False)
    assert bidding(of_bid(found, None)) == "$8.00 an hour now, at most $30.00"


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("9", "$8.00 to $9.00 an hour now, at most $9.00; the spot price is $10.00 per instance-hour, "),
        (
            "8",
            "$8.00 an hour now, at most $8.00; the spot price is $10.00 per instance-hour, entering lowers it to $8.00",
        ),
    ],
)
def test_below_the_spot_price_entering_lowers_it_and_the_limit_is_the_most(limit: str, says: str) -> None:
    room = Market("it", "r", 1, Decimal(10), Decimal(8), Decimal(9), Decimal(8), 2, 9)
    found = estimate(room, Decimal(limit), 1, gpus=1, paused=False, holding=False)
    assert bidding(of_bid(found, None)).startswith(says)


def test_what_is_paid_after_an_apply_is_in_the_range_of_its_plan(place: Place) -> None:
    place.write(task_text(limit="60", kind="h200.8x", region="us-central5-a"))
    said = " ".join(place.ok("plan").split())
    match = _RANGE.search(said)
    assert match is not None, said
    place.ok("apply", "--auto-approve")
    document = json.loads(place.ok("status", "--format", "json"))
    low, high = map(Decimal, match.groups())
    assert low <= Decimal(document["bids"][0]["last_price"]) <= high
