"""Wanted names that somebody else's live objects have: refused before anything is made."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from flowplan.config import Config
from flowplan.model.given import GivenValue
from flowplan.model.live import Live
from flowplan.model.resources import Bid, PortMapping, Resource
from flowplan.planning.conflicts import PREFIX, conflicts
from flowplan.planning.desired import Desired
from flowplan.state.records import Intent
from flowplan.state.state import State
from tests.builders import (
    DATA,
    HTTP,
    PORTS,
    TRAIN,
    bid,
    bound,
    create_of,
    intent_of,
    live,
    live_bid,
    live_volume,
    marker,
    state,
    volume,
)

FILES = Config({}, {})
OTHER = bound(attrs.evolve(TRAIN, name="older"), "bid_1", bid())
THEIRS = live_bid(bid(), "bid_9", ours=False)
OF_A_STACK = live_bid(bid(), "bid_9", marker=marker(bid(), lineage="another", stack="stack-2"))
SPARE = live_volume(volume(), "vol_9", created_at="1970-01-01T00:16:45Z")  # just after the intent was announced


def found(
    wanted: Resource, known: State, there: Live, *pending: Intent, files: Config = FILES
) -> list[tuple[str, str]]:
    address = {"train": TRAIN, "data": DATA}[getattr(wanted, "name", "train")]
    doubted = {one.intent: one for one in pending}
    return [(what, hint) for _, what, hint in conflicts(Desired({address: wanted}), known, doubted, there, files)]


@pytest.mark.parametrize(
    ("wanted", "known", "there"),
    [
        (bid(), state(), live()),
        (bid(), state(), live(live_bid(bid("another"), ours=False))),
        (bid(), state(), live(live_volume(volume("train")))),  # of another kind
        (bid(), state(), live(attrs.evolve(THEIRS, status="Terminated"))),
        (bid(), state(bound(TRAIN, "bid_1", bid())), live(live_bid(bid()), THEIRS)),  # ours is live: it has the name
        (volume(), state(bound(DATA, "vol_1", volume())), live(live_volume(volume()), SPARE)),
    ],
)
def test_a_name_that_is_free_or_ours(wanted: Resource, known: State, there: Live) -> None:
    assert found(wanted, known, there) == []


TAKEN: dict[str, tuple[Any, ...]] = {
    "a bid of somebody": (bid(), state(), THEIRS, "no flowplan state here records it", "flowplan import bid.train"),
    "a volume of somebody": (
        volume(),
        state(),
        SPARE,
        "no flowplan state here records it",
        "attach: {volume_name: data}",
    ),
    "under another address": (
        bid(),
        state(OTHER),
        live_bid(bid()),
        "it is in the state as bid.older",
        "kept by `moved: [{from: bid.older, to: bid.train}]` in a stack file; without one: `flowplan state mv",
    ),
    "released": (
        bid(),
        state(released=frozenset({"bid_9"})),
        THEIRS,
        "it was released",
        "takes it back",
    ),
    "of another stack": (
        bid(),
        state(),
        OF_A_STACK,
        "it belongs to another state of flowplan (stack stack-2)",
        "recover --from-live",
    ),
    "once ours, which is over": (
        bid(),
        state(bound(TRAIN, "bid_1", bid())),
        THEIRS,
        "no flowplan state here records it",
        "flowplan import bid.train bid_9",
    ),
}


@pytest.mark.parametrize(("wanted", "known", "object", "whose", "remedy"), TAKEN.values(), ids=list(TAKEN))
def test_a_name_that_is_taken(wanted: Resource, known: State, object: Any, whose: str, remedy: str) -> None:
    ((what, hint),) = found(wanted, known, live(object))
    assert f"already exists ({object.id})" in what and whose in what
    assert remedy in hint


@pytest.mark.parametrize(
    ("prefix", "runs", "named"),
    [
        ("", ["train"], True),
        ("", ["production-train"], False),
        ("", ["production-train-g2"], False),
        ("", ["train", "production-train"], False),
        ("staging-", ["train"], False),
        ("staging-", ["production-train"], False),
        ("staging-", ["staging-eu-train"], False),
        ("production-", ["production-train"], True),
    ],
)
def test_a_lost_state_is_not_to_be_rebuilt_of_another_environment(prefix: str, runs: list[str], named: bool) -> None:
    """All environments of a stack have its name; only what their bids are called tells them apart."""
    known, files = attrs.evolve(state(), stack="serving"), Config({}, {}, stack="serving", name_prefix=prefix)
    mark = marker(bid(), lineage="production", stack="serving")
    there = live(SPARE, *(live_bid(bid(name), f"bid_{n}", marker=mark) for n, name in enumerate(runs)))
    ((_, _, hint),) = conflicts(Desired({DATA: volume()}), known, {}, there, files)
    assert ("first flowplan recover --from-live --lineage production" in hint) is named, hint


ENV = {"env": GivenValue("staging")}


def remedy(wanted: Resource, *there: Any, **config: Any) -> str:
    address = TRAIN if isinstance(wanted, Bid) else DATA
    files = Config({}, {}, stack="serving", **config)
    known = attrs.evolve(state(), stack="serving")
    ((_, _, hint),) = conflicts(Desired({address: wanted}), known, {}, live(*there), files)
    return hint


def test_a_name_of_another_environment_is_answered_with_a_prefix_where_there_is_none() -> None:
    """With variables, and no prefix: which environment a bid is of, nothing tells."""
    theirs = attrs.evolve(OF_A_STACK, marker=marker(bid(), lineage="another", stack="serving"))
    lost = "use the state that has it; if that is lost: flowplan recover --from-live --lineage another"
    assert remedy(bid(), theirs) == lost
    one, prefixed = bid("x-train"), attrs.evolve(theirs, bid=bid("x-train"))
    assert remedy(one, prefixed, variables=ENV, name_prefix="x-") == lost
    assert remedy(bid(), theirs, variables=ENV) == f"{PREFIX}; in the same one, {lost}"
    assert (
        remedy(bid(), THEIRS, variables=ENV) == f"{PREFIX}; or flowplan import bid.train bid_9 lets flowplan manage it"
    )
    assert remedy(volume(), SPARE, theirs, variables=ENV) == (
        f"{PREFIX}; if the state of this stack is lost, first flowplan recover --from-live --lineage another; then "
        "flowplan import volume.data vol_9"
    )


@pytest.mark.parametrize("lost", [True, False])
def test_the_name_of_another_stack_is_not_taken_for_that_of_a_lost_state_alone(lost: bool) -> None:
    """Where no file names a stack, each directory is one: its neighbour's bids are not to be taken in either."""
    known = state() if lost else state(bound(DATA, "vol_1", volume()))
    ((_, hint),) = found(bid(), known, live(OF_A_STACK))
    assert hint.endswith("; if it is another stack's, choose another name"), hint


def test_a_volume_that_another_environment_uses_is_not_taken_in() -> None:
    runs = bid("production-train", volumes=("vol_9",))
    user = live_bid(runs, "bid_9", marker=marker(runs, lineage="production", stack="serving"))
    hint = remedy(volume(), SPARE, user, variables=ENV)
    assert ("lineage" in hint, "attach: {volume_name: data}" in hint, PREFIX in hint) == (False, True, True), hint


def test_what_has_a_name_twice_is_told_with_the_lineage_of_each() -> None:
    both = [live_bid(bid(), f"bid_{n}", marker=marker(bid(), lineage=f"lost-{n}", stack="serving")) for n in (1, 2)]
    assert remedy(bid(), *both).endswith("with one of --lineage lost-1 (it has train), --lineage lost-2 (it has train)")


def test_a_volume_that_a_bid_of_another_stack_uses_is_that_stacks() -> None:
    user = attrs.evolve(OF_A_STACK, bid=bid("theirs", volumes=("vol_9",)))
    ((what, hint),) = found(volume(), state(), live(SPARE, user), files=Config({}, {}, stack="mine"))
    assert "it is used by a bid of another state of flowplan (stack stack-2)" in what
    assert hint.endswith("if that stack is given up: flowplan import volume.data vol_9 --lineage another")


def test_several_of_one_name_are_all_named() -> None:
    ((what, _),) = found(bid(), state(), live(THEIRS, live_bid(bid(), "bid_8", ours=False)))
    assert "(bid_9, bid_8)" in what


def test_what_an_operation_in_doubt_may_have_made_is_judged_by_the_look_up() -> None:
    intent = create_of(DATA, volume())
    assert found(volume(), state(), live(SPARE), intent) == []
    assert found(volume(), state(), live(SPARE), intent_of("update", DATA, volume())) != []
    assert found(bid(), state(), live(live_bid(bid())), create_of(TRAIN, bid())) == []


def test_ports_have_no_name_that_could_be_taken() -> None:
    assert conflicts(Desired({PORTS: PortMapping(TRAIN, HTTP)}), state(), {}, live(THEIRS), FILES) == []
