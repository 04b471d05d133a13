"""Your own bids in one auction that never run at the same time, or that do for a while only."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from flowplan.cost.estimate import auctions_needed, priced
from flowplan.cost.warnings import warned
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import After, Until
from flowplan.planning.actions import Change, Create, CreateFirst, Delete, NoOp, Replace
from flowplan.planning.desired import Desired
from flowplan.planning.succession import Succession
from flowplan.pricing.entry import Market
from tests.builders import bid, live, market, plan_to, state
from tests.conftest import Place

D = Decimal
HERE = Position("stack.yaml", 1, 1)
ONE_FREE = {("it", "r", n): market(quantity=n, available=1, win_price=D(8) if n == 1 else D(99)) for n in (1, 2, 3)}


def address(name: str) -> Address:
    return Address("bid", name)


def new(name: str, *after: tuple[str, Until]) -> Create:
    waits = tuple(After(address(task), until, HERE) for task, until in after)
    return Create(address(name), after=bid(name), waits_for=waits)


def live_one(name: str) -> NoOp:
    return NoOp(address(name), before=bid(name), after=bid(name), id=f"bid_{name}", status="Allocated")


def outlooks(*changes: Change, prices: Mapping[tuple[str, str, int], Market] = ONE_FREE) -> dict[str, Any]:
    found = priced(plan_to(*changes), prices)
    return {one.change.address.name: one.cost.outlook for one in found.changes if one.cost}


def said(*changes: Change) -> list[str]:
    found = warned(priced(plan_to(*changes), ONE_FREE))
    return [one.summary for one in found if one.word == "self_competition"]


def groups(*changes: Change) -> list[tuple[str, str]]:
    found = Succession.of(changes).groups(changes, lambda one: one.address)
    return [tuple("".join(one.address.name for one in part) for part in pair) for pair in found]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((new("a"), new("b")), [("ab", "ab")]),
        ((new("a"), new("b", ("a", "terminated"))), [("a", "a"), ("b", "b")]),
        ((new("a"), new("b", ("a", "running"))), [("ab", "ab")]),
        (
            (new("a"), new("b", ("a", "terminated")), new("c", ("b", "terminated"))),
            [("a", "a"), ("b", "b"), ("c", "c")],
        ),
        # c begins after b, which begins after the end of a
        ((new("c", ("b", "placed")), new("b", ("a", "terminated")), new("a")), [("a", "a"), ("cb", "cb")]),
        # d waits for nobody, and nobody for it: it is beside both
        ((new("a"), new("b", ("a", "terminated")), new("d")), [("ad", "ad"), ("db", "b")]),
        ((live_one("a"), new("b", ("a", "terminated"))), [("a", "a"), ("b", "b")]),
        # what goes, or is gone, is waited for no longer than this plan takes
        ((Delete(address("a"), before=bid("a"), id="bid_a"), new("b", ("a", "terminated"))), [("ab", "ab")]),
        ((new("b", ("gone", "terminated")), new("c")), [("bc", "bc")]),
    ],
)
def test_who_runs_beside_whom(changes: tuple[Change, ...], expected: list[tuple[str, str]]) -> None:
    assert groups(*changes) == expected


def test_thousands_in_a_row_or_side_by_side_take_no_longer_than_they_are_many() -> None:
    row = [new("n0"), *(new(f"n{n}", (f"n{n - 1}", "terminated")) for n in range(1, 3000))]
    assert len(Succession.of(row).groups(row, lambda one: one.address)) == 3000
    pairs = [one for n in range(3000) for one in (new(f"a{n}"), new(f"b{n}", (f"a{n}", "terminated")))]
    found = Succession.of(pairs).groups(pairs, lambda one: one.address)
    assert [(len(group), len(begin)) for group, begin in found] == [(3000, 3000), (3000, 3000)]


def test_bids_that_follow_each_other_do_not_compete() -> None:
    """There is room for one: side by side nobody can tell who gets it, one after the other both do."""
    together, apart = (new("a"), new("b")), (new("a"), new("b", ("a", "terminated")))
    assert set(outlooks(*together).values()) != {"runs"}
    assert len(said(*together)) == 1
    assert outlooks(*apart) == {"a": "runs", "b": "runs"} and said(*apart) == []


def test_a_third_beside_both_competes_with_each_in_turn() -> None:
    found = priced(plan_to(new("a"), new("b", ("a", "terminated")), new("d")), ONE_FREE)
    assert all("self_competition" in one.cost.warnings for one in found.changes if one.cost)
    assert len([one for one in warned(found) if one.word == "self_competition"]) == 2


def test_one_that_runs_and_one_that_waits_for_its_end() -> None:
    assert said(live_one("a"), new("b")) != []
    assert said(live_one("a"), new("b", ("a", "terminated"))) == []


def test_what_follows_is_not_asked_about_as_if_it_were_beside() -> None:
    together, apart = (new("a"), new("b")), (new("a"), new("b", ("a", "terminated")))
    for changes, quantities in ((together, [1, 2]), (apart, [1])):
        desired = Desired({one.address: one.after for one in changes})
        assert [key[2] for key in auctions_needed(desired, state(), live(), changes)] == quantities


# ---- made before the old one goes ----------------------------------------------------------------------------

FULL = {
    ("it", "r", n): market(quantity=n, available=0, lowest_allocated=D(12), win_price=D("12.01")) for n in (1, 2, 3)
}


@pytest.mark.parametrize("way", [Replace, CreateFirst])
def test_a_successor_has_the_place_of_the_old_one(way: type[Replace]) -> None:
    """Whichever comes first: by the end of the apply the old one is gone."""
    change = way(address("a"), before=bid("a"), after=bid("a"), id="bid_a", status="Allocated")
    (found,) = priced(plan_to(change), FULL).changes
    assert found.cost is not None and found.cost.now == 8


def test_a_successor_that_is_made_first_is_asked_about_beside_others() -> None:
    change = CreateFirst(address("a"), before=bid("a"), after=bid("a"), fields=(), id="bid_a", status="Allocated")
    changes = (change, new("b"))
    desired = Desired({address("a"): bid("a"), address("b"): bid("b")})
    assert [key[2] for key in auctions_needed(desired, state(), live(), changes)] == [1, 2]


# ---- as somebody reads it ------------------------------------------------------------------------------------

STACK = """\
version: 2
name: llm
defaults:
  resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 3.00}
tasks:
  first: {}
  second: {depends_on: [{task: first, until: terminated}]}
  third: {depends_on: [{task: second, until: terminated}]}
"""


def test_a_plan_warns_only_of_what_runs_together(place: Place) -> None:
    place.write(STACK)
    assert "against each other" not in " ".join(place.ok("plan").split())
    place.edit("task: first, until: terminated", "task: first, until: running")
    assert "bid.first and bid.second bid against each other" in " ".join(place.ok("plan").split())
