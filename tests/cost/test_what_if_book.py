"""The whole numbers in which --what-if clears its books come to what `pricing.clear` comes to, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import assume, example, given
from hypothesis import strategies as st

from flowplan.cost.what_if import Own
from flowplan.cost.what_if.book import Book, Cleared
from flowplan.cost.what_if.rivals import Order, Rivals
from flowplan.model.address import Address
from flowplan.pricing.auction import Order as Bid
from flowplan.pricing.auction import clear

D = Decimal
_OTHERS = 0


def plain(
    own: Sequence[Own], rivals: Rivals, market: float, *, stock: int, held: int, room: int, reserve: float
) -> tuple[tuple[bool, ...], float]:
    """Who of `own` wins, and the price per unit, with every limit a Decimal and every bid an order of `clear`."""
    at_rest = max(round(market, 6), 1e-6) <= reserve * (1 + 1e-9)
    winning = stock - held - (room if at_rest else 0)
    deep = winning - sum(order.units for order in rivals.above)
    orders, reached = [], 0
    for order in rivals.above:
        reached += order.units
        if not at_rest or reached <= winning:
            orders.append(order)
    if not at_rest:
        orders += rivals.below
    price = max(round(market, 6), 1e-6)
    limits = {f"other {n}": D(f"{price * order.multiple:.6f}") for n, order in enumerate(orders)}
    others = [
        Bid(name, limit, order.units, _OTHERS) for (name, limit), order in zip(limits.items(), orders, strict=True)
    ]
    mine = [
        Bid(str(n), one.limit_price / one.gpus, one.quantity * one.gpus, _OTHERS + (-1 if one.is_placed else 1))
        for n, one in enumerate(own)
    ]
    found = clear(stock - max(0, deep), D(f"{reserve:.6f}"), [*others, *mine])
    wins = tuple(str(n) in found.winners for n in range(len(own)))
    if found.price is None:
        return wins, reserve
    setting = [order.multiple for order, limit in zip(orders, limits.values(), strict=True) if limit == found.price]
    return wins, market * setting[0] if setting else float(found.price)


multiples = st.floats(0.001, 1000) | st.integers(1, 40).map(lambda eighths: eighths / 8)
orders = st.lists(st.tuples(multiples, st.integers(1, 12)), max_size=14)
limits = st.integers(1, 9000).map(lambda cents: D(cents) / 100) | st.integers(1, 10**9).map(lambda n: D(n) / 10**7)
quantities = st.integers(1, 5)
bids = st.lists(st.tuples(limits, quantities, st.sampled_from((1, 2, 3, 8)), st.booleans()), min_size=1, max_size=12)
prices = st.floats(1e-7, 90) | st.integers(1, 9000).map(lambda cents: cents / 100)


@given(orders, bids, st.integers(0, 9), st.integers(0, 9), st.sampled_from((0.0, 0.5, 1.0, 2 / 3, 1e-7)), prices)
@example([(1.0, 1)] * 12, [(D("0.5"), 1, 1, False)] * 11, 0, 3, 0.0, 0.5)  # ties go by age, then by name
@example([(1.5, 2), (1 / 3, 1)], [(D(10), 1, 3, True), (D(20), 2, 3, False)], 1, 0, 2 / 3, 10 / 3)
@example([(1.0000005, 1)], [(D("1.0000005"), 1, 1, False)], 0, 0, 0.0, 1.0)  # half a millionth
def test_a_book_is_cleared_as_the_auction_rule_says_to_the_last_bit(
    found: list[tuple[float, int]],
    placed: list[tuple[Decimal, int, int, bool]],
    held: int,
    room: int,
    reserve: float,
    price: float,
) -> None:
    price = max(price, reserve)
    above = sorted(Order(*one) for one in found if one[0] > 1)
    below = sorted((Order(*one) for one in found if one[0] <= 1), reverse=True)
    rivals = Rivals(tuple(above), tuple(below))
    own = [Own(Address("bid", str(n)), *one) for n, one in enumerate(placed)]
    stock = held + room + sum(order.units for order in above) // 2 + 3
    assume(stock > 0)
    cleared: Cleared = Book(own, rivals, stock=stock, held=held, room=room, reserve=reserve).at(price)
    wins, paid = plain(own, rivals, price, stock=stock, held=held, room=room, reserve=reserve)
    assert (cleared.wins, cleared.price(price)) == (wins, paid)
