"""Bids of one plan for several sizes of one pool of GPUs: what a plan says, and what a simulated auction then does."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import attrs
import pytest

from flowplan.cost.competing import pools
from flowplan.cost.estimate import auctions_needed, priced
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Create, NoOp, Update
from flowplan.planning.desired import Desired
from flowplan.pricing.book import Book, Common, Wish
from flowplan.pricing.entry import Estimate, Market
from flowplan.pricing.sizes import asked_about
from flowplan.simulator import Simulator
from flowplan.simulator.auctions import catalogue
from tests.builders import live, plan_to, state
from tests.conftest import Place
from tests.pricing.simulated import COVERED, Client, D, costs_by, drawn, seen, sized
from tests.texts import task_text
from tests.work import lines_of


class Came(NamedTuple):
    """What a plan said of a bid, and what came of it: whether it was allocated, and the price of an instance."""

    said: Estimate
    won: bool
    paid: Decimal


def place_all(client: Client, changes: Sequence[Create]) -> None:
    for change in changes:
        one = change.after
        assert isinstance(one, Bid)
        client.place(one.name, client.market(one.instance_type, one.region, one.instance_quantity), one.limit_price)


def came(seed: int, hours: int) -> Iterator[Came]:
    """Of the bids of a plan for each pool of several sizes, in a market of its own; then of a plan with new ones beside
    those, which have won, wait, or are on notice."""
    chosen = random.Random(f"{seed}:{hours}")
    pools = [pool for pool in catalogue.POOLS if len(pool.types) > 1]
    with Simulator.open(":memory:", seed=seed) as simulator:
        simulator.advance(hours * 3600)
        client = Client(simulator)
        there: dict[catalogue.Pool, list[Create]] = {pool: [] for pool in pools}
        for time in ("first", "then"):
            for pool in pools:
                new = drawn(chosen, client, pool, time)
                statuses = client.bids()
                old = []
                for change in there[pool]:
                    id, status = statuses[change.address.name]
                    old.append(NoOp(change.address, before=change.after, after=change.after, id=id, status=status))
                said = costs_by(client, [*old, *new])
                place_all(client, new)
                there[pool] += new
                statuses = client.bids()
                for one in said:
                    assert isinstance(one.change.after, Bid) and one.cost is not None
                    spot = client.market(one.change.after.instance_type, pool.region, 1).spot
                    assert spot is not None
                    yield Came(one.cost, statuses[one.change.address.name][1] == "Allocated", spot)
            simulator.advance(120)


@pytest.mark.parametrize("seeds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_what_a_plan_says_of_several_sizes_of_one_pool_is_what_the_auction_does(seeds: int) -> None:
    """That they run, or wait, is said where it is certain, and no price lies where it is not said to."""
    found = [one for seed in range(1, seeds + 1) for one in came(seed, seed * 7 % 48)]
    running = [one for one in found if one.said.outlook == "runs"]
    waiting = [one for one in found if one.said.outlook == "waits"]
    inside = sum(
        one.said.entry.low <= one.paid <= one.said.entry.high
        for one in running
        if one.said.entry.low is not None and one.said.entry.high is not None
    )
    exact = sum(one.said.entry.point == one.paid for one in running)
    lost, won = sum(not one.won for one in running), sum(one.won for one in waiting)
    print(f"{inside} of {len(running)} in the range, {exact} at the price; of {len(found)} {lost} lost, {won} won")
    assert len(running) > 0.7 * len(found) and len(waiting) > 0.05 * len(found)
    assert lost <= 0.002 * len(running) and won <= 0.02 * len(waiting)
    assert inside >= COVERED * len(running)
    assert exact > 0.7 * len(running)


# ---- by hand ----------------------------------------------------------------------------------------------


def costs(bids: Sequence[Bid], *markets: Market, held: Bid | None = None) -> list[Estimate]:
    """What `held`, which is allocated, and new `bids` cost side by side."""
    changes: list[Change] = (
        [NoOp(Address("bid", "held"), before=held, after=held, id="bid_1", status="Allocated")] if held else []
    )
    changes += [Create(Address("bid", f"{one.name}-{n}"), after=one) for n, one in enumerate(bids)]
    known = {(one.instance_type, one.region, one.quantity): one for one in markets}
    return [one.cost for one in priced(plan_to(*changes), known).changes if one.cost is not None]


def test_a_size_that_pushes_others_out_makes_the_other_dearer() -> None:
    """8 GPUs alone from 24.01, 9 from 3.11 each: whom they push out last bids 3.10 a GPU, and both pay that."""
    eight, one = costs(
        [sized(8, "40"), sized(1, "9")],
        seen(8, 1, "16", "24.01"),
        seen(1, 1, "2", "2.05"),
        seen(1, 9, "2", "3.11"),
    )
    assert (eight.outlook, eight.entry.point) == ("runs", D("24.80"))
    assert (one.outlook, one.entry.point) == ("runs", D("3.10"))
    assert one.alone is not None and "self_competition" in one.warnings


@pytest.mark.parametrize("limits", [("20", "10"), ("10", "20")])
def test_where_one_of_yours_bids_less_than_the_price_of_now_all_of_yours_may_pay_as_little_as_the_reserve(
    limits: tuple[str, str],
) -> None:
    """There is room for both. The price falls below the 13 of now, to what nobody can tell, and all pay the same."""
    markets = [seen(8, many, "13", win, free=16) for many, win in ((1, "8"), (2, "8"), (3, "20"))]
    found = costs([sized(8, limit) for limit in limits], *markets)
    assert [(one.outlook, one.entry.low, one.entry.point) for one in found] == [("runs", D(8), D(10))] * 2


def test_a_bid_that_may_have_what_is_left_over_is_unknown_and_one_that_cannot_waits() -> None:
    """One rival has all of the eight GPUs: whoever outbids him leaves over what he does not take."""
    four = sized(4, "40")
    alone = seen(4, 1, "8", "12.01"), seen(2, 1, "4", "6.01"), seen(4, 2, "8", "12.01")
    left = costs([four, sized(2, "5")], *alone, seen(2, 3, "4", "6.01"))
    assert [one.outlook for one in left] == ["runs", "unknown"]
    assert left[1].now is None and left[1].warnings == ("self_competition",)
    none = costs([four, sized(2, "7")], *alone, seen(2, 3, "4", "8.01"))
    assert [one.outlook for one in none] == ["runs", "waits"]
    assert none[1].now == 0


def test_one_that_holds_what_others_take_is_unknown_unless_its_limit_is_above_theirs() -> None:
    markets = seen(8, 1, "16", "24.01"), seen(1, 1, "2", "2.05"), seen(1, 9, "2", "3.11")
    for limit, outlook in (("2.10", "unknown"), ("3.10", "unknown"), ("3.11", "runs")):
        held, *_ = costs([sized(8, "40"), sized(1, "9")], *markets, held=sized(1, limit))
        assert held.outlook == outlook, limit
    above = seen(1, 10, "2", "4.01")  # one more takes more: so nothing is left over
    held, *_ = costs([sized(8, "40"), sized(1, "9")], *markets, above, held=sized(1, "2.10"))
    assert (held.outlook, held.now) == ("waits", 2)  # charged until it is preempted


RAISED = sized(1, "4")  # from 2.05: until now whoever takes 8 GPUs pushes it out


def raised(before: str, *markets: Market) -> tuple[Estimate, Estimate]:
    """A new bid for 8 GPUs, and one that holds one of them and whose limit becomes that of RAISED."""
    was = attrs.evolve(RAISED, limit_price=D(before))
    changes: list[Change] = [
        Create(Address("bid", "new"), after=sized(8, "40")),
        Update(Address("bid", "held"), before=was, after=RAISED, fields=(), id="bid_1", status="Allocated"),
    ]
    known = {(one.instance_type, one.region, one.quantity): one for one in markets}
    new, held = (one.cost for one in priced(plan_to(*changes), known).changes)
    assert new is not None and held is not None
    asked = auctions_needed(Desired({one.address: one.after for one in changes if one.after}), state(), live(), changes)
    assert ("gpu.1x", RAISED.region, 9) in asked
    return new, held


def test_one_whose_limit_is_raised_takes_its_place_from_others() -> None:
    """Prices count it at its old limit, among the eight GPUs that 24.01 wins: with it, nine have to be won."""
    alone = seen(8, 1, "16", "24.01"), seen(1, 1, "2", "2.05")
    new, held = raised("2.05", *alone, seen(1, 9, "2", "3.11"))
    assert (new.entry.point, held.entry.point, held.entry.basis) == (D("24.80"), D("3.10"), "holding")
    new, held = raised("2.05", *alone)  # what nine win with is not known
    assert (held.outlook, held.now, new.entry.high) == ("unknown", None, D(32))
    new, held = raised("3.11", *alone, seen(1, 9, "2", "3.11"))  # nobody would have pushed it out
    assert (new.entry.point, held.entry.point) == (D(24), D(3))


def test_a_large_one_that_waits_above_a_winner_of_yours_does_not_set_its_price() -> None:
    """It is passed over. By the other reading of the rule it would, up to the lowest limit that wins."""
    known = seen(8, 1, "16", "30.01"), seen(1, 1, "2", "2.05"), seen(1, 9, "2", "3.90")
    for others, lowest in ((known, "2.90"), ((*known, seen(1, 2, "2", "2.50")), "2.50")):  # yours, or another's
        waits, runs = costs([sized(8, "24"), sized(1, "2.90")], *others)
        assert (waits.outlook, runs.outlook) == ("waits", "runs")
        assert (runs.entry.point, runs.ambiguous) == (D("2.04"), (D("2.04"), D(lowest)))


def test_many_bids_that_all_win_are_not_unknown_for_their_number() -> None:
    """More limits than are asked about: what all of them win with is enough for each."""
    bids = [sized(gpus, f"{gpus * (90 - n)}") for n, gpus in enumerate((1, 2, 4, 8) * 5)]
    changes = [Create(Address("bid", str(n)), after=one) for n, one in enumerate(bids)]
    keys = auctions_needed(Desired({one.address: one.after for one in changes}), state(), live(), changes)
    assert len(keys) <= 4 + 2 * 8 + 4 * 5
    gpus = {one.instance_type: one.gpus or 1 for one in bids}
    wins = [seen(gpus[kind], n, str(2 * gpus[kind]), str(3 * gpus[kind]), total=128) for kind, _, n in keys]
    assert {one.outlook for one in costs(bids, *wins)} == {"runs"}


def test_bids_that_find_room_pay_what_they_would_alone() -> None:
    """To the last digit, in each size, with one that never wins and one that is paused beside them."""
    markets = [seen(gpus, n, str(gpus), str(gpus), free=32) for gpus in (1, 8) for n in (1, 2, 9)]
    bids = [sized(8, "40"), sized(1, "9"), sized(1, "0.50"), attrs.evolve(sized(8, "90", 2), paused=True)]
    together, apart = costs(bids, *markets), [costs([one], *markets)[0] for one in bids]
    assert [one.outlook for one in together] == ["runs", "runs", "cannot_win", "paused"]
    assert [(one.now, one.worst, one.entry, one.alone) for one in together] == [
        (one.now, one.worst, one.entry, one.alone) for one in apart
    ]


def test_where_minima_contradict_each_other_each_size_has_its_own() -> None:
    eight, ones = seen(8, 1, "16", "16", free=32), [seen(1, n, "2", "2", free=32) for n in (1, 2, 9)]
    dearer = attrs.evolve(eight, minimum=D(40))
    above, below = (costs([sized(8, limit), sized(1, "9")], dearer, *ones)[0] for limit in ("90", "30"))
    assert (above.outlook, above.entry.point) == ("runs", D(40))
    assert (below.outlook, below.entry.point) == ("cannot_win", None)


def test_what_a_larger_size_wins_with_is_asked_in_the_size_that_comes_out_even() -> None:
    wishes = [Wish(D(40), 1, 8), Wish(D(9), 1, 1), Wish(D(16), 1, 4)]
    assert asked_about(wishes, [], [], 8, 256) == [(1, 1), (1, 2), (1, 9), (1, 10), (1, 13), (1, 14)]
    assert asked_about(wishes, [], [], 1, 256) == [(1, 13), (1, 14)]  # what all win with is enough for each
    many = [Wish(D(80 - n), 1, 1 + n % 2) for n in range(40)]  # those of 1 GPU bid more for each
    assert asked_about(many, [], [], 2, 256) == [(2, 10), (1, 21), (2, 30), (1, 61)]
    even = [Wish(D(40), 1, 8), Wish(D(9), 4, 2), Wish(D(16), 1, 4)]
    assert asked_about(even, [], [], 8, 256) == [(8, 1), (2, 5), (8, 2), (2, 9), (4, 5), (2, 11)]
    assert asked_about([Wish(D(80), 200, 8), Wish(D(9), 1, 1)], [], [], 8, 256) == [
        (8, 200),
        (8, 201),
    ]  # 1,601 are too many
    assert asked_about([Wish(D(80), 256, 8), Wish(D(9), 1, 1)], [], [], 8, 256) == [(8, 256)]  # of more nobody can ask


def test_many_bids_of_which_each_is_changed_are_no_work_for_each_three_of_them() -> None:
    """What each leaves is counted once for each limit, both where it is asked about and where it may be taken."""

    def asked(count: int) -> None:
        wishes, held = ([Wish(D(200 + n - less), 1, 8) for n in range(count)] for less in (7, 0))
        assert asked_about(wishes, [], held, 8, 256)

    def left(count: int) -> None:
        book = Book(Common.of([8]), [(8, seen(8, 1, "16", "900"))])
        places = [Wish(D(200 + n), 1, 8) for n in range(count)]
        above = [(D(300 + count - n), 1) for n in range(count)]
        changed = book.without(places)
        assert not any(changed.is_contested(0, one.limit_price, above) for one in places)

    for work in (asked, left):
        one, two, four = (lines_of(partial(work, n)) for n in (40, 80, 160))
        assert four - two <= 4.2 * (two - one)


def test_limits_compare_per_gpu_to_the_last_fraction_of_a_cent() -> None:
    common = Common.of([1, 8])
    assert (common.price(D("1.01"), 1), common.price(D("8.05"), 8)) == (D("8.08"), D("8.05"))
    assert common.of_instance(D("8.01"), 1) == D("1.01")  # rounded up, as prices are
    assert common.of_instance(D("8.05"), 8) == D("8.05")
    assert Common.of([4]).of_instance(D("3.33"), 4) == D("3.33")


@pytest.mark.parametrize(
    ("other", "shares"),
    [
        (seen(1, 1, "2", "2.05"), True),
        (seen(1, 1, "2", "2.05", total=71), True),  # seven GPUs are no instance of eight
        (seen(1, 1, "2", "2.05", total=72), False),
        (seen(1, 1, "2.01", "2.05"), False),  # of one auction it is never more than a cent above its share
        (seen(1, 1, "1.99", "2.05"), False),
        (attrs.evolve(seen(1, 1, "2", "2.05"), total=None), False),
        (seen(1, 1, "2", "2.05", free=7), True),
        (seen(1, 1, "2", "2.05", free=8), False),  # on other machines: there is no room for eight
    ],
)
def test_sizes_are_of_one_pool_where_stock_and_price_are_the_same(other: Market, shares: bool) -> None:
    bids = [("a", sized(8, "40")), ("b", sized(1, "9"))]
    markets = {("gpu.8x", "r", 1): seen(8, 1, "16", "24.01"), ("gpu.1x", "r", 1): other}
    assert len(pools(bids, markets)) == (1 if shares else 2)
    away = [bids[0], ("b", attrs.evolve(bids[1][1], region="s"))]
    assert len(pools(away, {**markets, ("gpu.1x", "s", 1): attrs.evolve(other, region="s")})) == 2


def test_two_types_of_one_size_are_other_machines() -> None:
    bids = [("a", sized(8, "40")), ("b", attrs.evolve(sized(8, "40"), instance_type="other"))]
    one = seen(8, 1, "16", "24.01")
    assert len(pools(bids, {("gpu.8x", "r", 1): one, ("other", "r", 1): attrs.evolve(one, instance_type="other")})) == 2


def test_a_plan_says_once_for_all_sizes_what_they_do_to_each_other(place: Place) -> None:
    place.write(
        task_text("large", "60", "a100.8x", "us-central1-a") + task_text("small", "9", "a100.1x", "us-central1-a")
    )
    out = " ".join(place.ok("plan").split())
    assert re.search(
        r"warning: a100-80gb.sxm.1x and a100-80gb.sxm.8x in us-central1-a: your own bids compete: bid.small would pay "
        r"about \$4\.29 instead of \$4\.23, \$0\.06 an hour more",
        out,
    )
    assert out.count("against each other") + out.count("your own bids compete") == 1
    said = {
        one["name"]: one["cost"]["entry_price"]
        for one in json.loads(place.ok("plan", "--format", "json"))["resource_changes"]
        if one["type"] == "bid"
    }
    place.ok("apply", "--auto-approve")
    for one in json.loads(place.ok("status", "--format", "json"))["bids"]:
        entry = said[one["name"]]
        assert D(entry["low"]) <= D(one["last_price"]) <= D(entry["high"])


def test_three_sizes_are_named_in_one_list(place: Place) -> None:
    sizes = (("large", "60", "8x"), ("middle", "15", "2x"), ("small", "9", "1x"))
    place.write("".join(task_text(name, limit, f"a100.{size}", "us-central1-a") for name, limit, size in sizes))
    out = " ".join(place.ok("plan").split())
    assert "a100-80gb.sxm.1x, a100-80gb.sxm.2x and a100-80gb.sxm.8x in us-central1-a: " in out
