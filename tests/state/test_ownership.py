"""Whose a live object is, and what is known of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.model.lifecycle import Bounds
from flowplan.model.live import Live, LiveVolume
from flowplan.model.resources import Inputs, Script
from flowplan.state.ownership import (
    adopted_volumes,
    as_known,
    as_made,
    binding_of,
    cancelled_by,
    find_created,
    known_otherwise,
    made_by,
    orphans,
    perhaps_created,
    placed_bids,
    presume,
    strays,
    volume_regions,
)
from flowplan.state.records import Intent
from flowplan.state.state import State
from tests.builders import (
    DATA,
    HTTP,
    LINEAGE,
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


# ---- what a create in doubt made --------------------------------------------------------------------------------

INTENT = create_of(DATA, volume())
IN_TIME = "1970-01-01T00:16:45+00:00"  # 5 seconds after it was announced
MADE: dict[str, tuple[LiveVolume, bool | None]] = {
    "in time, alike and unused": (live_volume(volume(), created_at=IN_TIME), True),
    "before it was announced": (live_volume(volume(), created_at="1970-01-01T00:16:30Z"), False),
    "within the clocks' skew": (live_volume(volume(), created_at="1970-01-01T00:16:36Z"), True),
    "long after": (live_volume(volume(), created_at="1970-01-01T00:18:41Z"), False),
    "no time is told": (live_volume(volume()), None),
    "a time that is none": (live_volume(volume(), created_at="yesterday"), None),
    "smaller": (live_volume(volume(size_gb=99), created_at=IN_TIME), False),
    "larger": (live_volume(volume(size_gb=128), created_at=IN_TIME), None),
    "of another kind": (live_volume(volume(interface="File"), created_at=IN_TIME), False),
    "in another region": (live_volume(volume(region="r2"), created_at=IN_TIME), False),
    "in use": (live_volume(volume(), created_at=IN_TIME, bids=("bid_9",)), None),
    "not told in full": (live_volume(volume(unreported=("region",)), created_at=IN_TIME), None),
    "unfit": (live_volume(volume(), created_at=IN_TIME, unfit="odd"), None),
}


@pytest.mark.parametrize(("found", "verdict"), MADE.values(), ids=list(MADE))
def test_whether_a_create_made_a_volume(found: LiveVolume, verdict: bool | None) -> None:
    assert made_by(INTENT, found) is verdict
    assert find_created(INTENT, LINEAGE, live(found)) == ((found,) if verdict else ())
    assert perhaps_created(INTENT, LINEAGE, live(found)) == (() if verdict is False else (found,))


def test_where_the_server_told_no_time_nobody_knows_it_to_a_day() -> None:
    by_us_alone = attrs.evolve(INTENT, at=attrs.evolve(INTENT.at, server=None))
    assert made_by(by_us_alone, live_volume(volume(), created_at="1970-01-01T10:00:00Z")) is None
    assert made_by(by_us_alone, live_volume(volume(), created_at="1970-01-03T00:00:00Z")) is False


CREATE = create_of(TRAIN, bid())


@pytest.mark.parametrize(
    ("there", "ids"),
    [
        (OURS, ["bid_1"]),
        (attrs.evolve(OURS, status="Terminated"), []),
        (attrs.evolve(OURS, marker=marker(bid(), intent="i-2")), []),
        (ANOTHER, []),
        (THEIRS, []),
    ],
)
def test_a_bid_is_known_by_its_marker_alone(there: Any, ids: list[str]) -> None:
    assert [one.id for one in find_created(CREATE, LINEAGE, live(there))] == ids


def test_a_bid_that_cannot_be_read_may_be_it() -> None:
    unread = attrs.evolve(THEIRS, unfit="no script")
    assert perhaps_created(CREATE, LINEAGE, live(unread)) == (unread,)
    assert perhaps_created(CREATE, LINEAGE, live(attrs.evolve(unread, bid=bid("another")))) == ()
    assert perhaps_created(CREATE, LINEAGE, live(attrs.evolve(unread, bid=bid("")))) != ()


def test_what_a_create_in_doubt_made_is_protected_as_it_was_to_be() -> None:
    assert binding_of(attrs.evolve(CREATE, protected="./a.yaml:1:1"), "bid_1").protected == "./a.yaml:1:1"


def test_what_a_create_in_doubt_made_ends_as_it_was_to_end() -> None:
    bounds = Bounds(Decimal(12), None, None, False)
    assert binding_of(attrs.evolve(CREATE, lifetime=bounds), "bid_1").lifetime == bounds


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


CANCEL = attrs.evolve(intent_of("delete", TRAIN, bid()), id="bid_1")


@pytest.mark.parametrize(
    ("there", "ended"),
    [
        (live(OURS), None),
        (live(), None),  # not listed is not gone
        (live(attrs.evolve(OURS, status="Terminated")), "cancelled"),
        (live(gone=frozenset({"bid_1"})), "cancelled"),
    ],
)
def test_what_a_removal_in_doubt_came_to(there: Live, ended: str | None) -> None:
    found = cancelled_by(CANCEL, state(bound(TRAIN, "bid_1", bid())).bindings, there)
    assert (found.ended if found else None) == ended


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


# ---- what an answer leaves open ------------------------------------------------------------------------------------


def test_what_is_not_told_is_as_it_was_applied_and_else_stays_unreported() -> None:
    found = live_bid(bid(region="", unreported=("region", "memory_gb")), ours=False)
    assert as_known(found, bid(memory_gb=64)).region == "r"
    assert as_known(found, bid(memory_gb=64)).unreported == ()
    assert as_known(found, bid(unreported=("memory_gb",))).unreported == ("memory_gb",)
    assert as_known(found, None).unreported == ("region", "memory_gb")


def test_what_a_bid_carries_is_as_applied_where_its_marker_agrees() -> None:
    inputs = Inputs(Script.of("echo\n"), HTTP)
    found = live_bid(bid(inputs=None), marker=marker(bid(inputs=inputs)))
    assert as_known(found, bid(inputs=inputs)).inputs is inputs
    other = as_known(found, bid()).inputs
    assert other is not None and (other.ports, other.given_sha256, other.complete) == (HTTP, inputs.sha256, False)
    assert as_known(live_bid(bid(inputs=None), ours=False), bid(inputs=inputs)).inputs is None


@pytest.mark.parametrize(("now", "size"), [(128, 100), (100, 100), (129, 129)])
def test_a_volume_as_large_as_the_api_made_it_has_the_size_asked_for(now: int, size: int) -> None:
    known = as_known(live_volume(volume(size_gb=now)), volume(capacity_gb=128))
    assert (known.size_gb, known.capacity_gb) == (size, 128 if now == 128 else None)


def test_what_the_api_made_of_a_volume() -> None:
    assert as_made(volume(), volume(size_gb=128)) == volume()
    assert as_made(volume(), volume(size_gb=128)).capacity_gb == 128
    assert as_made(volume(), volume(size_gb=0, unreported=("size_gb",))).capacity_gb is None
    assert as_made(volume(), volume(region="r2")).region == "r2"


def test_a_bid_keeps_the_place_it_has_as_far_as_that_is_known() -> None:
    known = state(bound(TRAIN, "bid_1", bid()))
    assert list(placed_bids(known, live(OURS))) == [TRAIN]
    assert placed_bids(known, live(attrs.evolve(OURS, status="Terminated"))) == {}
    unreported = state(bound(TRAIN, "bid_1", bid(unreported=("region",))))
    assert placed_bids(unreported, live(live_bid(bid(unreported=("region",))))) == {}


def test_the_region_of_a_volume_that_exists_is_fixed() -> None:
    known = state(bound(DATA, "vol_1", volume()))
    assert volume_regions(known, live(live_volume(volume(region="r2")))) == {DATA: "r2"}
    assert volume_regions(known, live()) == {}


@pytest.mark.parametrize(("source", "adopted", "theirs"), [("a.yaml", False, 0), ("a.yaml", True, 1), ("", False, 1)])
def test_whose_content_a_volume_has(source: str, adopted: bool, theirs: int) -> None:
    ids = frozenset({"vol_1"}) if adopted else frozenset()
    known = state(bound(DATA, "vol_1", volume(), source=source), adopted=ids)
    assert len(adopted_volumes(known)) == theirs


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
