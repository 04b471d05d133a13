"""Versions of a state as documents, and what putting one back keeps of what is known by now."""

from __future__ import annotations

import json
from decimal import Decimal

import attrs
import pytest

from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.lifecycle import Bounds
from flowplan.state.history import Change, Version, dump_version, load_version, put_back, read_head
from flowplan.state.state import LIFETIME, AppliedPlan, State, by_api
from tests.builders import DATA, bid, bound, volume

OTHER = Address("volume", "other")
FIRST, SECOND = bound(DATA, "vol_1", volume()), bound(OTHER, "vol_2", volume("other"))
STATE = State(lineage="a", serial=3, bindings={DATA: FIRST})
CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", commit="c" * 40, added=1)


def test_a_version_is_json_that_reads_back() -> None:
    data = dump_version(STATE, CHANGE)
    assert load_version(data, "v", STATE.lineage, STATE.serial) == STATE
    assert read_head(data.splitlines(keepends=True)[0], "v") == Version("a", 3, 1, CHANGE)
    assert json.loads(data)["state"]["serial"] == 3


def test_who_saved_it_need_not_be_known() -> None:
    assert read_head(dump_version(STATE, None).splitlines(keepends=True)[0], "v") == Version("a", 3, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-5],
        lambda data: data[:40],
        lambda data: b"",
        lambda data: data.replace(b'"serial": 3', b'"serial": 4', 1),
        lambda data: data.replace(b'"serial": 3', b'"serial": 4'),
        lambda data: data.replace(b"vol_1", b"vol_9"),
        lambda data: b"[" * 100_000 + data,
    ],
)
def test_a_damaged_version_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(StateError):
        load_version(damage(dump_version(STATE, CHANGE)), "v", STATE.lineage, STATE.serial)


def test_the_counts_of_a_change() -> None:
    larger = attrs.evolve(FIRST, applied=volume(size_gb=200))
    change = CHANGE.between({DATA: FIRST}, {DATA: larger, OTHER: SECOND})
    assert (change.added, change.changed, change.removed) == (1, 1, 0)
    change = CHANGE.between({DATA: FIRST, OTHER: SECOND}, {DATA: FIRST})
    assert (change.added, change.changed, change.removed) == (0, 0, 1)


def test_what_the_version_does_not_hold_is_named() -> None:
    now = attrs.evolve(STATE, serial=5, bindings={DATA: FIRST, OTHER: SECOND})
    found = put_back(STATE, now)
    assert (found.forgotten, found.over) == ((SECOND,), ())
    assert (found.state.serial, found.state.bindings) == (5, {DATA: FIRST})


def test_an_object_that_only_moved_is_not_forgotten() -> None:
    now = attrs.evolve(STATE, bindings={OTHER: attrs.evolve(FIRST, address=OTHER)})
    assert put_back(STATE, now).forgotten == ()


def test_what_was_ended_since_is_left_out() -> None:
    found = put_back(STATE, attrs.evolve(STATE, serial=5, bindings={}, ended={"vol_1": 1.0}))
    assert (found.state.bindings, found.over, found.state.ended) == ({}, (FIRST,), {"vol_1": 1.0})


def test_a_job_that_is_done_by_now_stays_done() -> None:
    job = bound(Address("bid", "job"), "bid_1", bid("job"))
    done = attrs.evolve(job, ended=LIFETIME)
    version = attrs.evolve(STATE, bindings={job.address: job})
    found = put_back(version, attrs.evolve(version, serial=5, bindings={job.address: done}, ended={"bid_1": 1.0}))
    assert (found.state.bindings, found.forgotten, found.over) == ({job.address: done}, (), ())


def test_what_was_placed_a_moment_ago_is_not_gone_because_a_version_was_put_back() -> None:
    """The next plan would place it again, and the two of them would be paid for."""
    version = attrs.evolve(STATE, placed=by_api({"bid_1": 1000.0}))
    now = attrs.evolve(STATE, serial=5, placed=by_api({"bid_2": 1060.0}))
    assert put_back(version, now).state.placed == by_api({"bid_1": 1000.0, "bid_2": 1060.0})


def test_a_saved_plan_that_was_applied_since_stays_applied() -> None:
    plan = AppliedPlan("d" * 64, "2026-11-02T09:00:00Z", 4)
    assert put_back(STATE, attrs.evolve(STATE, plans=(plan,))).state.plans == (plan,)


def test_what_was_released_or_adopted_since_stays_so_unless_the_version_holds_it() -> None:
    now = attrs.evolve(STATE, bindings={}, released=frozenset({"vol_1", "bid_9"}), adopted=frozenset({"vol_1"}))
    state = put_back(STATE, now).state
    assert (state.released, state.adopted) == ({"bid_9"}, {"vol_1"})


def test_a_lifetime_is_the_one_recorded_last() -> None:
    bounds = Bounds(None, Decimal(10), None, False)
    known = attrs.evolve(FIRST, lifetime=bounds)
    longer = attrs.evolve(FIRST, lifetime=attrs.evolve(bounds, max_cost=Decimal(20)))
    for version, now in ((known, longer), (known, FIRST), (FIRST, longer)):
        found = put_back(attrs.evolve(STATE, bindings={DATA: version}), attrs.evolve(STATE, bindings={DATA: now}))
        assert found.state.bindings == {DATA: now}
    unknown = attrs.evolve(STATE, bindings={})
    assert put_back(attrs.evolve(STATE, bindings={DATA: known}), unknown).state.bindings[DATA].lifetime == bounds


def test_what_has_prevent_destroy_by_now_or_had_it_then_keeps_it() -> None:
    there = attrs.evolve(FIRST, protected="./a.yaml:1:1")
    for version, now in ((FIRST, there), (there, FIRST)):
        found = put_back(
            attrs.evolve(STATE, bindings={DATA: version}), attrs.evolve(STATE, serial=5, bindings={DATA: now})
        )
        assert found.state.bindings == {DATA: there}
