"""The order of steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.planning.steps import Cycle, Step, order

V, W, B, C, P = (Address.parse(text) for text in ("volume.v", "volume.w", "bid.b", "bid.c", "ports.b"))


def test_create_goes_from_volume_to_ports() -> None:
    steps = [Step("up", address) for address in (P, B, V)]
    assert list(order(steps, {B: [V], P: [B]}, {})) == [Step("up", V), Step("up", B), Step("up", P)]


@pytest.mark.parametrize("needs", [{B: [V], P: [B]}, {B: [V]}])
def test_destroy_is_the_reverse_and_ports_end_with_their_bid(needs: dict[Address, list[Address]]) -> None:
    """Also those that the state does not have yet. What keeps the bid from ending keeps its ports, and its volume."""
    found = order([Step("down", address) for address in (V, B, P)], {}, needs)
    assert list(found) == [Step("down", B), Step("down", P), Step("down", V)]
    assert found[Step("down", P)] == found[Step("down", V)] == (Step("down", B),)


def test_replacing_goes_down_before_it_goes_up() -> None:
    steps = [Step(way, address) for way in ("up", "down") for address in (B, P)]  # type: ignore[arg-type]
    done = list(order(steps, {P: [B]}, {P: [B]}))
    assert done == [Step("down", B), Step("down", P), Step("up", B), Step("up", P)]


def test_the_ports_of_what_is_made_first_go_with_the_old_bid() -> None:
    """Those of its successor are open by then."""
    steps = [Step(way, address) for way in ("up", "down") for address in (B, P)]  # type: ignore[arg-type]
    found = order(steps, {P: [B]}, {P: [B]}, made_first=[B])
    assert found == {
        Step("up", B): (),
        Step("down", B): (Step("up", B),),
        Step("up", P): (Step("up", B),),
        Step("down", P): (Step("down", B), Step("up", B), Step("up", P)),
    }


def test_ports_that_go_alone_wait_for_nothing() -> None:
    assert order([Step("down", P), Step("up", B)], {}, {P: [B]})[Step("down", P)] == ()


def test_a_volume_dropped_from_a_bid_goes_after_that_bids_update() -> None:
    """Two sweeps, all deletes and then all creates, would delete the volume while the bid uses it."""
    found = order([Step("down", V), Step("up", B)], {B: [W]}, {B: [V]})
    assert list(found) == [Step("up", B), Step("down", V)]


def test_what_is_not_changed_is_not_waited_for() -> None:
    assert order([Step("up", B)], {B: [V]}, {B: [V]}) == {Step("up", B): ()}


def test_what_takes_over_is_replaced_only_once_the_other_has_released_it() -> None:
    """B takes from C. Should C's update fail, B must not have been taken down for nothing."""
    steps = [Step("down", B), Step("up", B), Step("up", C)]
    assert list(order(steps, {}, {}, [(B, C)])) == [Step("up", C), Step("down", B), Step("up", B)]


def test_what_the_giver_waits_for_does_not_wait_for_the_giver() -> None:
    """B takes from C, but C's successor takes from B in turn: only the ups can wait."""
    steps = [Step(way, one) for way in ("down", "up") for one in (B, C)]  # type: ignore[arg-type]
    found = list(order(steps, {}, {}, [(B, C), (C, B)]))
    assert {*found[:2]} == {Step("down", B), Step("down", C)}


def test_a_circle_is_named() -> None:
    with pytest.raises(Cycle) as caught:
        order([Step("up", B), Step("up", C)], {B: [C], C: [B]}, {})
    members = caught.value.members
    assert members[0] == members[-1]
    assert {step.address for step in members} == {B, C}


addresses = st.integers(0, 8).map(lambda n: Address("bid", f"b{n}"))


@given(st.data())
def test_every_step_once_after_all_it_waits_for(data: st.DataObject) -> None:
    """On any graph without circles (each needs only smaller names), whatever the ways."""
    names = [Address("bid", f"b{n}") for n in range(9)]
    needs = {a: data.draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else [] for n, a in enumerate(names)}
    ways = data.draw(st.lists(st.sampled_from(["", "up", "down", "both"]), min_size=9, max_size=9))
    steps = [Step("up", a) for a, way in zip(names, ways, strict=True) if way in ("up", "both")]
    steps += [Step("down", a) for a, way in zip(names, ways, strict=True) if way in ("down", "both")]
    try:
        found = order(steps, needs, needs)
    except Cycle:
        # Only when a thing goes down although what uses it just goes up: plan.py never makes that.
        assert any(w in ("down", "both") for w in ways)
        return
    assert len(found) == len(steps) and set(found) == set(steps)
    seen: set[Step] = set()
    for step, waits in found.items():
        assert set(waits) <= seen
        seen.add(step)
