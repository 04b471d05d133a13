"""Whose a live object is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.model.lifecycle import Bounds
from flowplan.model.live import Live
from flowplan.state.doubts import binding_of
from flowplan.state.orphans import orphans
from flowplan.state.ownership import known_otherwise, new_bids, presume, strays
from flowplan.state.records import Intent
from flowplan.state.state import State
from tests.builders import (
    DATA,
    TRAIN,
    bid,
    bound,
    create_of,
    live,
    live_bid,
    live_volume,
    marker,
    state,
    volume,
)

OURS, THEIRS = live_bid(bid()), live_bid(bid(), "bid_9", ours=False)
ANOTHER = live_bid(bid(), "bid_9", marker=marker(bid(), lineage="another"))

# ---- strays: live, with our marker, and not in the state -----------------------------------------------------------

STRAYS: dict[str, tuple[State, Live, list[str]]] = {
    "ours, and not known": (state(), live(OURS), ["bid_1"]),
    "known already": (state(bound(TRAIN, "bid_1", bid())), live(OURS), []),
    "released": (state(released=frozenset({"bid_1"})), live(OURS), []),
    "over": (state(), live(attrs.evolve(OURS, status="Terminated")), []),
    "somebody's": (state(), live(THEIRS, ANOTHER), []),
    "two for one address": (state(), live(OURS, attrs.evolve(OURS, id="bid_2")), []),
    "the bound one is proved gone": (
        state(bound(TRAIN, "bid_0", bid())),
        live(OURS, gone=frozenset({"bid_0"})),
        ["bid_1"],
    ),
    "the bound one is merely not listed": (state(bound(TRAIN, "bid_0", bid())), live(OURS), []),
}


@pytest.mark.parametrize(("known", "there", "ids"), STRAYS.values(), ids=list(STRAYS))
def test_strays(known: State, there: Live, ids: list[str]) -> None:
    assert [one.id for one in strays(known, there)] == ids


def test_an_adopted_bid_uses_what_the_state_knows_of_its_volumes() -> None:
    known = state(bound(DATA, "vol_1", volume()))
    found = live_bid(bid(volumes=("vol_1", "vol_9")), marker=marker(bid(), generation=4))
    (binding,) = strays(known, live(found))
    assert (binding.needs, binding.generation, binding.source) == ((DATA,), 4, "")


# ---- what is presumed -----------------------------------------------------------------------------------------------

INTENT, CREATE = create_of(DATA, volume()), create_of(TRAIN, bid())
PRESUMED: dict[str, tuple[State, Live, list[Intent], dict[str, str]]] = {
    "what a create made": (state(), live(OURS), [CREATE], {"bid.train": "bid_1"}),
    "what a create may have made": (state(), live(live_volume(volume())), [INTENT], {}),
    "two that it made": (state(), live(OURS, attrs.evolve(OURS, id="bid_2")), [CREATE], {}),
    "what was released": (state(released=frozenset({"bid_1"})), live(OURS), [CREATE], {}),
    "what was ended": (state(ended={"bid_1": 1.0}), live(OURS), [CREATE], {"bid.train": "bid_1"}),  # as a stray
    "a stray": (state(), live(OURS), [], {"bid.train": "bid_1"}),
}


@pytest.mark.parametrize(("known", "there", "pending", "ids"), PRESUMED.values(), ids=list(PRESUMED))
def test_what_is_presumed(known: State, there: Live, pending: list[Intent], ids: dict[str, str]) -> None:
    found = presume(known, {one.intent: one for one in pending}, there)
    assert {str(address): one.id for address, one in found.bindings.items()} == ids


def test_what_is_presumed_of_a_create_in_doubt_is_all_that_it_was_to_be() -> None:
    """Its marker names neither the file, nor what protects the bid, nor its lifetime: a plan would go by less."""
    asked = attrs.evolve(CREATE, protected="./a.yaml:1:1", lifetime=Bounds(Decimal(12), None, None, False))
    found = presume(state(), {asked.intent: asked}, live(OURS)).bindings[TRAIN]
    assert found == binding_of(asked, "bid_1") != strays(state(), live(OURS))[0]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (state(), None),
        (state(bound(TRAIN, "bid_1", bid())), None),
        (state(bound(attrs.evolve(TRAIN, name="older"), "bid_1", bid())), "is in the state as bid.older"),
        (state(released=frozenset({"bid_1"})), "was released"),
        (state(ended={"bid_1": 1.0}), "was ended by this stack before"),
        (state(bound(TRAIN, "bid_1", bid()), ended={"bid_1": 1.0}), None),
    ],
)
def test_what_the_state_says_of_an_id(known: State, said: str | None) -> None:
    assert known_otherwise("bid_1", TRAIN, known) == said


# ---- what is live and bound by no state ----------------------------------------------------------------------------


def test_orphans_are_told_by_whose_they_are() -> None:
    loose = live_bid(bid(volumes=("vol_1",)), marker=marker(bid(), mounts=_mounts("vol_1")))
    released = live_bid(bid(), "bid_2")
    there = live(loose, released, ANOTHER, live_volume(volume()), live_volume(volume(), "vol_9"))
    found = orphans(state(released=frozenset({"bid_2"})), [], there)
    assert [one.id for one in found.ours] == ["bid_1"]
    assert [one.id for one in found.released] == ["bid_2"]
    assert [one.id for one in found.elsewhere] == ["bid_9"]
    assert [one.id for one in found.volumes] == ["vol_1"]
    assert orphans(state(), [CREATE], live(OURS)).ours == ()  # it is looked up first


def _mounts(id: str) -> Any:
    from flowplan.model.resources import Mount

    return (Mount(id, "/mnt"),)


@pytest.mark.parametrize(
    ("created_at", "since"),
    [
        ("1970-01-01T00:16:30Z", 990.0),
        ("1970-01-01T00:14:41+00:00", 881.0),
        ("1970-01-01T00:14:40Z", None),
        ("1970-01-01T00:20:00Z", 1000.0),  # it is yet to come
        ("a moment ago", 1000.0),
        ("0001-01-01T00:00:00Z", 1000.0),  # nothing was filled in
        ("", 1000.0),
    ],
)
def test_a_bid_may_be_too_new_to_show_unless_the_api_says_that_it_is_older(
    created_at: str, since: float | None
) -> None:
    found = [live_bid(bid(), created_at=created_at), live_volume(volume(), created_at=created_at)]
    assert new_bids(found, 1000.0) == ({} if since is None else {"bid_1": since})
