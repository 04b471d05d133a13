"""The auctions: the published result is the rule's, for every book; and what one sees of it."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowplan.pricing.auction import Order, clear
from flowplan.simulator import Simulator
from flowplan.simulator.auctions import clearing, market
from flowplan.simulator.ids import next_age
from tests.conftest import examples

from .conftest import H100, REGION, Api
from .rule import Bidder, cents_of, price_of, winners_of

ORDERS = st.lists(st.tuples(st.integers(80, 400), st.sampled_from([1, 1, 1, 2, 3, 4, 8])), max_size=12)


def empty_market(simulator: Simulator, instance_type: str, region: str, units: int, reserve: int) -> market.Auction:
    """The auction of a pool without rivals, with `units` of stock and a reserve in cents."""
    db = database(simulator)
    auction = market.auction_of(db, instance_type, region)
    assert auction
    db.execute("DELETE FROM orders WHERE pool = ?", (auction.pool,))
    db.execute("UPDATE pools SET units = ?, reserve = ? WHERE seq = ?", (units, reserve * market.EIGHTHS, auction.pool))
    db.execute("UPDATE auctions SET reserve_cents = ? * weight WHERE pool = ?", (reserve, auction.pool))
    return auction


def database(simulator: Simulator) -> sqlite3.Connection:
    return simulator._db


def published(simulator: Simulator, auction: market.Auction) -> market.Auction:
    clearing.clear_pool(database(simulator), auction.pool, 0)
    found = market.auction_of(database(simulator), auction.instance_type, auction.region)
    assert found
    return found


def winners(simulator: Simulator, pool: int) -> set[int]:
    rows = database(simulator).execute("SELECT seq FROM orders WHERE pool = ? AND winning = 1", (pool,))
    return {row[0] for row in rows}


@examples(50)  # each is a book with 1,200 further bids
@given(orders=ORDERS, stock=st.integers(1, 12))
def test_one_size_is_the_rule_word_for_word(orders: list[tuple[int, int]], stock: int) -> None:
    with Simulator.open(":memory:") as simulator:
        auction = empty_market(simulator, H100, REGION, stock, 100)
        book = []
        for limit, quantity in orders:
            seq = next_age(database(simulator))
            market.enter(database(simulator), auction.seq, seq, limit, quantity, own=False)
            book.append(Order(str(seq), Decimal(limit), quantity, seq))
        expected = clear(stock, Decimal(100), book)
        shown = published(simulator, auction)
        assert winners(simulator, auction.pool) == {int(id) for id in expected.winners}
        assert shown.price_cents == (expected.price if expected.price is not None else 100)
        assert shown.lowest_cents == expected.lowest_allocated
        for quantity in (1, 2, 5, 13):
            won = [
                limit
                for limit in range(100, 402)
                if "me" in clear(stock, Decimal(100), [*book, Order("me", Decimal(limit), quantity, 1 << 40)]).winners
            ]
            assert market.win_price(database(simulator), shown, quantity) == min(won, default=None)


@examples(60)  # each has a simulator of its own
@given(orders=ORDERS, stock=st.integers(1, 12))
def test_a_book_is_not_read_on_and_on_where_nothing_fits(orders: list[tuple[int, int]], stock: int) -> None:
    with Simulator.open(":memory:") as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearing, "PATIENCE", 0)
        auction = empty_market(simulator, H100, REGION, stock, 100)
        book = []
        for limit, quantity in orders:
            seq = next_age(database(simulator))
            market.enter(database(simulator), auction.seq, seq, limit, quantity, own=False)
            book.append(Order(str(seq), Decimal(limit), quantity, seq))
        expected = clear(stock, Decimal(100), book)
        shown = published(simulator, auction)
        assert winners(simulator, auction.pool) == {int(id) for id in expected.winners}
        assert shown.price_cents == (expected.price if expected.price is not None else 100)


@given(orders=ORDERS, stock=st.integers(1, 24))
def test_a_book_of_known_sizes_is_the_rule_word_for_word(orders: list[tuple[int, int]], stock: int) -> None:
    book = [clearing.Entry(-limit, age, units, 0, 0) for age, (limit, units) in enumerate(orders)]
    bidders = [Bidder(limit, age, units) for age, (limit, units) in enumerate(orders)]
    wins = winners_of(stock, 100, bidders)
    found = clearing.cleared(stock, 100, sorted(book), Counter(units for _, units in orders))
    assert set(found.winners) == {bidder.age for bidder in wins}
    assert found.shown == (price_of(100, bidders, wins), min((bidder.limit for bidder in wins), default=None))
    assert found.free == stock - sum(bidder.units for bidder in wins)


@pytest.mark.timed
def test_ten_thousand_orders_that_do_not_fit_cost_nothing(simulator: Simulator) -> None:
    auction = empty_market(simulator, H100, REGION, 64, 100)
    db = database(simulator)
    rows = [(auction.pool, -(80_000 - n), 1_000 + n, 64 if n else 63, auction.seq) for n in range(20_000)]
    db.executemany("INSERT INTO orders (pool, rank, seq, units, auction, own) VALUES (?, ?, ?, ?, ?, 0)", rows)
    market.enter(db, auction.seq, 50_000, 200, 1, own=False)
    best = min(timed_clearing(simulator, auction.pool) for _ in range(5))
    print(f"clearing a book of 20,001 orders of which two fit: {best * 1e3:.2f} ms")
    assert len(winners(simulator, auction.pool)) == 2
    assert best < 0.02


def timed_clearing(simulator: Simulator, pool: int) -> float:
    start = time.perf_counter()
    clearing.clear_pool(database(simulator), pool, 0)
    return time.perf_counter() - start


SIZES = ("it_RrgkIZz6c9BZu5gi", "it_TiAPxzKNi4xO0IAr", "it_4TugeYWOov5FllEf", "it_Sg1nDx1I8NFep60J")


@given(
    orders=st.lists(st.tuples(st.integers(0, 3), st.integers(50, 400), st.sampled_from([1, 1, 2])), max_size=14),
    stock=st.integers(1, 24),
)
def test_sizes_of_one_pool_share_its_stock(orders: list[tuple[int, int, int]], stock: int) -> None:
    with Simulator.open(":memory:") as simulator:
        db = database(simulator)
        first = empty_market(simulator, SIZES[0], REGION, stock, 50)
        auctions = {a.seq: a for a in market.auctions(db, None, REGION) if a.pool == first.pool}
        bought = {}
        for size, per_gpu, quantity in orders:
            auction = list(auctions.values())[size]
            seq = next_age(db)
            bought[seq] = (auction.seq, per_gpu * auction.weight + size, quantity)
            market.enter(db, auction.seq, seq, bought[seq][1], quantity, own=False)
        clearing.clear_pool(db, first.pool, 0)
        after = {a.seq: a for a in market.auctions(db, None, REGION)}
        won = winners(simulator, first.pool)
        assert sum(after[bought[seq][0]].weight * bought[seq][2] for seq in won) <= stock
        for seq in won:
            auction, limit, _ = bought[seq]
            assert after[auction].reserve_cents <= after[auction].price_cents <= limit
        assert after[first.seq].price_cents * 8 >= after[list(auctions)[-1]].price_cents
        for auction in after.values():
            if auction.pool == first.pool:
                win = market.win_price(db, auction, 2)
                assert win is None or (wins(db, auction, win), wins(db, auction, win - 1)) == (True, False)


def wins(db: sqlite3.Connection, auction: market.Auction, limit: int) -> bool:
    """Whether a new bid for two instances would win, by the rule on the whole book."""
    units, reserve = db.execute("SELECT units, reserve FROM pools WHERE seq = ?", (auction.pool,)).fetchone()
    rows = db.execute("SELECT seq, rank, units FROM orders WHERE pool = ?", (auction.pool,)).fetchall()
    new = (1 << 40, market.rank_of(limit, auction.weight), 2 * auction.weight)
    book = [Order(str(seq), Decimal(-rank), needed, seq) for seq, rank, needed in [*rows, new]]
    return str(new[0]) in clear(units, Decimal(reserve), book).winners


def test_a_full_market_shows_what_it_takes_to_win(local: Api) -> None:
    query = {"instance_type": H100, "region": "us-central1-a"}
    prices = local.get("/v2/pricing/current", **query, instance_quantity=2)
    assert prices["available_capacity"] < 2
    win = prices["dynamic_win_price_cents"]
    losing = local.placed("losing", region="us-central1-a", instance_quantity=2, limit_price=f"${(win - 1) / 100:.2f}")
    assert local.status(losing) == "Open"
    local("DELETE", f"/v2/spot/bids/{losing}")
    winning = local.placed("winning", region="us-central1-a", instance_quantity=2, limit_price=f"${win / 100:.2f}")
    assert local.status(winning) == "Allocated"
    after = local.get("/v2/pricing/current", **query)
    assert prices["minimum_price_cents"] <= after["spot_price_cents"] <= win


def test_own_bids_beyond_the_stock_stay_open_and_set_the_price(local: Api) -> None:
    for number in range(70):
        local.placed(f"t{number}")
    statuses = [bid["status"] for bid in local.get("/v2/spot/bids", sort_dir="asc")["data"]]
    assert statuses == ["Allocated"] * 64 + ["Open"] * 6
    prices = local.get("/v2/pricing/current", instance_type=H100, region=REGION)
    assert prices["spot_price_cents"] == 1792
    assert prices["available_capacity"] == 0
    assert prices["dynamic_win_price_cents"] == 1793


@pytest.mark.parametrize("quantity", [65, 256])
def test_more_than_the_stock_never_wins(local: Api, quantity: int) -> None:
    refused = local.bid(instance_quantity=quantity, limit_price="$100.00")
    assert (refused.status_code, refused.json()) == (
        400,
        {"detail": "Instance quantity exceeds the 64 instances of this auction"},
    )
    query = {"instance_type": H100, "region": REGION, "instance_quantity": quantity}
    assert local.get("/v2/pricing/current", **query)["dynamic_win_price_cents"] is None


def test_the_past_of_all_sizes_of_a_pool_is_one(simulator: Simulator) -> None:
    """They share their stock: what one costs per GPU, the others cost, to the cent that is rounded up."""
    sizes = [one for one in simulator.market(region="us-central2-a") if one.name.startswith("b200")]
    assert len(sizes) == 4
    smallest = dict(sizes[0].history)
    for one in sizes[1:]:
        assert all(after[1] != before[1] for before, after in zip(one.history, one.history[1:], strict=False))
        gpus = int(one.minimum / sizes[0].minimum)
        shared = [(price, smallest[at]) for at, price in one.history if at in smallest]
        assert len(shared) > 20
        assert all(abs(price - gpus * small) < gpus * Decimal("0.01") for price, small in shared)


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 8]), st.sampled_from([1, 1, 2])) | st.integers(0, 9),
        max_size=24,
    ),
    stock=st.integers(1, 6),
    sizes=st.sampled_from([SIZES, (H100,)]),
)
@example(changes=[(0, 8, 1), (0, 8, 1), 1], stock=1, sizes=(H100,))  # the only one that lost, beside its equal
def test_what_needs_no_clearing_would_have_changed_nothing(
    changes: list[tuple[int, int, int] | int], stock: int, sizes: tuple[str, ...]
) -> None:
    """Order after order comes or (a number) leaves, cleared only where the book says that it has changed. Limits are so
    few that many are equal to the price, or to the price of a size rounded up to its cents."""
    with Simulator.open(":memory:") as simulator:
        db = database(simulator)
        pool = empty_market(simulator, sizes[0], REGION, stock, 50).pool
        published(simulator, market.auctions(db, sizes[0], REGION)[0])
        sold = [auction for auction in market.auctions(db, None, REGION) if auction.pool == pool]
        book: list[tuple[market.Auction, Bidder, int]] = []
        for change in changes:
            if not isinstance(change, int):
                size, more, quantity = change
                auction, seq = sold[size % len(sold)], next_age(db)
                limit = auction.weight * 50 + more
                market.enter(db, auction.seq, seq, limit, quantity, own=False)
                bidder = Bidder(-market.rank_of(limit, auction.weight), seq, quantity * auction.weight)
                book.append((auction, bidder, limit))
            elif book:
                auction, bidder, limit = book.pop(change % len(book))
                market.leave(db, auction.seq, bidder.age, limit)
            if pool in market.changed_pools(db):
                clearing.clear_pool(db, pool, 0)
            bidders, reserve = [bidder for _, bidder, _ in book], 50 * market.EIGHTHS
            expected = winners_of(stock, reserve, bidders)
            assert winners(simulator, pool) == {winner.age for winner in expected}
            price = price_of(reserve, bidders, expected)
            for auction in sold:
                shown = market.auction_of(db, auction.instance_type, REGION)
                assert shown is not None
                assert shown.price_cents == cents_of(price, auction.weight)
                assert shown.available == (stock - sum(winner.units for winner in expected)) // auction.weight
