"""The state while a run changes it is what its records make of the state before."""

from __future__ import annotations

import attrs
import pytest

from flowplan.apply.working_state import WorkingState
from flowplan.model.address import Address
from flowplan.planning.actions import Change, Completed, Create, NoOp
from flowplan.state.journal import fold
from flowplan.state.records import Closed, Done, Intent, Record
from flowplan.state.state import AppliedPlan, State
from tests.builders import DATA, TRAIN, bid, bound, create_of, state, volume

MADE, USER = bound(DATA, "vol_1", volume()), bound(TRAIN, "bid_1", bid(), needs=(DATA,))
MAKE = create_of(DATA, volume())
END = Intent("i-2", "delete", DATA, 1, "data", "key-2", "", MAKE.at, "vol_1")


def same(working: WorkingState, before: State, records: list[Record]) -> None:
    """The next run, which has the journal alone, knows what this one does."""
    folded, pending = fold(before, records)
    assert (working.snapshot(), working.pending) == (folded, pending)


def test_a_create_leaves_its_binding() -> None:
    working = WorkingState(state())
    working.intend(MAKE)
    assert working.pending == {"i-1": MAKE}
    done = working.finish(MAKE, MADE)
    assert (done, working.bindings) == (Done("i-1", DATA, MADE), {DATA: MADE})
    same(working, state(), [MAKE, done])


def test_a_removal_leaves_when_it_ended_and_nothing_that_needs_it() -> None:
    before = state(MADE, USER)
    working = WorkingState(before)
    working.intend(END)
    done = working.finish(END, None)
    assert working.snapshot().ended == {"vol_1": 1000.0}
    assert working.snapshot().bindings[TRAIN].needs == ()
    same(working, before, [END, done])


def test_what_is_proved_not_to_have_happened_changes_nothing() -> None:
    working = WorkingState(state(MADE))
    working.intend(MAKE)
    closed = working.close(MAKE, "Refused")
    assert closed == Closed("i-1", "Refused")
    same(working, state(MADE), [MAKE, closed])


def test_a_saved_plan_is_in_the_state_once_it_begins() -> None:
    working, plan = WorkingState(state()), AppliedPlan("sha", "now", 1)
    working.begin(plan)
    same(working, state(), [plan])


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (state(bound(Address("volume", "other"), "vol_1", volume("other"))), "is in the state as volume.other"),
        (state(released=frozenset({"vol_1"})), "was released"),
        (state(ended={"vol_1": 1.0}), "was ended by this stack before"),
    ],
)
def test_an_id_that_is_known_otherwise_is_not_taken(known: State, text: str) -> None:
    assert WorkingState(known).elsewhere(MADE) == f"the answer is about vol_1, which {text}"


@pytest.mark.parametrize("known", [state(), state(MADE)])
def test_an_id_that_nothing_else_has_is_taken(known: State) -> None:
    assert WorkingState(known).elsewhere(MADE) is None


def test_an_id_that_this_run_ended_is_not_taken_either() -> None:
    working = WorkingState(state(MADE))
    working.finish(END, None)
    assert "was ended by this stack before" in (working.elsewhere(MADE) or "")


NO_OP = NoOp(DATA, before=volume(), after=volume(), id="vol_1", source="task.yaml")


@pytest.mark.parametrize(
    ("known", "change", "refreshed"),
    [
        (state(MADE), NO_OP, False),
        (state(), NO_OP, True),
        (state(MADE), attrs.evolve(NO_OP, source="other.yaml"), True),
        (state(MADE), attrs.evolve(NO_OP, generation=2), True),
        (state(MADE), attrs.evolve(NO_OP, after=volume(size_gb=200)), True),
        (state(), Create(DATA, after=volume(), id="vol_1"), False),
    ],
)
def test_what_needs_no_call_is_recorded_where_the_state_has_it_otherwise(
    known: State, change: Change, refreshed: bool
) -> None:
    working = WorkingState(known)
    records: list[Record] = [*working.refreshed([change], only=False)]
    assert bool(records) is refreshed
    same(working, known, records)


RENAMED = Address("bid", "other")
MOVED_USER = bound(RENAMED, "bid_1", bid(), needs=(DATA,))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (state(MADE, USER), state(MADE, MOVED_USER)),
        (state(MADE, USER), state(MADE, USER)),
        (state(USER), state(attrs.evolve(USER, needs=()), MADE, adopted=frozenset({"vol_1"}))),
        (
            state(released=frozenset({"bid_1", "bid_2"})),
            state(attrs.evolve(MOVED_USER, needs=()), released=frozenset({"bid_2"})),
        ),
        (state(bound(TRAIN, "bid_1", bid())), state(bound(RENAMED, "bid_1", bid()), bound(TRAIN, "bid_2", bid()))),
    ],
)
def test_what_the_configuration_says_of_addresses_is_in_the_journal(before: State, now: State) -> None:
    working = WorkingState(before)
    records = [*working.restate(now)]
    assert working.bindings == now.bindings
    kept = working.snapshot()
    assert (kept.released, kept.adopted) == (now.released, now.adopted)
    same(working, before, list(records))


def test_what_is_released_stays_so_for_the_next_run() -> None:
    """The marker in a live bid would bring it back."""
    working = WorkingState(state(USER))
    done = working.bind(TRAIN, None, released="bid_1")
    assert working.snapshot().released == {"bid_1"}
    same(working, state(USER), [done])


def test_an_id_that_is_new_is_not_looked_for_among_all_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each create has one: to go through all would grow with the square of what is made."""
    working = WorkingState(
        state(bound(TRAIN, "bid_1", bid()), bound(Address("volume", "other"), "vol_2", volume("other")))
    )
    monkeypatch.setattr("flowplan.apply.working_state.known_otherwise", lambda *_: pytest.fail("it is looked for"))
    assert working.elsewhere(MADE) is None


def test_an_id_that_was_bound_in_this_run_is_not_taken_for_another_address() -> None:
    working = WorkingState(state())
    working.finish(MAKE, MADE)
    other = attrs.evolve(MADE, address=Address("volume", "other"))
    assert "is in the state as volume.data" in (working.elsewhere(other) or "")


@pytest.mark.parametrize(
    ("known", "now", "ended"), [("", "TERMINATED", "TERMINATED"), ("LIFETIME", "", "LIFETIME"), ("", "", "")]
)
def test_what_only_records_what_is_live_forgets_no_end(known: str, now: str, ended: str) -> None:
    before = attrs.evolve(USER, ended=known)
    seen = NoOp(TRAIN, before=bid(), after=bid(), id="bid_1", needs=(DATA,))
    change = Completed(TRAIN, applied=bid(), ended=now, id="bid_1", needs=(DATA,)) if now else seen
    working = WorkingState(state(MADE, before))
    [*working.refreshed([change], only=True)]
    assert working.bindings[TRAIN].ended == ended
