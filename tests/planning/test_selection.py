"""The part of a plan that --target, --exclude and --replace mean: addresses, what they bring and take away."""

from __future__ import annotations

import pytest
from attrs import evolve

from flowplan.errors import UsageProblem
from flowplan.model.address import Address
from flowplan.model.resources import Inputs, PortMapping, Resource
from flowplan.model.selection import Patterns, held, matching
from flowplan.planning.actions import LeftOut
from flowplan.planning.desired import Desired
from flowplan.planning.plan import Plan, Wishes
from tests.builders import DATA, HTTP, PORTS, TRAIN, bid, bound, live, live_bid, live_volume, planned, state, volume

OTHER, SWEEP_A, SWEEP_B = Address("bid", "other"), Address("bid", 'sweep["a"]'), Address("bid", 'sweep["b"]')
LATE = Address("bid", "late")
EVERY = (TRAIN, DATA, PORTS, OTHER, SWEEP_A, SWEEP_B, LATE, LATE.of_generation(1))
PUBLISHES = bid(volumes=(DATA,), inputs=Inputs(ports=HTTP))
WANTED: dict[Address, Resource] = {
    DATA: volume(),
    TRAIN: PUBLISHES,
    PORTS: PortMapping(TRAIN, HTTP),
    OTHER: bid("other"),
}
LIVE_TRAIN = bid(volumes=("vol_1",), inputs=Inputs(ports=HTTP))
KNOWN = state(
    bound(DATA, "vol_1", volume()),
    bound(TRAIN, "bid_1", LIVE_TRAIN, needs=(DATA,)),
    bound(PORTS, "bid_1", PortMapping(TRAIN, HTTP), needs=(TRAIN,)),
    bound(OTHER, "bid_2", bid("other")),
)
THERE = live(live_volume(volume(), bids=("bid_1",)), live_bid(LIVE_TRAIN), live_bid(bid("other"), "bid_2"), unlisted={})


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("bid.train", {TRAIN}),
        ("task.train", {TRAIN, PORTS}),
        ("task.*", {*EVERY} - {DATA}),
        ("bid.sweep", {SWEEP_A, SWEEP_B}),
        ("task.sweep", {SWEEP_A, SWEEP_B}),
        ('bid.sweep["a"]', {SWEEP_A}),
        ("bid.sweep[b]", {SWEEP_B}),  # as a shell passes it on
        ("bid.sweep*", {SWEEP_A, SWEEP_B}),
        ("bid.sweep[*]", {SWEEP_A, SWEEP_B}),
        ("bid.s?eep", {SWEEP_A, SWEEP_B}),
        ("*.train", {TRAIN, PORTS}),
        ("volume.*", {DATA}),
        ("task.late", {LATE, LATE.of_generation(1)}),  # what a successor has left to go
        ("bid.late@g1", {LATE.of_generation(1)}),
        ("bid.swee", set()),
        ("bid.[st]*", set()),  # a bracket holds a key, and nothing else
    ],
)
def test_a_pattern_means_addresses(pattern: str, meant: set[Address]) -> None:
    assert matching(held(pattern), EVERY) == meant


@pytest.mark.parametrize("text", ["", " ", "train", "host.train", "bid.", "vol"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="expected volume"):
        held(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("eval", "; did you mean task.eval or volume.eval?"),
        ("sweep[a]", "; did you mean task.sweep[a] or volume.sweep[a]?"),
        ("bids.train", "; did you mean bid.train?"),
        ("host.train", ""),
        ("a b", ""),
    ],
)
def test_what_may_be_meant_by_what_is_no_address(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match="expected volume") as caught:
        held(text)
    assert str(caught.value).endswith(f"or task.NAME{meant}")


def selected(asked: Patterns, *, known: bool, mode: str = "apply") -> Plan:
    wishes = Wishes("destroy" if mode == "destroy" else "apply", patterns=asked)
    desired = Desired({} if mode == "destroy" else WANTED)
    return planned(desired, KNOWN if known else state(), THERE if known else live(), wishes)


def doing(plan: Plan) -> dict[Address, str]:
    return {one.address: one.action for one in plan.changes if one.ways}


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        (Patterns(("bid.other",)), {OTHER}),
        (Patterns(("bid.train",)), {TRAIN, PORTS, DATA}),  # a bid carries its ports, and needs its volume
        (Patterns(("ports.train",)), {TRAIN, PORTS, DATA}),
        (Patterns(("volume.data",)), {DATA}),
        (Patterns(("volume.data", "bid.other")), {DATA, OTHER}),
        (Patterns(excluded=("volume.data",)), {OTHER}),
        (Patterns(excluded=("ports.train",)), {OTHER, DATA}),
        (Patterns(excluded=("bid.other",)), {TRAIN, PORTS, DATA}),
        (Patterns(("task.*",), ("bid.other",)), {TRAIN, PORTS, DATA}),
        (Patterns(("bid.train",), ("volume.data",)), set()),
    ],
)
def test_what_is_created(asked: Patterns, done: set[Address]) -> None:
    plan = selected(asked, known=False)
    assert doing(plan) == dict.fromkeys(done, "create")
    assert {step.address for step in plan.order} == done
    assert set(plan.left_out) == WANTED.keys() - done


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        (Patterns(("bid.train",)), {TRAIN, PORTS}),  # what it used stays
        (Patterns(("volume.data",)), {DATA, TRAIN, PORTS}),  # its user goes first
        (Patterns(excluded=("bid.train",)), {OTHER}),  # a volume that is in use stays
        (Patterns(excluded=("volume.data",)), {OTHER}),
    ],
)
def test_what_is_destroyed(asked: Patterns, gone: set[Address]) -> None:
    plan = selected(asked, known=True, mode="destroy")
    assert doing(plan) == dict.fromkeys(gone, "delete")
    kept = {one.address: one for one in plan.changes if isinstance(one, LeftOut)}
    assert kept.keys() == WANTED.keys() - gone
    assert all(one.before == one.after and one.reason == "left_out" for one in kept.values())


def test_dependents_are_named_with_what_they_depend_on() -> None:
    plan = selected(Patterns(excluded=("volume.data",)), known=False)
    assert plan.dependents == ((TRAIN, DATA), (PORTS, TRAIN))
    assert selected(Patterns(excluded=("volume.data", "task.train")), known=False).dependents == ()


def test_a_replacement_reaches_what_depends_on_it() -> None:
    plan = selected(Patterns(replace=("volume.data",)), known=True)
    assert doing(plan) == dict.fromkeys((DATA, TRAIN, PORTS), "replace")
    assert doing(selected(Patterns(replace=("ports.train",)), known=True)) == {TRAIN: "replace", PORTS: "replace"}


def test_what_is_left_out_keeps_its_drift_to_itself() -> None:
    moved = live(live_bid(bid("other", "30"), "bid_2"), live_bid(LIVE_TRAIN), live_volume(volume(), bids=("bid_1",)))
    asked = Wishes(patterns=Patterns(("bid.train",)))
    plan = planned(Desired(WANTED), KNOWN, moved, asked)
    assert not plan.drift
    assert plan.left_out == (OTHER,)
    assert planned(Desired(WANTED), KNOWN, moved).drift


@pytest.mark.parametrize("option", ["targets", "excluded", "replace"])
def test_what_matches_nothing_is_wrong_usage_with_candidates(option: str) -> None:
    with pytest.raises(UsageProblem, match="neither the files nor the state hold") as caught:
        planned(Desired(WANTED), wishes=Wishes(patterns=Patterns(**{option: ("bid.trian",)})))
    assert caught.value.hint and "did you mean bid.train" in caught.value.hint
    with pytest.raises(UsageProblem, match="hold anything that matches"):
        planned(Desired(WANTED), wishes=Wishes(patterns=Patterns(**{option: ("task.x*",)})))


def test_of_several_that_match_nothing_each_is_named() -> None:
    with pytest.raises(UsageProblem, match="neither the files nor the state hold it") as caught:
        planned(Desired(WANTED), wishes=Wishes(patterns=Patterns(("bid.trian", "bid.train", "volume.dta"))))
    assert caught.value.detail == "--target volume.dta: neither the files nor the state hold it"


@pytest.mark.parametrize(
    ("source", "whose", "hint"),
    [
        ("", "a file that you did not give", "there are: volume.data"),
        ("./b.yaml", "./b.yaml, which you did not give", "give ./b.yaml as a PATH"),
    ],
)
def test_what_belongs_to_a_file_that_is_not_given(source: str, whose: str, hint: str) -> None:
    """That file is named where the state knows it: what is typed next is right."""
    wishes = Wishes(patterns=Patterns(("bid.other",)), in_scope=lambda binding: False)
    made = evolve(KNOWN, bindings={a: evolve(one, source=source) for a, one in KNOWN.bindings.items()})
    with pytest.raises(UsageProblem) as caught:
        planned(Desired({DATA: volume()}), made, THERE, wishes)
    assert (str(caught.value), caught.value.hint) == (f"--target bid.other: that belongs to {whose}", hint)
