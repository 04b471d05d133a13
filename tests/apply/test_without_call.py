"""What steps that need no call leave of their address."""

from __future__ import annotations

import attrs
import pytest

from flowplan.apply.without_call import do
from flowplan.apply.working_state import WorkingState
from flowplan.model.address import Address
from flowplan.model.resources import PortMapping
from flowplan.planning.actions import Create, Delete, Forget
from flowplan.planning.steps import Step
from flowplan.state.journal import fold
from flowplan.state.records import Done
from tests.builders import PORTS, TRAIN, bid, bound, state

BOUND_TRAIN = bound(TRAIN, "bid_1", bid())
OPEN = PortMapping(TRAIN, ())
BOUND_PORTS = bound(PORTS, "bid_1", OPEN, needs=(TRAIN,))


def test_ports_have_the_id_of_their_bid() -> None:
    working = WorkingState(state(BOUND_TRAIN))
    told, done = do(Step("up", PORTS), Create(PORTS, after=OPEN), working, "i-1")
    assert (told.id, done) == ("bid_1", Done("i-1", PORTS, working.bindings[PORTS]))
    assert (working.bindings[PORTS].id, working.bindings[PORTS].applied) == ("bid_1", OPEN)


@pytest.mark.parametrize("address", [TRAIN, PORTS])
def test_what_goes_leaves_nothing(address: Address) -> None:
    working = WorkingState(state(BOUND_TRAIN, BOUND_PORTS))
    told, done = do(Step("down", address), Forget(address, before=bid(), id="bid_1"), working)
    assert (told.id, done, address in working.bindings) == (None, Done("", address, None), False)


def test_what_is_released_is_known_as_that() -> None:
    working = WorkingState(state(BOUND_TRAIN, BOUND_PORTS))
    found = [
        do(Step("down", address), Forget(address, before=bid(), id="bid_1", released=True), working)[1]
        for address in (TRAIN, PORTS)
    ]
    assert found == [Done("", TRAIN, None, released="bid_1"), Done("", PORTS, None)]


def test_ports_of_an_old_bid_leave_those_of_its_successor() -> None:
    working = WorkingState(state(attrs.evolve(BOUND_TRAIN, id="bid_2"), attrs.evolve(BOUND_PORTS, id="bid_2")))
    told, done = do(Step("down", PORTS), Delete(PORTS, before=OPEN, id="bid_1"), working, "i-1")
    assert (told.id, done, working.bindings[PORTS].id) == (None, None, "bid_2")


@pytest.mark.parametrize("known", [(BOUND_TRAIN,), (BOUND_TRAIN, BOUND_PORTS)])
def test_the_next_run_knows_what_this_one_does(known: tuple[object, ...]) -> None:
    before = state(*known)  # type: ignore[arg-type]
    working = WorkingState(before)
    _, done = do(Step("down", PORTS), Delete(PORTS, before=OPEN, id="bid_1"), working, "i-1")
    assert fold(before, [done] if done is not None else [])[0] == working.snapshot()
