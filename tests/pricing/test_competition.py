"""Several bids of one's own in one auction: who wins, the one price that all pay, and what a plan says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from random import Random

import attrs
import pytest

from flowplan.cost.estimate import priced
from flowplan.cost.warnings import warned, warnings_of
from flowplan.model.address import Address
from flowplan.planning.actions import Create
from flowplan.planning.plan import Plan
from flowplan.pricing.auction import Clearing, Order, clear
from flowplan.pricing.competition import stairs
from flowplan.pricing.entry import Estimate, Market, estimate
from flowplan.pricing.sizes import side_by_side
from flowplan.pricing.units import CENT
from tests.builders import bid, costs_of, market, plan_to, with_past
from tests.conftest import Place
from tests.texts import task_text

D = Decimal


def public(capacity: int, reserve: Decimal, book: Sequence[Order], quantity: int) -> Market:
    """What `pricing/current` shows of a book."""
    cleared = clear(capacity, reserve, book)
    used = sum(order.quantity for order in book if order.id in cleared.winners)
    limits = sorted({reserve, *(order.limit_price + CENT for order in book)})
    wins = (
        limit
        for limit in limits
        if limit >= reserve and "me" in clear(capacity, reserve, [*book, Order("me", limit, quantity, 99)]).winners
    )
    spot = reserve if cleared.price is None else cleared.price
    left = capacity - used
    return Market("it", "r", quantity, spot, reserve, cleared.lowest_allocated, next(wins, None), left, capacity)


def placed(
    capacity: int, reserve: str, rivals: Sequence[Order], held: Sequence[Order], new: Sequence[Order]
) -> tuple[list[Estimate], list[Estimate], Clearing]:
    """The estimates of `held` and `new` side by side, those of each alone, and what becomes of them."""
    book = [*rivals, *held]
    winners = clear(capacity, D(reserve), book).winners
    alone = [
        estimate(
            public(capacity, D(reserve), book, order.quantity),
            order.limit_price,
            order.quantity,
            gpus=1,
            paused=False,
            holding=order.id in winners,
        )
        for order in (*held, *new)
    ]
    markets = [(1, public(capacity, D(reserve), book, quantity)) for quantity in range(1, capacity + 2)]
    found = side_by_side(alone, markets, older=[True] * len(held) + [False] * len(new))
    return found, alone, clear(capacity, D(reserve), [*book, *new])


def orders(text: str, age: int) -> list[Order]:
    """`A23 B21x2` -> orders, the older first."""
    found = []
    for index, word in enumerate(text.split()):
        limit, _, quantity = word[1:].partition("x")
        found.append(Order(word[0], D(limit), int(quantity or 1), age + index))
    return found


# capacity, reserve, rivals, held, new -> outlook and price of each own bid
VECTORS = {
    "the loser sets the winner's price": (1, "1", "R9", "", "A20 B12", [("runs", "12"), ("waits", None)]),
    "without the second": (1, "1", "R9", "", "A20", [("runs", "9")]),
    "chunks: one loses, the others pay the limit": (
        2, "1", "R5", "", "A14.99 B14.99 C14.99", [("unknown", None)] * 3
    ),
    "of chunks that fit none loses": (4, "1", "R5", "", "A14.99 B14.99 C14.99", [("runs", "1")] * 3),
    "two displaced: both pay the higher": (3, "1", "R9 S8 T7", "", "A20 B20", [("runs", "8")] * 2),
    "room for one, the other displaces": (2, "1", "R9", "", "A20 B15", [("runs", "9")] * 2),
    "a new one raises the price of what runs": (2, "1", "R9 S8", "H20", "A15", [("runs", "9"), ("runs", "9")]),
    "a new one pushes one's own out": (1, "1", "R5", "H9", "A20", [("unknown", None), ("runs", "9")]),
    "it may push out another of that limit": (2, "1", "R9", "H9", "A20", [("unknown", None), ("runs", "9")]),
    "it pushes out another of a lower one": (2, "1", "R8", "H9", "A20", [("runs", "8"), ("runs", "8")]),
    "nobody knows which of two pushes it out": (2, "1", "R9", "H5", "A7 B7", [("unknown", None)] * 3),
    "a new one that loses raises the price": (1, "1", "R9", "H20", "A19", [("runs", "19"), ("waits", None)]),
    "below the price of now it wins what is free": (
        5, "1", "R20x3 S15x2", "H18", "A10", [("runs", "10"), ("runs", "10")]
    ),
    "two of them pay no more than the lower limit": (
        6, "1", "R20x3 S15x4", "", "A10 B9", [("runs", "9"), ("runs", "9")]
    ),
    "one passed over": (3, "1", "R20x2", "H10", "A15x2", [("runs", "1"), ("waits", None)]),
}  # fmt: skip
BOOKS = [1000, pytest.param(10_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    capacity, reserve, rivals, held, new, expected = VECTORS[name]
    found, _, _ = placed(capacity, reserve, orders(rivals, 0), orders(held, 50), orders(new, 100))
    assert [(one.outlook, one.entry.point) for one in found[: len(expected)]] == [
        (outlook, None if point is None else D(point)) for outlook, point in expected
    ]


@pytest.mark.parametrize("books", BOOKS)
def test_with_one_instance_each_it_is_right_wherever_it_says_something(books: int) -> None:
    """Alone, each estimate would be wrong of every fourth bid that it says runs."""
    exact = within = wrong_alone = unknown = 0
    for seed in range(books):
        random = Random(seed)
        capacity, reserve = random.randint(1, 8), random.randint(1, 8)

        def some(many: int, name: str, age: int, least: int, random: Random = random) -> list[Order]:
            return [Order(f"{name}{n:02}", D(random.randint(least, 35)), 1, age + n) for n in range(many)]

        rivals, held = some(random.randint(0, 12), "r", 0, 1), some(random.randint(0, 2), "h", 50, reserve)
        new = some(random.randint(2, 4), "n", 100, reserve)
        found, alone, after = placed(capacity, str(reserve), rivals, held, new)
        for order, one, was in zip((*held, *new), found, alone, strict=True):
            won = order.id in after.winners
            wrong_alone += was.outlook == "runs" and (not won or was.entry.point != after.price)
            if one.outlook == "waits":
                assert not won, (seed, order)
            elif one.outlook == "unknown":
                unknown += 1
            else:
                assert won, (seed, order)
                assert after.price is not None and one.entry.low is not None and one.entry.high is not None
                assert one.entry.low <= after.price <= one.entry.high, (seed, order)
                exact += one.entry.point == after.price
                within += one.entry.point != after.price
    print(f"exact {exact}, within the range {within}, unknown {unknown}; alone {wrong_alone} wrong")
    assert exact > 9 * (within + unknown)
    assert wrong_alone > exact / 4


@pytest.mark.parametrize("books", BOOKS)
def test_what_competing_costs_is_always_something(books: int) -> None:
    """Where whole bids of several instances are pushed out, too, nobody pays less beside others than alone."""
    dearer = 0
    for seed in range(books):
        random = Random(seed)
        rivals = [Order(f"r{n}", D(random.randint(1, 20)), random.randint(1, 4), n) for n in range(8)]
        new = [Order(f"n{n}", D(random.randint(18, 30)), random.randint(1, 3), 100 + n) for n in range(2)]
        found, alone, _ = placed(8, "1", rivals, [], new)
        for one, was in zip(found, alone, strict=True):
            if one.outlook != "runs" or was.outlook != "runs" or one.entry.point is None or was.entry.point is None:
                continue
            dearer += one.entry.point > was.entry.point
            assert one.entry.point >= was.entry.point, (seed, one, was)
            assert (one.alone is not None) == (one.entry.point > was.entry.point), (seed, one, was)
            assert ("self_competition" in one.warnings) == (one.alone is not None)
    assert dearer > books / 30


def test_your_own_bids_are_named_in_natural_order() -> None:
    changes = tuple(Create(Address("bid", name), after=bid(name, "14.99")) for name in ("a-10", "a-2", "a-1"))
    plan = priced(plan_to(*changes), {("it", "r", n): public(2, D(1), orders("R5", 0), n) for n in (1, 3)})
    (text,) = said(plan, "self_competition")
    assert "bid.a-1, bid.a-2 and bid.a-10 may not all win" in text


def test_what_is_asked_about_for_them() -> None:
    assert stairs([(D(10), 1), (D(20), 2), (D(10), 4)]) == [2, 7]
    assert stairs([(D(10), 1)] * 40) == [40]
    assert stairs([]) == []


def test_of_chunks_that_do_not_all_fit_the_price_is_told() -> None:
    changes = tuple(Create(Address("bid", name), after=bid(name, "14.99")) for name in "abc")
    markets = {("it", "r", n): public(2, D(1), orders("R5", 0), n) for n in (1, 3)}
    plan = priced(plan_to(*changes), markets)
    (text,) = said(plan, "self_competition")
    assert "bid.a, bid.b and bid.c may not all win; those that do pay up to $14.99, instead of $1.00 alone" in text
    assert plan.totals.planned.now is None  # unknown, never what each would cost alone


def test_what_was_not_asked_about_is_unknown() -> None:
    market = public(2, D(1), orders("R9 S8", 0), 1)
    alone = [estimate(market, D(limit), 1, gpus=1, paused=False, holding=False) for limit in (20, 15)]
    found = side_by_side(alone, [(1, market)])
    assert [one.outlook for one in found] == ["runs", "unknown"]
    assert found[0].entry.high == 15  # the other may lose and set the price


def test_one_as_large_as_one_that_bids_more_and_waits_waits_too() -> None:
    """Whatever is left over by whom A pushes out: it is less than B asks for."""
    found, _, after = placed(4, "1", orders("R9x2 S7x2", 0), [], orders("A20 B8x3 C5 D4x3", 100))
    assert [one.outlook for one in found] == ["runs", "waits", "unknown", "waits"]
    assert set(after.winners) == {"A", "R", "C"}


def test_where_prices_contradict_each_other_nobody_pays_less_than_the_minimum() -> None:
    market = attrs.evolve(public(4, D(8), orders("R9 S9", 0), 1), spot=D(5))
    alone = [estimate(market, D(20), 1, gpus=1, paused=False, holding=holding) for holding in (True, False)]
    earlier = attrs.evolve(market, quantity=2, minimum=D(7), win_price=None)
    assert {one.entry.point for one in (*alone, *side_by_side(alone, [(1, earlier), (1, market)]))} == {D(8)}


def test_a_large_one_passed_over_makes_the_price_ambiguous() -> None:
    """V11: whether B, which does not fit, sets the price of A and C is not documented."""
    found, _, after = placed(3, "1", orders("R20x2 D9", 0), orders("C10", 50), orders("B15x2", 100))
    assert after.ambiguous == (D(9), D(10))
    assert found[0].ambiguous == (D(9), D(10))
    assert "price_ambiguous" in found[0].warnings
    assert (found[0].entry.point, found[0].entry.high) == (D(9), D(10))


def test_paused_bids_and_those_that_never_win_do_not_compete() -> None:
    market = public(1, D(8), orders("R9", 0), 1)
    runs, paused, never = (
        estimate(market, D(limit), 1, gpus=1, paused=pause, holding=False)
        for limit, pause in ((20, False), (30, True), (7, False))
    )
    assert side_by_side([runs, paused, never], [(1, market)]) == [runs, paused, never]


# ---- what a plan says -------------------------------------------------------------------------------------


CALM = market(as_of="2026-03-01T12:00:00Z")


def said(plan: Plan, detail: str) -> list[str]:
    return [one.summary for one in warned(plan) if one.word == detail]


def test_old_prices_are_told_with_their_age() -> None:
    old = attrs.evolve(CALM, as_of="2026-03-01T11:48:30Z")
    plan = with_past(costs_of(bid("a", "20"), bid("b", "20"), prices=old), (336, "8"))
    assert said(plan, "stale_market") == [
        "h100 in r: the prices are from 2026-03-01T11:48:30Z, 11 minutes older than the rest of the answers"
    ]
    assert "stale_market" in [one.word for one in warnings_of(plan.changes[0])]
    fresh = attrs.evolve(CALM, as_of="2026-03-01T11:55:30Z")
    assert said(with_past(costs_of(bid("a", "20"), prices=fresh), (336, "8")), "stale_market") == []


def test_a_past_that_ends_elsewhere_is_told_with_both_prices() -> None:
    plan = with_past(costs_of(bid("a", "20"), prices=CALM), (336, "8"), (30, "12"))
    assert said(plan, "stale_market") == [
        "h100 in r: past prices end 30.0 hours ago at $12.00, but the price now is $8.00"
    ]
    just_moved = with_past(costs_of(bid("a", "20"), prices=CALM), (336, "8"), (0.05, "12"))
    assert said(just_moved, "stale_market") == []
    # The forecast begins at the price of now.
    assert plan.changes[0].forecast is not None
    assert plan.changes[0].forecast.price_paid.p50 == 8


def test_a_price_that_moves_much_is_told_with_its_band() -> None:
    spikes = [(float(hours), "60" if hours % 120 < 10 else "8") for hours in range(336, 0, -2)]
    plan = with_past(costs_of(bid("a", "99"), prices=CALM), *spikes, (0.5, "8"))
    (text,) = said(plan, "volatile")
    found = plan.changes[0].forecast
    assert found is not None and found.cost.p50 is not None and found.cost.p90 is not None
    assert f"${found.cost.p50:,.2f}" in text and f"${found.cost.p90:,.2f}" in text
    assert said(with_past(costs_of(bid("a", "99"), prices=CALM), (336, "8")), "volatile") == []


def test_a_tie_is_one_only_where_it_decides() -> None:
    full = attrs.evolve(CALM, spot=D(10), available=0, lowest_allocated=D(12), win_price=D("12.01"))
    assert said(costs_of(bid("a", "12"), prices=full), "tie") == [
        "bid.a: the limit $12.00 equals the lowest winning one; the older bid wins a tie"
    ]
    assert said(costs_of(bid("a", "12"), prices=attrs.evolve(full, available=3)), "tie") == []
    assert said(costs_of(bid("a", "13"), prices=full), "tie") == []


def test_more_than_there_is_can_never_win_and_costs_nothing() -> None:
    plan = with_past(costs_of(bid("a", "20", quantity=8), bid("b", "20", quantity=8), prices=CALM), (336, "8"))
    assert said(plan, "all_or_nothing_too_large") == []
    small = attrs.evolve(CALM, total=6, available=6)
    plan = with_past(costs_of(bid("a", "20", quantity=8), prices=small), (336, "8"))
    assert said(plan, "all_or_nothing_too_large") == [
        "bid.a: 8 instances at once can never win: the whole auction has 6"
    ]
    assert (plan.totals.planned.now, plan.totals.planned.worst) == (0, 160)
    assert plan.forecast is not None and plan.forecast.planned.cost.p90 == 0


def write(place: Place, kind: str, region: str, **limits: str) -> None:
    place.write("".join(task_text(name, limit, kind, region) for name, limit in limits.items()))


def planned(place: Place, *arguments: str) -> dict[str, dict[str, object]]:
    body = json.loads(place.ok("plan", "--format", "json", *arguments))
    return {one["name"]: one["cost"] for one in body["resource_changes"] if one["type"] == "bid"}


def test_what_is_planned_for_bids_side_by_side_is_what_becomes_of_them(place: Place) -> None:
    """In a full auction: two displace somebody, the third, which alone would, does not."""
    write(place, "h200.8x", "us-central5-a", a="60", b="40", c="17")
    out = " ".join(place.ok("plan").split())
    assert (
        "warning: h200.8x in us-central5-a: your own bids compete: bid.a and bid.b would pay about $17.99 instead of "
        "$16.51, $2.96 an hour more; bid.c would wait, although it would run alone"
    ) in out
    assert "about $17.99 an hour now ($" in out
    range_said = re.search(
        r"the spot price is \$16\.33 per instance-hour, your own bids make it \$(\S+) to \$(\S+)", out
    )
    assert range_said is not None
    assert Decimal(range_said[1]) <= Decimal("17.99") <= Decimal(range_said[2])  # what is charged below
    costs = planned(place)
    assert {name: cost["outlook"] for name, cost in costs.items()} == {"a": "runs", "b": "runs", "c": "waits"}
    assert all("self_competition" in cost["warnings"] for cost in costs.values())  # type: ignore[operator]
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "3m")
    live = {
        one["name"]: one
        for one in json.loads(place.call("GET", "/v2/spot/bids?project=proj_Oy3BYDLrjLV2rAFI").body)["data"]
    }
    assert {name: one["status"] for name, one in live.items()} == {"a": "Allocated", "b": "Allocated", "c": "Open"}
    said = " ".join(place.ok("status").split())
    assert "charged $17.99 an hour ($17.99 per instance-hour, limit" in said
    assert "charged nothing: it waits, because winning takes a limit of $" in said


def test_bids_that_all_run_are_told_what_it_would_cost_if_one_lost(place: Place) -> None:
    write(place, "h100.8x.SXM5.IB", "us-central1-b", a="20", b="18", c="30")
    out = " ".join(place.ok("plan").split())
    assert (
        "note: h100-80gb.sxm.8x in us-central1-b: bid.b, bid.a and bid.c bid against each other; if bid.b loses, the "
        "others pay its limit: $18.00 instead of $8.00, $20.00 an hour more together"
    ) in out
    place.ok("apply", "--auto-approve")
    assert "against each other" not in place.ok("plan")
    write(place, "h100.8x.SXM5.IB", "us-central1-b", d="8.00", e="8.00")  # the price now: they pay it already
    assert "against each other" not in place.ok("plan")


def test_of_two_the_other_pays(place: Place) -> None:
    write(place, "h100.8x.SXM5.IB", "us-central1-b", a="20", b="18")
    out = " ".join(place.ok("plan").split())
    assert (
        "bid.b and bid.a bid against each other; if bid.b loses, the other pays its limit: $18.00 instead of $8.00, "
        "$10.00 an hour more"
    ) in out
    assert "$10.00 an hour more together" not in out


def test_a_price_that_is_asked_only_for_company_is_unknown_where_it_fails(place: Place) -> None:
    """What one wins with is asked first, what two win with then: without it nobody can tell whether both run."""
    write(place, "h200.8x", "us-central5-a", a="60", b="40")
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/current", "status", status=400, nth=2, times=1)
    found = place.run("plan", "--format", "json")
    assert "what bids of one auction cost side by side is unknown: GET /v2/pricing/current" in " ".join(
        found.err.split()
    )
    bids = [one for one in json.loads(found.out)["resource_changes"] if one["type"] == "bid"]
    costs = {one["name"]: one["cost"]["outlook"] for one in bids}
    assert (found.code, costs) == (0, {"a": "runs", "b": "unknown"})
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/current", "status", status=400, times=1)
    assert place.run("plan").code == 1  # what one wins with alone


def test_a_new_bid_raises_the_cost_of_one_that_runs(place: Place) -> None:
    write(place, "h200.8x", "us-central5-a", a="60")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "3m")
    write(place, "h200.8x", "us-central5-a", a="60", b="60")
    out = " ".join(place.ok("plan").split())
    assert "your own bids compete: bid.a would pay" in out
    assert "bid.a will" not in out  # it is not changed
