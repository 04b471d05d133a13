"""The ledger of a state as data: what two copies know together, and every kind of damage refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.digest import digest
from flowplan.state.codec import dump, load
from flowplan.state.journal import Done, fold
from flowplan.state.paid import Paid, billed, merged, unsettled
from tests.builders import TRAIN, bid, bound, state

LEDGER = {"bid_1": Paid(TRAIN, Decimal("39.713333"), 1000.0), "bid_2": Paid(TRAIN)}
ENTRIES = st.builds(
    Paid, st.just(TRAIN), st.none() | st.decimals(0, 10_000, places=6), st.floats(0, 1e10, allow_nan=False)
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
    ],
)
def test_an_entry_that_is_none_is_refused(entry: Any) -> None:
    body = json.loads(dump(state(paid=LEDGER)))
    del body["sha256"]
    body["paid"]["bid_1"] = entry
    body["sha256"] = digest(body)
    with pytest.raises(StateError, match="not a state file"):
        load(json.dumps(body).encode(), "s")


@given(LEDGERS, LEDGERS)
def test_two_copies_know_every_bid_once_and_no_less_than_either(one: dict[str, Paid], other: dict[str, Paid]) -> None:
    both = merged(one, other)
    assert both.keys() == one.keys() | other.keys()
    for id, found in both.items():
        seen = [entry.amount for copy in (one, other) if (entry := copy.get(id)) is not None]
        known = [amount for amount in seen if amount is not None]
        assert found.amount == max(known, default=None)
    assert merged(both, both) == both


def test_what_a_bill_leaves_out_is_nothing_only_of_what_ended_lately() -> None:
    ledger = {"bid_1": Paid(TRAIN), "bid_2": Paid(TRAIN), "bid_3": Paid(TRAIN, Decimal(5), 1.0)}
    found = billed(ledger, {}, 9.0, ended={"bid_1", "bid_3"})
    assert {id: one.amount for id, one in found.items()} == {"bid_1": Decimal(0), "bid_2": None, "bid_3": Decimal(5)}


def test_a_bill_that_lagged_is_read_again_for_a_week() -> None:
    known = billed({"bid_1": Paid(TRAIN)}, {"bid_1": Decimal(5)}, 1000.0, ended=())
    assert known == {"bid_1": Paid(TRAIN, Decimal(5), 1000.0)}
    soon, late = (1000.0 + 24 * 3600 * days for days in (6.9, 7.1))
    assert (unsettled(known, (), soon), unsettled(known, (), late)) == ({"bid_1"}, frozenset())
    more = billed(known, {"bid_1": Decimal(8)}, soon, ended=())
    assert more == {"bid_1": Paid(TRAIN, Decimal(8), 1000.0)}  # and not for another week
    assert billed(more, {"bid_1": Decimal(9)}, late, ended=()) == more
    assert billed(more, {}, soon, ended=()) == more


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
