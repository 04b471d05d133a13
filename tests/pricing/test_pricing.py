"""The auction rule against hand-made vectors and an independent brute-force clearer; entry prices; estimates."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.pricing.auction import Clearing, Order, clear
from flowplan.pricing.entry import Market, Total, entry_price, estimate
from flowplan.pricing.units import cents, storage_per_hour
from tests.builders import market

D = Decimal


def book(text: str) -> list[Order]:
    """`A23 B21x2` -> orders in their order of age; a name is one letter."""
    orders = []
    for age, word in enumerate(text.split()):
        limit, _, quantity = word[1:].partition("x")
        orders.append(Order(word[0], D(limit), int(quantity or 1), age))
    return orders


DOCS = "A23 B21 C16 D13 E12 F8"

# bids, capacity, reserve -> winners, price, lowest allocated, the other reading of the price where there is one
VECTORS = {
    "V01 single unit, Vickrey": ("A23 B21 C16", 1, "1", "A", "21", "23", None),
    "V02 the documentation's example": (DOCS, 3, "1", "ABC", "13", "16", None),
    "V03 a loser moves the price": (f"{DOCS} X13.01", 3, "1", "ABC", "13.01", "16", None),
    "V04 a newcomer pays the old lowest winner": (f"{DOCS} N20", 3, "1", "ABN", "16", "20", None),
    "V05 room left: the reserve": ("A23 B21", 3, "8", "AB", "8", "21", None),
    "V06 exact fit, no loser": ("A23 B21 C16", 3, "8", "ABC", "8", "16", None),
    "V07 a loser under the reserve does not count": ("A23 B21 C16 D5", 3, "8", "ABC", "8", "16", None),
    "V08 below the reserve never wins": ("A7.99 B9", 2, "8", "B", "8", "9", None),
    "V09 a tie goes to the older": ("A10 B10 C10", 2, "1", "AB", "10", "10", None),
    "V10 two displaced, pays the higher": ("A23 B21 C16 D13 N22x2", 3, "1", "AN", "21", "22", None),
    "V11 a large one passed over": ("A20x2 B15x2 C10 D9", 3, "1", "AC", "9", "10", "10"),
    "V12 the price is ambiguous": ("A20x2 B15x2 C10", 3, "1", "AC", "1", "10", "10"),
    "one's own bids compete": ("A20 B12 R9", 1, "1", "A", "12", "20", None),
    "without the second bid of one's own": ("A20 R9", 1, "1", "A", "9", "20", None),
    "chunks: one loses, so the others pay the limit": ("A14.99 B14.99 C14.99 R5", 2, "1", "AB", "14.99", "14.99", None),
    "the same as one bid": ("A14.99x2 R5", 2, "1", "A", "5", "14.99", None),
    "a losing bid raised raises the price": ("A20 B19 R9", 1, "1", "A", "19", "20", None),
    "nobody wins": ("A7 B5", 3, "8", "", None, None, None),
    "nothing to win": ("A7 B5", 0, "1", "", None, None, None),
    "too large for all of it": ("A30x4 B9", 3, "1", "B", "1", "9", "9"),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    text, capacity, reserve, winners, price, lowest, capped = VECTORS[name]
    cleared = clear(capacity, D(reserve), book(text))
    assert cleared == Clearing(
        None if price is None else D(price),
        cleared.winners,
        None if lowest is None else D(lowest),
        None if capped is None or price is None else (D(price), D(capped)),
    )
    assert "".join(sorted(cleared.winners)) == winners


def by_brute_force(capacity: int, reserve: Decimal, orders: list[Order]) -> tuple[set[str], Decimal | None]:
    """The rule read off the documentation, one unit of capacity at a time, sharing nothing with `clear`."""
    slots: list[str | None] = [None] * capacity
    waiting = [order for order in orders if not order.limit_price < reserve]
    lost: list[Order] = []
    won: list[Order] = []
    while waiting:
        top = max(order.limit_price for order in waiting)
        best = [order for order in waiting if order.limit_price == top]
        oldest = min(order.created_at for order in best)
        chosen = min((order for order in best if order.created_at == oldest), key=lambda order: order.id)
        waiting.remove(chosen)
        free = [place for place, holder in enumerate(slots) if holder is None]
        if len(free) >= chosen.quantity:
            for place in free[: chosen.quantity]:
                slots[place] = chosen.id
            won.append(chosen)
        else:
            lost.append(chosen)
    if not won:
        return set(), None
    floor = min(order.limit_price for order in won)
    price = reserve
    for order in lost:
        if order.limit_price <= floor and order.limit_price > price:
            price = order.limit_price
    return {order.id for order in won}, price


orders = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 8), st.integers(0, 6)), max_size=14).map(
    lambda rows: [Order(f"o{n:02}", D(limit) / 100, size, age) for n, (limit, size, age) in enumerate(rows)]
)


def random_book(random: Random) -> tuple[int, Decimal, list[Order]]:
    """Few different limits and ages, so that ties are common; sizes up to more than there is."""
    cents = random.choice((5, 40, 3000))
    made = [
        Order(f"o{n:02}", D(random.randint(1, cents)) / 100, random.randint(1, 8), random.randint(0, 4))
        for n in range(random.randint(0, 14))
    ]
    return random.randint(0, 16), D(random.randint(0, cents)) / 100, made


def test_ten_thousand_books_clear_as_by_brute_force() -> None:
    random = Random(1961)
    for _ in range(10_000):
        capacity, reserve, made = random_book(random)
        cleared = clear(capacity, reserve, made)
        winners, price = by_brute_force(capacity, reserve, made)
        assert (set(cleared.winners), cleared.price) == (winners, price), (capacity, reserve, made)


@given(st.integers(0, 16), st.integers(1, 2000).map(lambda n: D(n) / 100), orders)
def test_clear_is_the_brute_force_rule(capacity: int, reserve: Decimal, made: list[Order]) -> None:
    cleared = clear(capacity, reserve, made)
    winners, price = by_brute_force(capacity, reserve, made)
    assert set(cleared.winners) == winners
    assert cleared.price == price


@given(st.integers(1, 16), st.integers(1, 2000).map(lambda n: D(n) / 100), orders)
def test_what_holds_of_every_clearing(capacity: int, reserve: Decimal, made: list[Order]) -> None:
    cleared = clear(capacity, reserve, made)
    won = [order for order in made if order.id in cleared.winners]
    assert sum(order.quantity for order in won) <= capacity
    if cleared.price is not None:
        assert reserve <= cleared.price <= min(order.limit_price for order in won)
        assert clear(capacity, reserve, reversed(made)) == cleared  # the order of the list means nothing


@given(st.integers(1, 8), orders, st.integers(0, 13))
def test_truth_pays_for_one_unit(capacity: int, made: list[Order], which: int) -> None:
    """With one instance each, a winner who raises his limit pays the same."""
    single = [Order(o.id, o.limit_price, 1, o.created_at) for o in made]
    cleared = clear(capacity, D("0.01"), single)
    if which < len(single) and single[which].id in cleared.winners:
        raised = list(single)
        raised[which] = Order(single[which].id, single[which].limit_price + 5, 1, single[which].created_at)
        again = clear(capacity, D("0.01"), raised)
        assert single[which].id in again.winners
        assert again.price == cleared.price


CHEAP = D("0.01")


def one_each(made: list[Order]) -> list[Order]:
    return [Order(order.id, order.limit_price, 1, order.created_at) for order in made]


@given(st.integers(1, 8), orders)
def test_one_instance_each_is_the_k_plus_first_price(capacity: int, made: list[Order]) -> None:
    """The textbook's rule, where the documentation's cannot be read in two ways."""
    limits = sorted((order.limit_price for order in made), reverse=True)
    cleared = clear(capacity, CHEAP, one_each(made))
    assert len(cleared.winners) == min(capacity, len(made))
    if made:
        assert cleared.price == (limits[capacity] if len(limits) > capacity else CHEAP)
        assert cleared.lowest_allocated == limits[: len(cleared.winners)][-1]
        assert cleared.ambiguous is None


@given(st.integers(1, 8), orders.filter(bool), st.integers(0, 13), st.integers(1, 3000))
def test_no_lie_pays_with_one_instance_each(capacity: int, made: list[Order], which: int, lie: int) -> None:
    """What one gets for the truth, value less price, no other limit betters."""
    honest = one_each(made)
    own = honest[which % len(honest)]

    def gain(book: list[Order]) -> Decimal:
        cleared = clear(capacity, CHEAP, book)
        return own.limit_price - cleared.price if cleared.price and own.id in cleared.winners else D(0)

    told = [Order(o.id, D(lie) / 100, 1, o.created_at) if o is own else o for o in honest]
    assert gain(told) <= gain(honest)


@given(st.integers(1, 8), orders.filter(bool), st.integers(1, 3000))
def test_another_rival_never_lowers_the_price(capacity: int, made: list[Order], limit: int) -> None:
    """With one instance each; and a newcomer who pushes somebody out pays what the lowest winner had offered."""
    before = clear(capacity, CHEAP, one_each(made))
    after = clear(capacity, CHEAP, [*one_each(made), Order("zz", D(limit) / 100, 1, 99)])
    assert before.price is not None and after.price is not None and before.lowest_allocated is not None
    assert after.price >= before.price
    if "zz" in after.winners and len(before.winners) == capacity:
        assert after.price == before.lowest_allocated


@given(st.integers(1, 16), st.integers(1, 2000).map(lambda n: D(n) / 100), orders)
def test_of_two_readings_the_documentation_s_bounds_hold(capacity: int, reserve: Decimal, made: list[Order]) -> None:
    cleared = clear(capacity, reserve, made)
    if cleared.ambiguous:
        low, high = cleared.ambiguous
        assert cleared.price == low < high == cleared.lowest_allocated
        least = min(order.limit_price for order in made if order.id in cleared.winners)
        assert any(o.limit_price > least for o in made if o.id not in cleared.winners)


@given(st.integers(1, 16), st.integers(1, 2000).map(lambda n: D(n) / 100), orders)
def test_who_loses_did_not_fit(capacity: int, reserve: Decimal, made: list[Order]) -> None:
    """Nobody is passed over who, at a better place in the order, would have left room for himself."""
    cleared = clear(capacity, reserve, made)
    won = {order.id: order for order in made if order.id in cleared.winners}
    for order in made:
        if order.id in won or order.limit_price < reserve:
            continue
        place = (-order.limit_price, order.created_at, order.id)
        ahead = sum(o.quantity for o in won.values() if (-o.limit_price, o.created_at, o.id) < place)
        assert ahead + order.quantity > capacity


# ---- what this bid would pay ----------------------------------------------------------------------------


def full(**other: Any) -> Market:
    """Three instances, all taken: one displaces somebody from $16.01 on."""
    of = {"spot": D(13), "lowest_allocated": D(16), "win_price": D("16.01"), "available": 0, "total": 3}
    return market(**of | other)


def test_room_left_pays_the_spot_price() -> None:
    found = entry_price(full(available=2, spot=D(8)), D(20), holding=False)
    assert (found.point, found.basis) == (D(8), "room")


@pytest.mark.parametrize(
    ("win", "limit", "found"),
    [
        ("8", "10", ("10", "8", "room")),  # those who lose at 13 ask for more than is free
        ("8", "8", ("8", "8", "room")),
        ("11", "10", (None, "11", "losing")),  # prices that do not fit each other
        ("14", "10", (None, "13", "losing")),  # from 13 on there is room
        (None, "10", (None, "8", "unknown")),
    ],
)
def test_below_the_spot_price_a_bid_wins_what_is_free(
    win: str | None, limit: str, found: tuple[str | None, str, str]
) -> None:
    """Then nobody pays more than its limit, which is the lowest."""
    market = full(available=2, win_price=None if win is None else D(win))
    entry = entry_price(market, D(limit), holding=False)
    assert (entry.point, entry.low, entry.basis) == (None if found[0] is None else D(found[0]), D(found[1]), found[2])


def test_full_pays_the_highest_limit_displaced_not_the_spot_price() -> None:
    found = entry_price(full(), D(20), holding=False)
    assert (found.point, found.basis) == (D(16), "displacing")


def test_one_instance_that_displaces_several_smaller_ones_pays_what_the_last_of_them_bids() -> None:
    full = market(available=0, spot=Decimal(9), lowest_allocated=Decimal(10), win_price=Decimal("12.01"))
    assert entry_price(full, Decimal(20), holding=False).point == 12


def test_full_and_too_low_waits() -> None:
    found = entry_price(full(), D(16), holding=False)
    assert (found.point, found.low, found.basis) == (None, D("16.01"), "losing")


def test_who_holds_pays_the_spot_price_in_a_full_auction() -> None:
    assert entry_price(full(), D(20), holding=True).point == D(13)


def test_below_the_reserve_there_is_no_price() -> None:
    assert entry_price(full(), D("7.99"), holding=False).basis == "below_reserve"


def test_nothing_known_is_unknown_never_zero() -> None:
    found = estimate(None, D(20), 2, gpus=8, paused=False, holding=False)
    assert (found.now, found.if_won, found.worst, found.outlook) == (None, None, D(40), "unknown")
    assert (Total(found.now, found.worst) + Total(D(1), D(1))).now is None


def test_a_waiting_bid_costs_nothing_now() -> None:
    found = estimate(full(), D(15), 1, gpus=8, paused=False, holding=False)
    assert (found.now, found.if_won, found.outlook) == (D(0), None, "waits")
    assert "cannot_win_now" in found.warnings


def test_a_paused_bid_costs_nothing_at_all() -> None:
    found = estimate(full(), D(20), 1, gpus=8, paused=True, holding=False)
    assert (found.now, found.worst) == (D(0), D(0))


@given(
    st.decimals("0.01", "300", places=2),
    st.integers(1, 64),
    st.none() | st.decimals("0.01", "200", places=2),
    st.none() | st.decimals("0.01", "200", places=2),
    st.none() | st.decimals("0.01", "200", places=2),
    st.none() | st.integers(0, 100),
    st.booleans(),
)
def test_no_estimate_exceeds_the_limit(
    limit: Decimal,
    quantity: int,
    spot: Decimal | None,
    lowest: Decimal | None,
    win: Decimal | None,
    available: int | None,
    holding: bool,
) -> None:
    found = estimate(
        Market("it", "r", quantity, spot, D("0.01"), lowest, win, available, 100),
        limit,
        quantity,
        gpus=1,
        paused=False,
        holding=holding,
    )
    assert found.worst == limit * quantity
    if found.now is not None:
        assert 0 <= found.now <= found.worst
    if found.entry.point is not None and found.entry.low is not None and found.entry.high is not None:
        assert found.entry.low <= found.entry.point <= found.entry.high


def test_storage_is_eight_cents_a_gb_month() -> None:
    assert cents(storage_per_hour(730)) == D("0.08")
