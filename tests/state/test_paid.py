"""The ledger of a state as data: what two copies know together, and every kind of damage refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.bill import Bill
from flowplan.model.digest import digest
from flowplan.state.codec import dump, load
from flowplan.state.journal import fold
from flowplan.state.paid import OpenLedger, Paid, billed, merged, unsettled
from flowplan.state.records import Done
from flowplan.state.state import State
from tests.builders import TRAIN, bid, bound, state

LEDGER = {
    "bid_1": Paid(TRAIN, Decimal("39.713333"), 1000.0, Decimal("4.964167"), 2000.0),
    "bid_2": Paid(TRAIN),
    "bid_3": Paid(TRAIN, Decimal("8.000000"), 1000.0),  # as it was written before hours were kept
}
AMOUNTS, MOMENTS = st.decimals(0, 10_000, places=6), st.floats(0, 1e10, allow_nan=False)
ENTRIES = (
    st.builds(Paid, st.just(TRAIN))
    | st.builds(Paid, st.just(TRAIN), AMOUNTS, MOMENTS)
    | st.builds(Paid, st.just(TRAIN), AMOUNTS, MOMENTS, AMOUNTS, MOMENTS)
)
LEDGERS = st.dictionaries(st.sampled_from(["bid_1", "bid_2", "bid_3"]), ENTRIES)


def test_it_reads_back_to_the_millionth() -> None:
    kept = state(paid=LEDGER, paid_since=7)
    assert load(dump(kept), "s") == kept


@pytest.mark.parametrize(
    "entry",
    [
        [],
        {"address": "bid.train"},
        {"address": "volume.data", "amount": None, "at": 0},
        {"address": "bid.train", "amount": "-1.000000", "at": 0},
        {"address": "bid.train", "amount": 1, "at": 0},
        {"address": "bid.train", "amount": "NaN", "at": 0},
        {"address": "bid.train", "amount": None, "at": "now"},
        {"address": "bid.train", "amount": None, "at": 0, "more": 1},
        {"address": "bid.train", "amount": "1.000000", "at": 0, "hours": "1.000000"},
        {"address": "bid.train", "amount": "1.000000", "at": 0, "hours": 1, "read_at": 0},
        {"address": "bid.train", "amount": "1.000000", "at": 0, "hours": "1.000000", "read_at": None},
    ],
)
def test_an_entry_that_is_none_is_refused(entry: Any) -> None:
    body = json.loads(dump(state(paid=LEDGER)))
    del body["sha256"]
    body["paid"]["bid_1"] = entry
    body["sha256"] = digest(body)
    with pytest.raises(StateError, match="not a state file"):
        load(json.dumps(body).encode(), "s")


@example(  # nothing was billed: by a bill for no hours, and by one that was read before hours were kept
    {"bid_3": Paid(TRAIN, Decimal(0), 0.0)}, {"bid_3": Paid(TRAIN, Decimal(0), 0.0, Decimal(0), 0.0)}
)
@given(LEDGERS, LEDGERS)
def test_two_copies_know_every_bid_once_and_no_fewer_hours_than_either(
    one: dict[str, Paid], other: dict[str, Paid]
) -> None:
    both = merged(one, other)
    assert both.keys() == one.keys() | other.keys()
    for id, found in both.items():
        seen = [entry.amount for copy in (one, other) if (entry := copy.get(id)) is not None]
        known = [amount for amount in seen if amount is not None]
        hours = [entry.hours for copy in (one, other) if (entry := copy.get(id)) is not None]
        if len(seen) == 2 and None not in (*seen, *hours):
            assert found.hours == max(hours)
            assert found.amount in known
        else:
            assert found.amount == max(known, default=None)
    assert merged(both, both) == both
    assert merged(other, one) == both


def test_of_two_copies_that_know_as_many_hours_the_later_bill_counts() -> None:
    dear, corrected = (
        Paid(TRAIN, Decimal(amount), 1000.0, Decimal(5), read_at) for amount, read_at in ((40, 1e3), (30, 2e3))
    )
    for one, other in ((dear, corrected), (corrected, dear)):
        assert merged({"bid_1": one}, {"bid_1": other}) == {"bid_1": corrected}


@pytest.mark.parametrize(
    ("bill", "amount", "hours"),
    [
        (Bill(Decimal(30), Decimal(5)), 30, 5),  # the same hours, at a lower price: a correction
        (Bill(Decimal(0), Decimal(5)), 0, 5),
        (Bill(Decimal(36), Decimal(6)), 36, 6),  # corrected, and it did not lag any more
        (Bill(Decimal(24), Decimal(3)), 40, 5),  # it lags, or lacks a machine
        (Bill(Decimal(0), Decimal(0)), 40, 5),
        (Bill(Decimal(45), Decimal(4)), 45, 5),
    ],
)
def test_a_later_bill_wins_if_it_is_for_all_the_hours(bill: Bill, amount: int, hours: int) -> None:
    known = {"bid_1": Paid(TRAIN, Decimal(40), 1000.0, Decimal(5), 1000.0)}
    found = billed(known, {"bid_1": bill}, 2000.0, ended=())["bid_1"]
    assert (found.amount, found.hours, found.at) == (amount, hours, 1000.0)


def test_an_amount_of_unknown_hours_is_lowered_by_no_bill() -> None:
    known = Paid(TRAIN, Decimal(40), 1000.0)
    assert known.after(Bill(Decimal(30), Decimal(9)), 2000.0) == known
    assert known.after(Bill(Decimal(41), Decimal(5)), 2000.0) == Paid(TRAIN, Decimal(41), 1000.0, Decimal(5), 2000.0)


def test_what_a_bill_leaves_out_is_nothing_only_of_what_ended_lately() -> None:
    ledger = {"bid_1": Paid(TRAIN), "bid_2": Paid(TRAIN), "bid_3": Paid(TRAIN, Decimal(5), 1.0)}
    found = billed(ledger, {}, 9.0, ended={"bid_1", "bid_3"})
    assert {id: one.amount for id, one in found.items()} == {"bid_1": Decimal(0), "bid_2": None, "bid_3": Decimal(5)}


def test_a_bill_that_lagged_is_read_again_for_a_week() -> None:
    known = billed({"bid_1": Paid(TRAIN)}, {"bid_1": _bill(5)}, 1000.0, ended=())
    assert known == {"bid_1": Paid(TRAIN, Decimal(5), 1000.0, Decimal(5), 1000.0)}
    soon, late = (1000.0 + 24 * 3600 * days for days in (6.9, 7.1))
    assert (unsettled(known, (), soon), unsettled(known, (), late)) == ({"bid_1"}, frozenset())
    more = billed(known, {"bid_1": _bill(8)}, soon, ended=())
    assert more == {"bid_1": Paid(TRAIN, Decimal(8), 1000.0, Decimal(8), soon)}  # and not for another week
    assert billed(more, {"bid_1": _bill(9)}, late, ended=()) == more
    assert billed(more, {}, soon, ended=()) == more


def _bill(hours: int) -> Bill:
    """Of so many hours at a dollar."""
    return Bill(Decimal(hours), Decimal(hours))


def test_a_journal_that_made_and_lost_a_bid_knows_it() -> None:
    """A run was killed before it saved: neither the state before nor the one after has it."""
    first, second = bound(TRAIN, "bid_1", bid()), bound(TRAIN, "bid_2", bid())
    found, _ = fold(state(), [Done("", TRAIN, first), Done("", TRAIN, second), Done("", TRAIN, None)])
    assert found.paid == {"bid_1": Paid(TRAIN), "bid_2": Paid(TRAIN)}


def test_what_is_bound_at_another_address_takes_its_predecessors_along() -> None:
    other = Address("bid", "other")
    now = bound(TRAIN, "bid_2", bid())
    moved = [Done("", TRAIN, None), Done("", other, attrs.evolve(now, address=other))]
    found, _ = fold(state(now, paid={"bid_1": Paid(TRAIN)}), moved)
    assert {id: one.address for id, one in found.paid.items()} == {"bid_1": other, "bid_2": other}


IDS, PLACES = ("bid_1", "bid_2", "bid_3"), tuple(Address("bid", name) for name in ("train", "other", "third"))
ENTER = st.tuples(st.just("enter"), st.sampled_from(IDS), st.sampled_from(PLACES))
MOVE = st.tuples(st.just("move"), st.sampled_from(PLACES), st.sampled_from(PLACES))


@given(st.dictionaries(st.sampled_from(IDS), st.builds(Paid, st.sampled_from(PLACES))), st.lists(ENTER | MOVE))
def test_an_open_ledger_is_what_each_change_of_a_whole_one_makes(ledger: dict[str, Paid], changes: list[Any]) -> None:
    opened, whole = OpenLedger(ledger), dict(ledger)
    for kind, what, place in changes:
        getattr(opened, kind)(what, place)
        if kind == "enter":
            whole = {**whole, what: Paid(place)}
        else:
            whole = {id: Paid(place) if one.address == what else one for id, one in whole.items()}
    assert list(opened.closed().items()) == list(whole.items())


def test_no_result_of_many_is_a_new_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a state that was made anew for each, what it knows would be copied each time: of 10,000 bids, 50 million."""
    made: list[object] = []
    evolve = attrs.evolve
    monkeypatch.setattr(attrs, "evolve", lambda one, **new: (made.append(one), evolve(one, **new))[1])

    def states(count: int) -> int:
        made.clear()
        there = [bound(Address("bid", f"task-{n}"), f"bid_{n}", bid()) for n in range(count)]
        before = state(*there, released=frozenset({"bid_x"}))
        found, _ = fold(before, [Done("", one.address, None, released=one.id, adopted=one.id) for one in there])
        assert len(found.paid) == len(found.released) - 1 == len(found.adopted) == count
        return sum(isinstance(one, State) for one in made)

    assert states(1) == states(20)
