"""What if: the plan's bids in simulated auctions. By hand on small books, against forecasts, against the simulator."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.cost.costs import Costs, Priced
from flowplan.cost.what_if import Own, Pool, pools_of, simulate, what_if
from flowplan.cost.what_if.book import Book
from flowplan.cost.what_if.futures import Fate
from flowplan.cost.what_if.pools import Unknown
from flowplan.cost.what_if.rivals import Depth, Lots, Order, Rivals, drawn
from flowplan.diagnostics import Position
from flowplan.documents.what_if import block
from flowplan.model.address import Address
from flowplan.model.catalogue import Auction, Catalogue, InstanceType
from flowplan.model.lifecycle import After
from flowplan.planning.actions import Create, Delete, NoOp
from flowplan.pricing.entry import Market, estimate
from flowplan.pricing.forecasting import Band, forecast_of
from flowplan.pricing.history import Stream
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.plot import bars
from flowplan.reports.text.what_if import what_if as text_of
from tests.builders import bid, market, volume
from tests.conftest import Place
from tests.cost import what_if_truth
from tests.pricing.paths import NOW, Events, ago, days_and_nights, flat, wandering
from tests.texts import task_text

D = Decimal
TYPE = "it_h100"


def own(limit: str, quantity: int = 1, *, gpus: int = 1, placed: bool = False, name: str = "a", work: float = 0) -> Own:
    return Own(Address("bid", name), D(limit), quantity, gpus, placed, work or None)


def book(
    bids: Sequence[Own],
    above: Sequence[tuple[float, int]] = (),
    below: Sequence[tuple[float, int]] = (),
    *,
    stock: int,
    held: int = 0,
    room: int = 0,
    reserve: float = 1,
) -> Book:
    rivals = Rivals(tuple(Order(*one) for one in above), tuple(Order(*one) for one in below))
    return Book(bids, rivals, stock=stock, held=held, room=room, reserve=reserve)


# ---- one book, by hand ------------------------------------------------------------------------------------


def test_ones_own_losing_bid_sets_ones_own_price() -> None:
    """One instance, a rival at 9: alone a bid of 20 pays 9; beside another of one's own at 12 it pays 12."""
    assert book([own("20")], [(9, 1)], stock=1).at(1).price(1) == 9
    both = book([own("20"), own("12", name="b")], [(9, 1)], stock=1).at(1)
    assert (both.wins, both.price(1)) == ((True, False), 12)


def test_with_room_nobody_is_displaced_and_without_it_the_highest_displaced_limit_is_paid() -> None:
    above = [(1.1, 1), (1.3, 1), (1.7, 4)]
    roomy = book([own("20", 2)], above, stock=100, room=2, reserve=8)
    assert (roomy.at(8).wins, roomy.at(8).price(8)) == ((True,), 8)
    full = book([own("20", 2)], above, [(1, 1)], stock=100, reserve=1)
    assert full.at(8).price(8) == pytest.approx(8 * 1.3)
    assert full.at(16).wins == (False,)  # two units would have to be given up, and for one of them 20.80 is bid


def test_a_bid_is_all_or_nothing_and_a_smaller_one_below_it_may_win() -> None:
    """Of four units two are free below a limit of 12: the bid for four does not fit, the one for two does."""
    bids = [own("12", 4), own("11", 2, name="b")]
    assert book(bids, [(1.05, 2), (1.5, 2)], stock=4).at(10).wins == (False, True)


def test_sizes_of_a_pool_compete_by_the_gpu() -> None:
    """Eight GPUs at 2 dollars each are more than one at 1.90."""
    found = book([own("16", 1, gpus=8), own("1.90", name="b")], [(1, 8)], stock=8).at(1.5)
    assert (found.wins, found.price(1.5)) == ((True, False), 1.9)


def test_what_is_held_stays_at_the_price_it_made_until_it_is_passed() -> None:
    """The price of now has the held bids in it; equal to their limit, the older wins."""
    holding = book([own("12", 2, placed=True)], [(1.2, 2)], [(1, 1), (0.9, 1)], stock=4, held=2)
    assert holding.at(10).price(10) == 10
    assert [holding.at(price).wins[0] for price in (11.99, 12.0, 12.01)] == [True, True, False]


def test_a_larger_bid_for_what_is_held_displaces_others() -> None:
    grown = book([own("20", 3)], [(1.2, 1), (1.4, 1)], [(1, 1)], stock=4, held=2)
    assert grown.at(10).price(10) == pytest.approx(12)


def test_a_limit_below_the_reserve_never_wins() -> None:
    assert book([own("7")], stock=10, room=10, reserve=8).at(8).wins == (False,)


orders = st.lists(st.tuples(st.floats(0.2, 6), st.integers(1, 4)), max_size=6)
limits = st.integers(80, 6000).map(lambda cents: D(cents) / 100)


@given(
    orders,
    st.lists(st.tuples(limits, st.integers(1, 5), st.booleans()), min_size=1, max_size=4),
    st.integers(0, 4),
    st.integers(0, 4),
    st.lists(st.floats(1, 40) | limits.map(lambda limit: max(1.0, float(limit))), min_size=1, max_size=8),
)
def test_what_is_kept_of_earlier_prices_is_what_clearing_again_gives(
    found: list[tuple[float, int]],
    bids: list[tuple[Decimal, int, bool]],
    held: int,
    room: int,
    prices: list[float],
) -> None:
    """Between two orders nothing changes but the price: that is what makes hundreds of futures cheap."""
    above = sorted((multiple, units) for multiple, units in found if multiple > 1)
    below = sorted(((multiple, units) for multiple, units in found if multiple <= 1), reverse=True)
    mine = [Own(Address("bid", str(n)), limit, quantity, 1, placed) for n, (limit, quantity, placed) in enumerate(bids)]

    def fresh() -> Book:
        stock = held + room + sum(units for _, units in above) + 3
        return book(mine, above, below, stock=stock, held=held, room=room)

    kept = fresh()
    for price in prices:
        once, again = fresh().at(price), kept.at(price)
        assert once.wins == again.wins, (found, bids, held, room, prices)
        assert once.price(price) == pytest.approx(again.price(price), abs=2e-6, rel=1e-6)
        for one, wins in zip(mine, again.wins, strict=True):
            assert not wins or 1 - 1e-6 <= again.price(price) <= float(one.limit_price) + 1e-5


# ---- the books of others ----------------------------------------------------------------------------------


def test_an_elasticity_of_one_means_a_percent_for_a_percent() -> None:
    """Taking a tenth of the stock: as if nine tenths were sold at what the highest of the displaced bids."""
    lots = Lots((1,), 1000)
    highest = []
    for seed in range(300):
        found = drawn(Random(seed), 1, Depth(), lots, winning=1000, displaced=100, freed=0)
        highest.append(math.log(found.above[-1].multiple))
    assert sum(highest) / len(highest) == pytest.approx(-math.log(0.9), rel=0.05)


def test_what_is_seen_of_a_book_moves_what_is_assumed_by_how_much_is_seen() -> None:
    """Taking 18 of 1,000 units raises the price by 18%: an elasticity of 0.1. One order of 1.8 units proves little."""
    lots = Lots((1,), 1000)
    assert lots.mean == 1.8
    little, much = (Depth(((units, units / 100),)).elasticity(lots) for units in (2, 500))
    assert Depth().elasticity(lots) == 1
    assert 0.1 < much < 0.11 < 0.2 < little < 0.6


def test_a_book_of_which_something_is_seen_has_it_so_in_every_future() -> None:
    seen = ((1, 0.02), (30, 0.2), (60, 0.5))
    for seed in range(20):
        found = drawn(Random(seed), 1, Depth(seen), Lots((1,), 1000), winning=1000, displaced=100, freed=0).above
        assert [order.multiple for order in found] == sorted(order.multiple for order in found)
        for units, distance in seen:
            taken = 0
            for order in found:
                taken += order.units
                if taken >= units:
                    assert math.log(order.multiple) == pytest.approx(distance)
                    break


def test_no_more_is_drawn_than_there_is() -> None:
    found = drawn(Random(1), 1, Depth(), Lots((1, 8), 64), winning=20, displaced=1000, freed=9)
    assert sum(order.units for order in found.above) == 20
    assert sum(order.units for order in found.below) >= 9
    assert found.below[0].multiple == 1  # who loses next sets the price
    assert found.below[-1].units == 64  # and somebody always waits


# ---- futures ----------------------------------------------------------------------------------------------


def pool(events: Events, *bids: Own, stock: int = 100_000, reserve: str = "1", **more: object) -> Pool:
    stream = Stream.of(events, NOW, reserve=D(reserve))
    made = Pool(
        name="h100",
        kind=TYPE,
        region="here",
        own=bids,
        stream=stream,
        gpus=1,
        level=float(stream.last or 0),
        reserve=float(reserve),
        stock=stock,
        room=0,
        held=0,
        lots=Lots((1,), stock),
        depth=Depth(),
        depth_from="assumed",
    )
    return attrs.evolve(made, **more)


def lived(events: Events, bid: Own, hours: float = 24, **more: object) -> list[Fate]:
    return [future[0] for future in simulate([pool(events, bid, **more)], hours, 100).fates[0]]


@pytest.mark.parametrize("limit", ["8", "12", "16", "40"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bid_that_moves_no_price_is_told_what_its_forecast_says(seed: int, limit: str) -> None:
    events = wandering(seed)
    stream = Stream.of(events, NOW, reserve=D(1))
    said = forecast_of(stream, D(limit), 1, 24).cost
    futures = simulate([pool(events, own(limit, placed=True), held=1)], 24, 200)
    costs = sorted(future[0].cost for future in futures.fates[0])
    assert said.p10 is not None and said.p50 is not None and said.p90 is not None and said.expected is not None
    worst = float(limit) * 24
    assert sum(costs) / 200 == pytest.approx(float(said.expected), abs=0.03 * worst)
    for share, value in ((1 - futures.inner, said.p10), (0.5, said.p50), (futures.inner, said.p90)):
        assert costs[min(199, int(share * 200))] == pytest.approx(float(value), abs=0.05 * worst)


def test_a_day_of_days_and_nights() -> None:
    """Half of the time at 10 dollars, and after the day the five minutes of the notice at that price. A few futures
    begin as a night did, at the present price, above which it did not go."""
    fates = lived(days_and_nights(), own("15", 2))
    alike = [fate for fate in fates if fate.running < 24]
    assert len(alike) > 90
    for fate in alike:
        assert fate.running == pytest.approx(12, abs=0.2)
        assert fate.cost == pytest.approx(fate.running * 10 * 2, rel=1e-3)
        assert fate.preemptions == 1


def test_who_wins_again_within_the_notice_never_stops() -> None:
    events = [(ago(at), D(10)) for at in (336, 0)]
    for day in range(14):
        events += [(ago(24 * day + 12.05), D(30)), (ago(24 * day + 12), D(10))]
    for fate in lived(events, own("15")):
        assert (fate.preemptions, fate.running) == (0, pytest.approx(24))
        assert fate.cost == pytest.approx(240, rel=1e-3)


def test_work_is_done_when_it_has_run_so_long() -> None:
    """Each future has twelve hours of day, however it begins: 15 hours of work are not done, six are once the night, if
    it comes before that, is over."""
    long, short = (
        [fate.done_at for fate in lived(days_and_nights(), own("15", work=work)) if fate.running < 24]
        for work in (15, 6)
    )
    assert set(long) == {None} and None not in short
    assert min(short) == 6 and 17.5 < max(short) <= 18


def test_the_larger_the_bid_the_more_it_pays_an_instance() -> None:
    paid = []
    for quantity in (1, 10, 40):
        fates = lived(wandering(4), own("100", quantity), stock=100)
        paid.append(sum(fate.cost for fate in fates) / sum(fate.running for fate in fates) / quantity)
    assert paid[0] < paid[1] < paid[2]
    assert paid[2] / paid[0] > 1.3  # at an elasticity of one, two fifths of the stock cost two thirds more


def test_bids_of_one_plan_are_more_expensive_together_than_apart() -> None:
    alone = lived(wandering(5), own("25", 20), stock=60)
    beside = simulate([pool(wandering(5), own("25", 20), own("24", 20, name="b"), stock=60)], 24, 100).fates[0]
    together = [future[0] for future in beside]
    assert sum(fate.paid / fate.running for fate in together if fate.running) > sum(
        fate.paid / fate.running for fate in alone if fate.running
    )


def test_a_question_has_one_answer_and_two_plans_meet_the_same_futures() -> None:
    assert lived(wandering(6), own("15", 3), stock=64) == lived(wandering(6), own("15", 3), stock=64)
    first, second = (lived(wandering(6), own(limit, 3), stock=64) for limit in ("15", "20"))
    for lower, higher in zip(first, second, strict=True):
        assert lower.running <= higher.running + 1e-9


def test_a_larger_bid_meets_the_same_rivals_and_more() -> None:
    small, large = (
        drawn(Random(3), 1, Depth(), Lots((1,), 64), winning=64, displaced=units, freed=4) for units in (5, 30)
    )
    assert large.above[: len(small.above)] == small.above and len(large.above) > len(small.above)
    assert large.below == small.below


def test_auctions_move_together_as_they_did() -> None:
    """Two auctions of which one was dear while the other was cheap: their sum hardly varies."""
    day = days_and_nights()
    night = [(at, D(30) - price) for at, price in day]
    futures = simulate([pool(day, own("99")), attrs.evolve(pool(night, own("99")), region="there")], 12, 100)
    sums = [one[0].cost + other[0].cost for one, other in zip(*futures.fates, strict=True)]
    apart = [one[0].cost for one in futures.fates[0]]
    assert max(sums) - min(sums) < max(apart) - min(apart) + 1


# ---- a plan -----------------------------------------------------------------------------------------------


def full(quantity: int = 1, **more: Any) -> Market:
    """An auction in which one displaces somebody from $10.51 on."""
    of = {"instance_type": TYPE, "region": "here", "quantity": quantity, "spot": D(10), "total": 64}
    of |= {"available": 0, "lowest_allocated": D("10.50"), "win_price": D("10.51")}
    return market(**of | more)


def change(name: str, limit: str, quantity: int = 1, prices: Market | None = None, **more: Any) -> Priced:
    new = bid(name, limit, quantity, instance_type=TYPE, region="here", paused=more.pop("paused", False))
    cost = estimate(prices or full(quantity), D(limit), quantity, gpus=8, paused=new.paused, holding=False)
    return Priced(Create(Address("bid", name), after=new, **more), cost=cost)


def planned(*changes: Priced) -> Costs:
    markets = {
        (TYPE, "here", one.cost.quantity): one.cost.market
        for one in changes
        if one.cost and one.cost.market is not None
    }
    return Costs(changes, markets=markets)


CATALOGUE = Catalogue(
    (InstanceType(TYPE, "h100.8x", "H100", 8), InstanceType("it_1", "h100.1x", "H100", 1)),
    (Auction("a", TYPE, "here", 64, D(10)), Auction("b", "it_1", "here", 515, D("1.25"))),
)
STREAMS = {(TYPE, "here"): Stream.of(wandering(7), NOW, reserve=D(8))}


def test_what_is_known_of_an_auction_is_what_it_is_simulated_with() -> None:
    (found,) = pools_of(planned(change("a", "30", 16)), STREAMS, CATALOGUE, 24)
    assert isinstance(found, Pool)
    assert (found.level, found.reserve, found.stock, found.room, found.held) == (10 / 8, 1, 512, 0, 0)
    assert found.lots.sizes == (1, 8)  # another size sells of the same stock: 515 are 64 of eight, and three more
    assert found.depth.seen == ((1, pytest.approx(math.log(1.05))), (128, pytest.approx(math.log(1.05))))


def test_at_rest_on_the_reserve_what_is_free_is_known_and_what_is_deep_is_not() -> None:
    prices = full(4, spot=D(8), available=20, win_price=D(8), lowest_allocated=D(8))
    (found,) = pools_of(planned(change("a", "30", 4, prices)), STREAMS, CATALOGUE, 24)
    assert isinstance(found, Pool)
    assert (found.room, found.depth, found.depth_from) == (160, Depth(), "assumed")


def test_what_a_bid_holds_now_is_in_the_price_of_now() -> None:
    holding = estimate(full(16), D(30), 16, gpus=8, paused=False, holding=True)
    one = change("a", "30", 16)
    assert one.change.after is not None
    stays = Priced(
        NoOp(one.change.address, before=one.change.after, after=one.change.after, id="bid_1"), holding, one.cost
    )
    (found,) = pools_of(planned(stays), STREAMS, CATALOGUE, 24)
    assert isinstance(found, Pool)
    assert (found.held, found.own[0].is_placed) == (128, True)


def test_of_a_bid_that_ends_its_unreported_size_is_in_the_price_of_now_too() -> None:
    holding = estimate(full(16), D(30), 16, gpus=8, paused=False, holding=True)
    old = bid("old", "30", 16, instance_type=TYPE, region="here", unreported=("instance_quantity",))
    ends = Priced(Delete(Address("bid", "old"), before=old, id="bid_1"), holding, None)
    (found,) = pools_of(planned(change("a", "30", 16), ends), STREAMS, CATALOGUE, 24)
    assert isinstance(found, Unknown)
    assert found.reason == "the API does not report instance_quantity of bid.old"


@pytest.mark.parametrize(
    ("streams", "prices", "said"),
    [
        ({}, full(), "no past prices"),
        ({(TYPE, "here"): Stream.of(flat("8", 30), NOW)}, full(), "only 30 h of past prices are known"),
        (STREAMS, full(spot=None), "the price of now is unknown"),
    ],
)
def test_what_cannot_be_simulated_is_unknown_and_so_is_the_whole(
    streams: dict[tuple[str, str], Stream], prices: Market, said: str
) -> None:
    found = what_if(planned(change("a", "30", prices=prices)), streams, CATALOGUE, 24, 10)
    (bid,) = found.bids
    assert bid.reason is not None and said in bid.reason
    assert (bid.cost, bid.runs, found.cost, found.costs) == (Band(), None, Band(), ())
    assert found.worst == 30 * 24
    body = block(found)
    assert body["cost"]["p50"] is None and body["bids"][0]["runs"] is None and body["histogram"] == []
    assert "unknown" in text_of(body, Paint()) and "$0.00" not in text_of(body, Paint())


def test_without_a_stock_nothing_can_be_said() -> None:
    found = what_if(planned(change("a", "30", prices=full(total=None))), STREAMS, Catalogue((), ()), 24, 10)
    assert found.bids[0].reason == "how many GPUs the auction has is unknown"


def test_bids_that_follow_each_other_never_compete() -> None:
    """Two that together want more than the auction has; each in its turn has all of it. A third runs beside both."""
    after = (After(Address("bid", "first"), "terminated", Position("stack.yaml", 1, 1)),)
    first, third = change("first", "30", 40), change("third", "40", 2)
    apart = what_if(planned(first, change("next", "30", 40, waits_for=after), third), STREAMS, CATALOGUE, 24)
    together = what_if(planned(first, change("next", "30", 40), third), STREAMS, CATALOGUE, 24)
    alone = what_if(planned(first, third), STREAMS, CATALOGUE, 24)
    named = {one.address.name: one for one in apart.bids}
    assert list(named) == ["first", "next", "third"]
    assert named["first"].cost == named["next"].cost == alone.bids[0].cost
    assert named["third"] == alone.bids[1]
    assert min(one.availability.expected or 0 for one in together.bids) < (named["next"].availability.expected or 0)
    assert len(apart.auctions) == 1
    assert apart.worst == together.worst


def test_what_never_runs_costs_nothing_for_sure() -> None:
    changes = change("paused", "30", paused=True), change("low", "7"), change("large", "30", 65)
    found = what_if(planned(*changes), {}, CATALOGUE, 24, 10)
    assert [bid.cost for bid in found.bids] == [Band.sure(D(0))] * 3
    assert [bid.reason for bid in found.bids] == [
        "it is paused",
        "the limit is below the reserve: it never runs",
        "more instances than the auction has: it never runs",
    ]
    assert found.cost == Band.sure(D(0))


def test_storage_is_in_the_total_of_every_future() -> None:
    stored = Priced(Create(Address("volume", "v"), after=volume("v", 1000)))
    with_it, without = (
        what_if(planned(change("a", "30"), *more), STREAMS, CATALOGUE, 24, 10) for more in ((stored,), ())
    )
    assert with_it.storage == D("0.08") * 1000 / 730 * 24
    assert [a - b for a, b in zip(with_it.costs, without.costs, strict=True)] == pytest.approx(
        [float(with_it.storage)] * 10
    )


def test_what_is_paid_in_a_day_stays_paid() -> None:
    """Of three days the band reaches further out, to what begins just before a spike; but its first day was paid."""
    streams = {(TYPE, "here"): Stream.of([(ago(336), D(10)), (ago(200), D(30)), (ago(120), D(10))], NOW, reserve=D(8))}
    plan = planned(change("a", "15"), change("b", "15", 2))
    day, three = (what_if(plan, streams, CATALOGUE, hours, 100) for hours in (24, 72))
    for sooner, later in ((day, three), *zip(day.bids, three.bids, strict=True)):
        assert sooner.cost.p10 is not None and later.cost.p10 is not None and later.cost.p50 is not None
        assert 0 < sooner.cost.p10 * D("0.5") < later.cost.p10 <= later.cost.p50  # the paths are not the same ones


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    what_if(planned(change("a", "30")), STREAMS, CATALOGUE, 24, 10, lambda done, all_: told.append((done, all_)))
    assert told == [(n, 10) for n in range(1, 11)]


# ---- what people and machines read ------------------------------------------------------------------------


def test_every_future_is_in_the_histogram_once() -> None:
    found = what_if(planned(change("a", "30", 16), change("b", "12", 8)), STREAMS, CATALOGUE, 24, 50)
    rows = block(found)["histogram"]
    assert sum(row["futures"] for row in rows) == 50
    assert all(row["below"] == after["from"] for row, after in pairwise(rows))
    assert D(rows[0]["from"]) <= D(str(min(found.costs))) + D("0.01")


def test_a_cost_that_is_always_the_same_needs_no_picture() -> None:
    streams = {(TYPE, "here"): Stream.of(flat("8"), NOW, reserve=D(8))}
    prices = full(spot=D(8), available=20, win_price=D(8), lowest_allocated=D(8))
    body = block(what_if(planned(change("a", "30", prices=prices)), streams, CATALOGUE, 24, 10))
    assert body["histogram"] == []
    assert body["bids"][0]["cost"] == dict.fromkeys(("p10", "p50", "p90", "expected"), "192.00")
    assert "in all futures, 100% of the time; never preempted" in text_of(body, Paint())


def test_bars() -> None:
    assert bars([8, 4, 1, 0], 2) == ["██", "█", "▎", ""]
    assert bars([8, 4, 1, 0], 2, ascii=True) == ["##", "#", "#", ""]
    assert bars([], 5) == [] and bars([0], 5) == [""]


def task(name: str = "train", limit: str = "40") -> str:
    duration = "{nearest_estimated_duration: 5}"
    return task_text(name, limit, region="us-central1-a", num_instances=4, advanced=duration)


def test_a_plan_with_what_if(place: Place) -> None:
    place.write(task() + task("sweep", "35"))
    text = place.ok("plan", "--what-if")
    assert "What if: 24 hours in 200 simulated futures" in text
    assert "its 5 hours of work finish by then in" in text
    assert max(map(len, text.splitlines())) <= 80
    assert text == place.ok("plan", "--what-if", "24h")
    body = json.loads(place.ok("plan", "--what-if", "6h", "--format", "json"))["what_if"]
    assert (body["hours"], body["futures"]) == (6.0, 200)
    assert [one["address"] for one in body["bids"]] == ["bid.sweep", "bid.train"]
    low, middle, high, worst = (D(body["cost"][name]) for name in ("p10", "p50", "p90", "worst"))
    assert 0 <= low <= middle <= high <= worst == (40 + 35) * 4 * 6
    assert "what_if" not in json.loads(place.ok("plan", "--format", "json"))


def test_what_is_live_already_is_asked_about_too(place: Place) -> None:
    place.write(task())
    place.ok("apply", "--auto-approve")
    text = place.ok("plan", "--what-if")
    assert "No changes." in text and "bid.train" in text.partition("What if")[2]


def test_a_saved_plan_keeps_it_and_is_not_made_stale_by_it(place: Place) -> None:
    place.write(task())
    shown = place.ok("plan", "--what-if", "--out", "p.json")
    assert place.ok("show", "p.json").partition("What if")[2] == shown.partition("What if")[2] != ""
    with place.simulator() as simulator:
        simulator.advance(3600)  # other prices, another outcome
    assert "Apply complete: 1 added" in place.ok("apply", "p.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--what-if", "soon"), "--what-if: 'soon' is not a duration"),
        (("--what-if", "flowplan.yaml"), "put a PATH before it"),
        (("--what-if", "8d"), "is not between 1h and 7d"),
        (("--what-if", "30s"), "is not between 1h and 7d"),
        (("--what-if", "--destroy"), "--what-if cannot be combined with --destroy"),
    ],
)
def test_what_it_does_not_take(place: Place, arguments: tuple[str, ...], said: str) -> None:
    place.write(task())
    result = place.run("plan", *arguments)
    assert result.code == 64 and said in " ".join(result.err.split()), result


def test_of_no_bids_there_is_nothing_to_simulate() -> None:
    body = block(what_if(planned(), {}, CATALOGUE, 24, 10))
    assert (body["bids"], body["auctions"], body["cost"]["expected"]) == ([], [], "0.00")
    assert text_of(body, Paint()) == "What if: 24 hours in 10 simulated futures: there are no bids."


def test_what_takes_long_is_told_on_stderr_in_plain_lines_when_piped(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowplan.cli.simulating._PATIENCE", 0.0)
    place.write(task())
    result = place.run("plan", "--what-if")
    assert result.err.startswith("simulating: 0%, 0 s\n") and "\r" not in result.err
    assert "simulating" not in result.out


# ---- against the simulator, whose truth is known ------------------------------------------------------------


def test_what_was_paid_lies_within_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One market: four auctions, three bids in each of them. tests/cost/what_if_truth.py measures many markets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(what_if_truth, "AUCTIONS", what_if_truth.AUCTIONS[:4])
    found = list(what_if_truth.cases(31, many=True))
    bids = [case for kind, case in found if kind == "bid"]
    inside = sum(case.what_if[0] - 1e-4 <= case.paid <= case.what_if[2] + 1e-4 for case in bids)
    assert len(bids) == 12 and inside >= 6
    (plan,) = (case for kind, case in found if kind == "plan")
    assert plan.what_if[3] == pytest.approx(plan.paid, rel=0.2)
    assert plan.what_if[2] - plan.what_if[0] < plan.paid / 2  # it says something
