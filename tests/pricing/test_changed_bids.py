"""Plans that raise, lower, replace or end bids that run: what a plan says, and what a simulated auction then does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import attrs
import pytest

from flowplan.cost.estimate import auctions_needed, priced
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import After
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Create, CreateFirst, Delete, NoOp, Replace, Update
from flowplan.planning.desired import Desired
from flowplan.pricing.entry import Estimate, Market
from flowplan.pricing.units import CENT
from flowplan.simulator import Simulator
from flowplan.simulator.auctions import catalogue
from tests.builders import live, plan_to, state
from tests.pricing.simulated import COVERED, Client, costs_by, drawn, seen, sized

D = Decimal


class Came(NamedTuple):
    """What a plan said of a bid, and what came of it."""

    change: Change
    said: Estimate
    won: bool
    paid: Decimal

    @property
    def is_in_range(self) -> bool:
        entry = self.said.entry
        return entry.low is not None and entry.high is not None and entry.low <= self.paid <= entry.high


def changed(chosen: random.Random, client: Client, before: Bid, id: str, status: str) -> Change:
    """What a plan does to a bid that is there."""
    address = Address("bid", before.name)
    what = chosen.choice(("no-op", "no-op", "raise", "lower", "lower", "delete", "replace", "create first"))
    market = client.market(before.instance_type, before.region, before.instance_quantity)
    assert market.minimum is not None and market.spot is not None
    if what == "no-op":
        return NoOp(address, before=before, after=before, id=id, status=status)
    if what == "delete":
        return Delete(address, before=before, id=id, status=status)
    if what in ("replace", "create first"):
        quantity = max(1, before.instance_quantity + chosen.choice((-1, 0, 1)))
        limit = max(market.minimum, before.limit_price * D(chosen.choice(("0.9", "1", "1.1"))))
        after = attrs.evolve(before, instance_quantity=quantity, limit_price=limit.quantize(CENT))
        if what == "create first":
            return CreateFirst(
                address, before=before, after=attrs.evolve(after, name=f"{before.name}+"), id=id, status=status
            )
        return Replace(address, before=before, after=after, id=id, status=status)
    if what == "raise":
        limit = before.limit_price * D(chosen.choice(("1.01", "1.2", "2")))
    else:
        near = (market.spot, market.lowest_allocated or market.spot, market.win_price or market.spot)
        limit = chosen.choice((*near, before.limit_price)) * D(chosen.choice(("0.8", "0.97", "1", "1.01", "1.05")))
    limit = max(market.minimum, limit).quantize(CENT)
    return Update(
        address, before=before, after=attrs.evolve(before, limit_price=limit), fields=(), id=id, status=status
    )


def apply(client: Client, changes: Sequence[Change]) -> None:
    """In whatever order they come."""
    for one in changes:
        before, after = one.before, one.after
        if isinstance(one, (Delete, Replace)) and not isinstance(one, CreateFirst):
            client.cancel(one.id)
        if isinstance(one, Update) and isinstance(before, Bid) and isinstance(after, Bid):
            client.reprice(one.id, after.limit_price)
        if isinstance(one, (Create, Replace)) and isinstance(after, Bid):
            market = client.market(after.instance_type, after.region, after.instance_quantity)
            client.place(after.name, market, after.limit_price)
        if isinstance(one, CreateFirst):
            client.cancel(one.id)


def came(seed: int, hours: int) -> Iterator[Came]:
    """Of plans for every pool, each in the market that the one before left: the first places bids."""
    chosen = random.Random(f"{seed}:{hours}")
    with Simulator.open(":memory:", seed=seed) as simulator:
        simulator.advance(hours * 3600)
        client = Client(simulator)
        there: dict[catalogue.Pool, list[Bid]] = {pool: [] for pool in catalogue.POOLS}
        for time in ("first", "then", "last"):
            for pool in catalogue.POOLS:
                statuses = client.bids()
                changes: list[Change] = [changed(chosen, client, one, *statuses[one.name]) for one in there[pool]]
                if time == "first" or chosen.random() < 0.7:
                    changes += drawn(chosen, client, pool, time)
                said = costs_by(client, changes)
                apply(client, chosen.sample(changes, len(changes)))
                there[pool] = [one.after for one in changes if isinstance(one.after, Bid)]
                statuses = client.bids()
                for one in said:
                    bid = one.change.after
                    if isinstance(bid, Bid) and one.cost is not None and time != "first":
                        spot = client.market(bid.instance_type, pool.region, 1).spot
                        assert spot is not None
                        yield Came(one.change, one.cost, statuses[bid.name][1] == "Allocated", spot)
            simulator.advance(120)


@pytest.mark.parametrize("seeds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_what_a_plan_of_changes_says_is_what_the_auction_does(seeds: int) -> None:
    """That they run, or wait, is said where it is certain, and no price lies where it is not said to."""
    found = [one for seed in range(1, seeds + 1) for one in came(seed, seed * 7 % 48)]
    running = [one for one in found if one.said.outlook == "runs"]
    waiting = [one for one in found if one.said.outlook == "waits"]
    inside = sum(one.is_in_range for one in running)
    above = sum(one.won and one.said.entry.high is not None and one.paid > one.said.entry.high for one in running)
    lost, won = sum(not one.won for one in running), sum(one.won for one in waiting)
    unknown = Counter(one.said.outlook for one in found)["unknown"]
    print(
        f"of {len(found)} {len(running)} said to run, {inside} in the range, {above} above it, {lost} lost; "
        f"{len(waiting)} to wait, {won} won; {unknown} unknown"
    )
    assert len(running) > 0.6 * len(found) and len(waiting) > 0.05 * len(found)
    assert lost <= 0.001 * len(running) and won <= 0.005 * len(waiting)
    assert inside >= COVERED * len(running)


# ---- by hand ----------------------------------------------------------------------------------------------


def update(before: Bid, limit: str) -> Update:
    after = attrs.evolve(before, limit_price=D(limit))
    return Update(Address("bid", "old"), before=before, after=after, fields=(), id="bid_1", status="Allocated")


def delete(before: Bid) -> Delete:
    return Delete(Address("bid", "old"), before=before, id="bid_1", status="Allocated")


def replace(before: Bid, after: Bid) -> Replace:
    return Replace(Address("bid", "old"), before=before, after=after, id="bid_1", status="Allocated")


def made_first(before: Bid, after: Bid) -> CreateFirst:
    return CreateFirst(Address("bid", "old"), before=before, after=after, fields=(), id="bid_1", status="Allocated")


def keep(before: Bid) -> NoOp:
    return NoOp(Address("bid", "kept"), before=before, after=before, id="bid_2", status="Allocated")


def waits(before: Bid) -> NoOp:
    return NoOp(Address("bid", "waiting"), before=before, after=before, id="bid_3", status="Open")


def create(bid: Bid, name: str = "new") -> Create:
    return Create(Address("bid", name), after=bid)


def costs(changes: Sequence[Change], *markets: Market) -> list[tuple[str, Decimal | None]]:
    """The outlook and the price of each bid that `changes` leave."""
    known = {(one.instance_type, one.region, one.quantity): one for one in markets}
    found = [one.cost for one in priced(plan_to(*changes), known).changes if one.cost is not None]
    return [(one.outlook, one.entry.point) for one in found]


PAUSED = attrs.evolve(sized(8, "90"), paused=True)
EIGHT = {quantity: seen(8, quantity, "16", win) for quantity, win in ((1, "32.01"), (2, "40.01"), (3, "48.01"))}
ONE = {
    quantity: seen(1, quantity, "2", win)
    for quantity, win in ((1, "4.01"), (2, "5.01"), (3, "6.01"), (4, "6.21"), (8, "6.51"), (16, "6.55"))
}


@pytest.mark.parametrize(
    ("changes", "markets", "said"),
    [
        # a new bid takes of the eight that the lowered one has: seven are too few for that
        ((update(sized(1, "10", 8), "3"), create(sized(1, "7"))), ONE, [("waits", None), ("runs", D(2))]),
        # lowered, and above whom it needs: it pushes out one
        ((update(sized(1, "10", 8), "6.60"), create(sized(1, "7"))), ONE, [("runs", D(4)), ("runs", D(4))]),
        # alone, above as many as others ask for at once, a quarter of the stock, it keeps what it has; it may lose that
        # below them, to one that was too large, or at the price of now
        ((update(sized(8, "90"), "40.01"),), EIGHT, [("runs", D(16))]),
        ((update(sized(8, "90"), "40.00"),), EIGHT, [("unknown", None)]),
        ((update(sized(8, "90"), "16.00"),), EIGHT, [("unknown", None)]),
        # raised from a limit at which the new one pushes it out: three others' have to be won
        ((update(sized(1, "4"), "30"), create(sized(1, "40", 2))), ONE, [("runs", D(6)), ("runs", D(6))]),
        # raised to too little for that: it sets the price
        ((update(sized(1, "4"), "5.50"), create(sized(1, "40", 2))), ONE, [("waits", None), ("runs", D("5.50"))]),
        # raised from one that was high enough for that
        ((update(sized(1, "8"), "30"), create(sized(1, "40", 2))), ONE, [("runs", D(5)), ("runs", D(5))]),
        # raised alone: nothing changes
        ((update(sized(1, "4"), "30"),), ONE, [("runs", D(2))]),
        # two end, and two take their place
        ((delete(sized(8, "90", 2)), create(sized(8, "41", 2))), EIGHT, [("runs", D(16))]),
        # one ends, and two begin: one more has to be pushed out
        ((delete(sized(8, "90")), create(sized(8, "41", 2))), EIGHT, [("runs", D(32))]),
        ((replace(sized(8, "90"), sized(8, "41", 2)),), EIGHT, [("runs", D(32))]),
        # made first, it has that place as well, once the other goes
        ((made_first(sized(8, "90"), sized(8, "41", 2)),), EIGHT, [("runs", D(32))]),
        ((made_first(sized(8, "90"), sized(8, "20")),), EIGHT, [("unknown", None)]),
        # one moves away
        (
            (replace(sized(8, "90"), attrs.evolve(sized(8, "90"), region="s")), create(sized(8, "41"))),
            EIGHT,
            [("unknown", None), ("runs", D(16))],
        ),
        # who ended bid less than those whom the new one would have to push out: that place is no more to be had
        ((delete(sized(8, "32")), create(sized(8, "31"))), EIGHT, [("unknown", None)]),
        ((delete(sized(8, "32")), create(sized(8, "50", 2))), EIGHT, [("runs", D(40))]),
        # at the price of now, the one whose limit that is may be older
        ((delete(sized(8, "32")), create(sized(8, "32"))), {1: seen(8, 1, "32", "32.01")}, [("unknown", None)]),
        # one that is paused leaves its place as well
        (
            (attrs.evolve(update(sized(8, "90"), "90"), after=PAUSED), create(sized(8, "41"))),
            EIGHT,
            [("paused", D(16)), ("runs", D(16))],
        ),
        # one that waits is older than a new one of the same limit: two places cannot be had by both
        (
            (delete(sized(8, "90")), waits(sized(8, "41")), create(sized(8, "41", 3))),
            EIGHT,
            [("runs", D(16)), ("waits", None)],
        ),
        # what comes free may go to a large one that was passed over, and then to none of those below it
        ((delete(sized(8, "90")), keep(sized(8, "41"))), EIGHT, [("runs", D(16))]),
        ((delete(sized(8, "90")), keep(sized(8, "40"))), EIGHT, [("unknown", None)]),
        ((delete(sized(8, "31")), keep(sized(8, "32"))), EIGHT, [("runs", D(16))]),
    ],
)  # fmt: skip
def test_what_a_changed_bid_leaves_and_takes(
    changes: Sequence[Change], markets: dict[int, Market], said: list[tuple[str, Decimal | None]]
) -> None:
    assert costs(changes, *markets.values()) == said


@pytest.mark.parametrize("status", ["Open", "Preempting"])
def test_one_that_waits_and_is_raised_to_the_limit_of_the_last_that_wins_may_be_older(status: str) -> None:
    before = sized(8, "20")
    for limit, outlook in (("31.99", "waits"), ("32.00", "unknown"), ("32.01", "runs")):
        raised = attrs.evolve(update(before, limit), status=status)
        assert [one for one, _ in costs([raised], *EIGHT.values())] == [outlook]
        assert costs([raised, create(sized(8, "9"))], *EIGHT.values())[0][0] == outlook
    assert [one for one, _ in costs([waits(sized(8, "32.00"))], *EIGHT.values())] == ["waits"]  # it is the younger one


def test_one_size_and_several_count_alike() -> None:
    """What a bid for eight GPUs leaves is room for bids of one."""
    eight, one = [*EIGHT.values()], [*ONE.values()]
    bids = [create(sized(1, "7", 4), f"new-{n}") for n in range(3)]
    assert costs([delete(sized(8, "90")), *bids[:2]], *eight, *one) == [("runs", D(2))] * 2
    together = costs([delete(sized(8, "90")), *bids], *eight, *one)
    assert together == [("runs", D("6.20"))] * 3  # others have to go for the third


@pytest.mark.parametrize("bid", [sized(1, "9"), sized(8, "60")])
@pytest.mark.parametrize("other", [create(sized(8, "41")), update(sized(8, "90"), "41")])
def test_one_that_is_paused_takes_nothing_in_a_full_auction(bid: Bid, other: Change) -> None:
    """It would push others out; beside it, in another size or in one, is a new bid or one that is lowered."""
    markets = [*EIGHT.values(), seen(1, 1, "2", "2.05")]
    paused = NoOp(
        Address("bid", "paused"),
        before=attrs.evolve(bid, paused=True),
        after=attrs.evolve(bid, paused=True),
        id="bid_3",
        status="Paused",
    )
    assert [outlook for outlook, _ in costs((paused, other), *markets)] == ["paused", "runs"]
    assert costs((paused, other), *markets)[1:] == costs((other,), *markets)


def test_where_more_comes_free_than_is_taken_the_price_may_fall() -> None:
    known = {(one.instance_type, one.region, one.quantity): one for one in EIGHT.values()}
    for quantity, low in ((1, D(8)), (2, D(16))):
        changes = [delete(sized(8, "90", 2)), create(sized(8, "60", quantity))]
        (cost,) = (one.cost for one in priced(plan_to(*changes), known).changes if one.cost is not None)
        assert (cost.entry.point, cost.entry.low) == (D(16), low)


def asked(*changes: Change) -> list[int]:
    """How many instances are asked about."""
    desired = Desired({one.address: one.after for one in changes if one.after is not None})
    return [key[2] for key in auctions_needed(desired, state(), live(), changes)]


def test_what_is_asked_of_bids_that_change() -> None:
    assert asked(update(sized(8, "20"), "30")) == [1]  # it takes its own place
    assert asked(update(sized(8, "30", 2), "20")) == [1, 2, 4]  # somebody may take it first
    assert asked(delete(sized(8, "30")), create(sized(8, "40", 3))) == [2, 3, 4]  # three, or two and what comes free
    assert asked(delete(sized(8, "30"))) == []
    assert asked(delete(sized(8, "30")), keep(sized(8, "20", 2))) == [1, 2, 4]


def test_a_bid_that_follows_a_running_one_has_its_place() -> None:
    after = attrs.evolve(
        create(sized(8, "36")), waits_for=(After(Address("bid", "kept"), "terminated", Position("f", 1, 1)),)
    )
    assert costs([keep(sized(8, "20")), after], *EIGHT.values()) == [("runs", D(16)), ("runs", D(16))]
    beside = create(sized(8, "36"))
    assert costs([keep(sized(8, "20")), beside], *EIGHT.values())[1] == ("runs", D(32))
