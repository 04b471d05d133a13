"""The table of docs/planning.md, row by row: what the state knows, what is live, what is wanted -> what is done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.model.live import Live
from flowplan.model.resources import Bid, Inputs, PortMapping, PortPair, Resource, Script
from flowplan.planning.actions import Action
from flowplan.planning.desired import Desired
from flowplan.planning.plan import Wishes
from flowplan.planning.steps import Step
from flowplan.state.state import State
from tests.builders import (
    DATA,
    HTTP,
    PORTS,
    TRAIN,
    bid,
    bound,
    change,
    live,
    live_bid,
    live_volume,
    planned,
    state,
    volume,
)

USER = bid(volumes=(DATA,))  # as the files have it
USES = bid(volumes=("vol_1",))  # the same, live
PUBLISHES = bid(inputs=Inputs(ports=HTTP))
MAPPING = PortMapping(TRAIN, HTTP)

KNOWN = state(bound(TRAIN, "bid_1", bid()))
PLACED = live(live_bid(bid()))
STORED, THERE = state(bound(DATA, "vol_1", volume())), live(live_volume(volume()))
BOTH = state(bound(DATA, "vol_1", volume()), bound(TRAIN, "bid_1", USES, needs=(DATA,)))
BOTH_LIVE = live(live_volume(volume(), bids=("bid_1",)), live_bid(USES))
PUBLISHED = state(bound(TRAIN, "bid_1", PUBLISHES), bound(PORTS, "bid_1", MAPPING, needs=(TRAIN,)))
LIVE_PORTS = live(live_bid(PUBLISHES))
NOTHING = live()
DESTROY = Wishes("destroy")
READ = Desired(reads={DATA: live_volume(volume())})

Case = tuple[State, Live, Any, Wishes, dict[str, tuple[str, str | None]]]
CASES: dict[str, Case] = {
    # create
    "a bid the state does not know": (state(), NOTHING, {TRAIN: bid()}, Wishes(), {"bid.train": ("create", None)}),
    "a volume the state does not know": (
        state(),
        NOTHING,
        {DATA: volume()},
        Wishes(),
        {"volume.data": ("create", None)},
    ),
    "somebody's bid of that name is not ours": (
        state(),
        live(live_bid(bid(), ours=False)),
        {TRAIN: bid()},
        Wishes(),
        {"bid.train": ("create", None)},
    ),
    "a bid that was terminated outside": (
        KNOWN,
        live(live_bid(bid(), status="Terminated")),
        {TRAIN: bid()},
        Wishes(),
        {"bid.train": ("create", "create_because_gone")},
    ),
    "a bid that is gone": (
        KNOWN,
        live(gone=frozenset({"bid_1"})),
        {TRAIN: bid()},
        Wishes(),
        {"bid.train": ("create", "create_because_gone")},
    ),
    "a volume that was deleted outside": (
        STORED,
        NOTHING,
        {DATA: volume()},
        Wishes(),
        {"volume.data": ("create", "create_because_gone")},
    ),
    # update
    "another limit": (KNOWN, PLACED, {TRAIN: bid(limit="21")}, Wishes(), {"bid.train": ("update", None)}),
    "to be paused": (KNOWN, PLACED, {TRAIN: bid(paused=True)}, Wishes(), {"bid.train": ("update", None)}),
    "other volumes": (
        KNOWN,
        live(live_bid(bid()), live_volume(volume(), "vol_9")),
        {TRAIN: bid(volumes=("vol_9",))},
        Wishes(),
        {"bid.train": ("update", "update_by_restart")},
    ),
    "a volume that is made for a bid that runs": (
        KNOWN,
        PLACED,
        {TRAIN: USER, DATA: volume()},
        Wishes(),
        {"volume.data": ("create", None), "bid.train": ("update", "update_by_restart")},
    ),
    # replace
    "another quantity": (
        KNOWN,
        PLACED,
        {TRAIN: bid(quantity=2)},
        Wishes(),
        {"bid.train": ("replace", "replace_because_cannot_update")},
    ),
    "another script": (
        KNOWN,
        PLACED,
        {TRAIN: bid(inputs=Inputs(Script.of("echo\n")))},
        Wishes(),
        {"bid.train": ("replace", "replace_because_cannot_update")},
    ),
    "another size": (
        STORED,
        THERE,
        {DATA: volume(size_gb=200)},
        Wishes(),
        {"volume.data": ("replace", "replace_because_cannot_update")},
    ),
    "by request": (
        KNOWN,
        PLACED,
        {TRAIN: bid()},
        Wishes(replace=frozenset({TRAIN})),
        {"bid.train": ("replace", "replace_by_request")},
    ),
    "a volume that it uses is replaced": (
        BOTH,
        BOTH_LIVE,
        {TRAIN: USER, DATA: volume(size_gb=200)},
        Wishes(),
        {
            "volume.data": ("replace", "replace_because_cannot_update"),
            "bid.train": ("replace", "replace_because_dependency"),
        },
    ),
    # delete
    "a bid that is named no more": (
        KNOWN,
        PLACED,
        {},
        Wishes(),
        {"bid.train": ("delete", "delete_because_no_resource_config")},
    ),
    "a volume that is named no more": (
        STORED,
        THERE,
        {},
        Wishes(),
        {"volume.data": ("delete", "delete_because_no_resource_config")},
    ),
    "destroy": (
        BOTH,
        BOTH_LIVE,
        {},
        DESTROY,
        {"volume.data": ("delete", "delete_because_destroy"), "bid.train": ("delete", "delete_because_destroy")},
    ),
    "destroy does not ask what the files say": (
        KNOWN,
        PLACED,
        {TRAIN: bid()},
        DESTROY,
        {"bid.train": ("delete", "delete_because_destroy")},
    ),
    "what another file made is left alone": (KNOWN, PLACED, {}, Wishes(in_scope=lambda _: False), {}),
    "a volume of which nobody tells who uses it stays": (
        STORED,
        live(live_volume(volume(), users_unreported=True, unfit="odd")),
        {},
        Wishes(),
        {},
    ),
    "a volume that a stranger may use stays": (
        STORED,
        live(live_volume(volume(), bids=("bid_7",)), unlisted={"bid": CloudError("no list")}),
        {},
        DESTROY,
        {},
    ),
    # forget
    "gone, and not wanted any more": (
        KNOWN,
        live(gone=frozenset({"bid_1"})),
        {},
        Wishes(),
        {"bid.train": ("forget", "gone_outside")},
    ),
    "gone, and destroyed": (STORED, NOTHING, {}, DESTROY, {"volume.data": ("forget", "gone_outside")}),
    "a volume that flowplan made is attached now": (
        STORED,
        THERE,
        READ,
        Wishes(),
        {"volume.data": ("forget", "forget_because_attached")},
    ),
    # read
    "an attached volume": (state(), THERE, READ, Wishes(), {"volume.data": ("read", None)}),
    "destroy does not look at what it never made": (state(), THERE, READ, DESTROY, {}),
    # no-op
    "nothing differs": (
        BOTH,
        BOTH_LIVE,
        {TRAIN: USER, DATA: volume()},
        Wishes(),
        {"volume.data": ("no-op", None), "bid.train": ("no-op", None)},
    ),
    "an unknown status counts as live": (
        KNOWN,
        live(live_bid(bid(), status="Hibernating")),
        {TRAIN: bid()},
        Wishes(),
        {"bid.train": ("no-op", None)},
    ),
    "a bid that flowplan did not place has unknown ports": (
        state(bound(TRAIN, "bid_1", bid(inputs=None))),
        live(live_bid(bid(inputs=None), ours=False)),
        {TRAIN: PUBLISHES, PORTS: MAPPING},
        Wishes(),
        {"bid.train": ("no-op", None), "ports.train": ("no-op", None)},
    ),
    # ports follow their bid
    "ports are created with their bid": (
        state(),
        NOTHING,
        {TRAIN: PUBLISHES, PORTS: MAPPING},
        Wishes(),
        {"bid.train": ("create", None), "ports.train": ("create", None)},
    ),
    "ports stay with their bid": (
        PUBLISHED,
        LIVE_PORTS,
        {TRAIN: attrs.evolve(PUBLISHES, paused=True), PORTS: MAPPING},
        Wishes(),
        {"bid.train": ("update", None), "ports.train": ("no-op", None)},
    ),
    "other ports replace both": (
        PUBLISHED,
        LIVE_PORTS,
        {
            TRAIN: bid(inputs=Inputs(ports=(PortPair(1, 1),))),
            PORTS: PortMapping(TRAIN, (PortPair(1, 1),)),
        },
        Wishes(),
        {
            "bid.train": ("replace", "replace_because_cannot_update"),
            "ports.train": ("replace", "replace_because_cannot_update"),
        },
    ),
    "ports are replaced with their bid": (
        PUBLISHED,
        LIVE_PORTS,
        {TRAIN: attrs.evolve(PUBLISHES, instance_quantity=2), PORTS: MAPPING},
        Wishes(),
        {
            "bid.train": ("replace", "replace_because_cannot_update"),
            "ports.train": ("replace", "replace_because_dependency"),
        },
    ),
    "ports are deleted with their bid": (
        PUBLISHED,
        LIVE_PORTS,
        {},
        Wishes(),
        {
            "bid.train": ("delete", "delete_because_no_resource_config"),
            "ports.train": ("delete", "delete_because_no_resource_config"),
        },
    ),
    "ports are destroyed with their bid": (
        PUBLISHED,
        LIVE_PORTS,
        {},
        DESTROY,
        {"bid.train": ("delete", "delete_because_destroy"), "ports.train": ("delete", "delete_because_destroy")},
    ),
    "ports are forgotten with their bid": (
        PUBLISHED,
        live(gone=frozenset({"bid_1"})),
        {},
        Wishes(),
        {"bid.train": ("forget", "gone_outside"), "ports.train": ("forget", "gone_outside")},
    ),
    "ports are created again with their bid": (
        PUBLISHED,
        live(gone=frozenset({"bid_1"})),
        {TRAIN: PUBLISHES, PORTS: MAPPING},
        Wishes(),
        {"bid.train": ("create", "create_because_gone"), "ports.train": ("create", None)},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_row(case: Case) -> None:
    known, there, wanted, wishes, expected = case
    plan = planned(wanted, known, there, wishes)
    assert {str(one.address): (one.action, one.reason) for one in plan.changes} == expected


def test_every_action_and_reason_of_the_document_has_a_row() -> None:
    """`import` is planned by no configuration: it has a command of its own."""
    found = {told for *_, expected in CASES.values() for told in expected.values()}
    assert {action for action, _ in found} == {
        "create",
        "update",
        "replace",
        "delete",
        "forget",
        "read",
        "no-op",
    }
    assert {reason for _, reason in found if reason} == {
        "create_because_gone",
        "update_by_restart",
        "replace_because_cannot_update",
        "replace_by_request",
        "replace_because_dependency",
        "delete_because_no_resource_config",
        "delete_because_destroy",
        "gone_outside",
        "forget_because_attached",
    }


# ---- what a change says -------------------------------------------------------------------------------------


def test_a_create_refers_to_what_is_made_before_it() -> None:
    plan = planned({TRAIN: USER, DATA: volume()})
    found = plan.by_address()[TRAIN]
    assert isinstance(found.after, Bid)
    assert (found.after.volumes, found.needs, found.generation) == ((DATA,), (DATA,), 1)
    assert [str(step) for step in plan.order] == ["up(volume.data)", "up(bid.train)"]


def test_what_exists_is_referred_to_by_its_id() -> None:
    found = planned({TRAIN: USER, DATA: volume()}, STORED, THERE).by_address()[TRAIN]
    assert isinstance(found.after, Bid) and found.after.volumes == ("vol_1",)


def test_what_is_replaced_is_referred_to_by_its_address_again() -> None:
    plan = planned({TRAIN: USER, DATA: volume(size_gb=200)}, BOTH, BOTH_LIVE)
    found = plan.by_address()[TRAIN]
    assert isinstance(found.after, Bid) and found.after.volumes == (DATA,)
    assert (found.id, found.generation, found.needs_before) == ("bid_1", 2, (DATA,))
    assert [str(step) for step in plan.order] == [
        "down(bid.train)",
        "down(volume.data)",
        "up(volume.data)",
        "up(bid.train)",
    ]


def test_what_is_bought_again_is_the_next_generation_and_used_nothing() -> None:
    known = state(bound(TRAIN, "bid_1", USES, needs=(DATA,), generation=3), bound(DATA, "vol_1", volume()))
    found = planned({TRAIN: USER, DATA: volume()}, known, THERE).by_address()[TRAIN]
    assert (found.action, found.generation, found.needs_before) == ("create", 4, ())
    assert found.note == "bid_1 was deleted outside of flowplan"


def test_what_stays_is_as_it_is_and_an_update_is_that_with_what_differs() -> None:
    """A default that the API filled in is no change, and stays."""
    there = live(live_bid(bid(memory_gb=64), status="Open"))
    same = planned({TRAIN: bid()}, KNOWN, there).by_address()[TRAIN]
    assert same.before == same.after == bid(memory_gb=64) and same.status == "Open"
    found = planned({TRAIN: bid(limit="21")}, KNOWN, there).by_address()[TRAIN]
    assert (found.before, found.after) == (bid(memory_gb=64), bid(limit="21", memory_gb=64))
    assert [one.name for one in found.fields] == ["limit_price"]


def test_a_volume_is_known_by_the_name_it_has_in_the_cloud() -> None:
    """A File volume appears under that name on the instance, whatever the files call it."""
    from flowplan.model.resources import Mount

    wanted = bid(volumes=(DATA,), inputs=Inputs(mounts=(Mount(DATA, "/mnt", "File", "data"),)))
    there = live(live_volume(volume("older-name", interface="File")))
    known = state(bound(DATA, "vol_1", volume(interface="File")))
    found = planned({TRAIN: wanted, DATA: volume(interface="File")}, known, there).by_address()[TRAIN]
    assert isinstance(found.after, Bid) and found.after.inputs is not None
    (mount,) = found.after.inputs.mounts
    assert (mount.volume, mount.volume_name) == ("vol_1", "older-name")


@pytest.mark.parametrize(
    ("action", "volumes", "releases"),
    [
        ("update", ("vol_1",), False),
        ("update", (), True),
        ("replace", ("vol_1",), True),
        ("delete", (), True),
        ("forget", (), False),
        ("no-op", (), False),
    ],
)
def test_when_a_bid_releases_a_volume(action: Action, volumes: tuple[str, ...], releases: bool) -> None:
    """What is updated otherwise still holds it; what is replaced releases it for a while."""
    found = change(action, USES, attrs.evolve(USES, volumes=volumes, limit_price=Decimal(10)))
    assert found.releases("vol_1") == releases


def test_a_block_volume_is_released_before_another_bid_takes_it() -> None:
    """Only one bid can use it. A bid that is cancelled releases it, and so does one that has it no more."""
    giver, taker = Address("bid", "b"), Address("bid", "a")
    holds, lacks = bid("b", volumes=("vol_1",)), bid("a")
    known = state(
        bound(DATA, "vol_1", volume()), bound(giver, "bid_1", holds, needs=(DATA,)), bound(taker, "bid_2", lacks)
    )
    there = live(live_volume(volume(), bids=("bid_1",)), live_bid(holds), live_bid(lacks, "bid_2"))
    takes = attrs.evolve(lacks, volumes=(DATA,))
    gone = planned({DATA: volume(), taker: takes}, known, there).order
    assert gone == {Step("down", giver): (), Step("up", taker): (Step("down", giver),)}
    without = planned({DATA: volume(), giver: bid("b"), taker: takes}, known, there).order
    assert list(without.items()) == [(Step("up", giver), ()), (Step("up", taker), (Step("up", giver),))]
    back = planned({DATA: volume(), giver: bid("b", volumes=(DATA,)), taker: lacks}, known, there)
    assert back.empty


STAYS: dict[str, tuple[Live, str]] = {
    "its users": (
        live(live_volume(volume(), users_unreported=True, unfit="no bids field")),
        "the API does not say who uses it: no bids field",
    ),
    "the bids": (
        live(live_volume(volume(), bids=("bid_7",)), unlisted={"bid": CloudError("no list")}),
        "the bids cannot be listed, and bid_7 uses it",
    ),
}


@pytest.mark.parametrize(("there", "why"), STAYS.values(), ids=list(STAYS))
def test_why_a_volume_stays_is_said(there: Live, why: str) -> None:
    assert planned({}, STORED, there).staying == ((DATA, why),)
    wanted: dict[Address, Resource] = {DATA: volume()}
    assert planned(wanted, STORED, there).staying == ()  # wanted: nobody has to know who uses it


def test_drift_is_what_changed_since_it_was_applied() -> None:
    there = live(live_bid(bid(limit="25")), live_volume(volume(), "vol_9"))
    plan = planned({TRAIN: bid(), DATA: volume()}, state(*KNOWN.bindings.values(), *STORED.bindings.values()), there)
    assert [(str(one.address), one.action, one.reason, one.note) for one in plan.drift] == [
        ("bid.train", "update", "changed_outside", None),
        ("volume.data", "delete", "gone_outside", "gone"),
    ]
    assert plan.drift[0].before == bid() and plan.drift[0].after == bid(limit="25")


def test_a_bid_that_was_terminated_is_drift_too() -> None:
    plan = planned({TRAIN: bid()}, KNOWN, live(live_bid(bid(), status="Terminated")))
    assert [(one.action, one.note) for one in plan.drift] == [("delete", "terminated")]


@pytest.mark.parametrize("released", [False, True])
def test_further_bids_with_our_marker_are_twins_unless_they_were_released(released: bool) -> None:
    known = attrs.evolve(KNOWN, released=frozenset({"bid_2"}) if released else frozenset())
    plan = planned({TRAIN: bid()}, known, live(live_bid(bid()), live_bid(bid(), "bid_2")))
    assert plan.twins == (() if released else ((TRAIN, ("bid_2",)),))
    assert plan.namesakes == ()


def test_somebodys_bid_of_the_same_name_is_a_namesake() -> None:
    plan = planned({TRAIN: bid()}, KNOWN, live(live_bid(bid()), live_bid(bid(), "bid_2", ours=False)))
    assert (plan.twins, plan.namesakes) == ((), ((TRAIN, ("bid_2",)),))
