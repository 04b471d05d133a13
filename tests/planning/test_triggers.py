"""replace_triggered_by: what is replaced because something else is replaced or changed."""

from __future__ import annotations

import pytest

from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifecycle, Trigger
from flowplan.model.live import Live
from flowplan.model.resources import Bid, Inputs, PortMapping, Resource, Script, Volume
from flowplan.planning.desired import Desired
from flowplan.planning.plan import Plan, Wishes
from flowplan.state.state import State
from tests.builders import DATA, HTTP, bid, bound, live, live_bid, live_volume, planned, state, volume

HERE = Position("flowplan.yaml", 7, 3)
A, B, C = (Address("bid", name) for name in "abc")
ANY = Wishes(destroyable=frozenset("*"))


def by(*triggers: str) -> Lifecycle:
    """Replaced by these, each an address and perhaps a field."""
    parts = (one.partition("/") for one in triggers)
    return Lifecycle(replace_triggered_by=tuple(Trigger(Address.parse(a), of, HERE) for a, _, of in parts))


def there(*names: str) -> tuple[State, Live]:
    """Bids of these names, and the volume data, which nobody uses."""
    bids = [live_bid(bid(name), f"bid_{name}") for name in names]
    bindings = [bound(Address("bid", name), f"bid_{name}", bid(name)) for name in names]
    return state(*bindings, bound(DATA, "vol_1", volume())), live(*bids, live_volume(volume()))


def plan_of(
    changed: dict[Address, Resource], lifecycles: dict[Address, Lifecycle], wishes: Wishes = ANY, names: str = "abc"
) -> Plan:
    wanted: dict[Address, Resource] = {Address("bid", name): bid(name) for name in names}
    return planned(Desired({**wanted, DATA: volume(), **changed}, lifecycles=lifecycles), *there(*names), wishes)


def replaced(plan: Plan) -> dict[str, str | None]:
    """Which bids are replaced by a trigger, each with the note."""
    return {one.address.name: one.note for one in plan.changes if one.reason == "replace_because_triggered"}


@pytest.mark.parametrize(
    ("changed", "trigger", "note"),
    [
        (bid("a", quantity=2), "bid.a", "bid.a is replaced (replace_triggered_by)"),
        (bid("a", limit="21"), "bid.a", None),
        (bid("a", limit="21"), "bid.a/limit_price", "limit_price of bid.a changes (replace_triggered_by)"),
        (bid("a", quantity=2), "bid.a/limit_price", None),
        (
            bid("a", limit="21", inputs=Inputs(Script.of("echo 2"))),
            "bid.a/limit_price",
            "limit_price of bid.a changes (replace_triggered_by)",
        ),
        (bid("a", quantity=2), "bid.a/instance_quantity", "instance_quantity of bid.a changes (replace_triggered_by)"),
        (volume(size_gb=200), "volume.data", "volume.data is replaced (replace_triggered_by)"),
        (volume(size_gb=200), "volume.data/size_gb", "size_gb of volume.data changes (replace_triggered_by)"),
        (volume(size_gb=200), "volume.data/interface", None),
    ],
)
def test_what_sets_a_trigger_off(changed: Bid | Volume, trigger: str, note: str | None) -> None:
    address = A if isinstance(changed, Bid) else DATA
    assert replaced(plan_of({address: changed}, {B: by(trigger)})) == ({} if note is None else {"b": note})


def test_a_request_sets_it_off_and_what_is_made_again_too() -> None:
    plan = plan_of({}, {B: by("bid.a")}, Wishes(replace=frozenset({A})))
    assert replaced(plan) == {"b": "bid.a is replaced (replace_triggered_by)"}
    known, _ = there("a", "b")
    gone = live(live_bid(bid("b"), "bid_b"), live_volume(volume()), gone=frozenset({"bid_a"}))
    wanted: dict[Address, Resource] = {A: bid("a"), B: bid("b"), DATA: volume()}
    found = planned(Desired(wanted, lifecycles={B: by("bid.a")}), known, gone)
    assert replaced(found) == {"b": "bid.a is created again (replace_triggered_by)"}


def test_what_is_made_for_the_first_time_does_not() -> None:
    known, cloud = there("b")
    wanted: dict[Address, Resource] = {A: bid("a"), B: bid("b"), DATA: volume()}
    assert replaced(planned(Desired(wanted, lifecycles={B: by("bid.a")}), known, cloud)) == {}


def test_a_chain_goes_on_to_its_end_in_whatever_order_it_is_named() -> None:
    lifecycles = {A: by("bid.b"), B: by("bid.c")}
    assert list(replaced(plan_of({C: bid("c", quantity=2)}, lifecycles))) == ["a", "b"]


def test_a_chain_goes_through_the_volume_of_another_bid() -> None:
    """data is replaced with c, and a because it uses data; b because a is."""
    known, cloud = there("a", "b", "c")
    known = state(*known.bindings.values(), bound(A, "bid_a", bid("a", volumes=("vol_1",)), needs=(DATA,)))
    cloud = live(
        live_bid(bid("a", volumes=("vol_1",)), "bid_a"),
        live_bid(bid("b"), "bid_b"),
        live_bid(bid("c"), "bid_c"),
        live_volume(volume(), bids=("bid_a",)),
    )
    wanted: dict[Address, Resource] = {
        A: bid("a", volumes=(DATA,)),
        B: bid("b"),
        C: bid("c", quantity=2),
        DATA: volume(),
    }
    plan = planned(Desired(wanted, lifecycles={DATA: by("bid.c"), B: by("bid.a")}), known, cloud, ANY)
    assert {str(one.address): one.reason for one in plan.changes} == {
        "bid.a": "replace_because_dependency",
        "bid.b": "replace_because_triggered",
        "bid.c": "replace_because_cannot_update",
        "volume.data": "replace_because_triggered",
    }


def test_a_circle_replaces_each_once() -> None:
    lifecycles = {A: by("bid.b"), B: by("bid.c"), C: by("bid.a")}
    assert replaced(plan_of({}, lifecycles)) == {}
    assert sorted(replaced(plan_of({C: bid("c", quantity=2)}, lifecycles))) == ["a", "b"]


def test_its_ports_go_with_it_and_can_set_off_another() -> None:
    ports = Address("ports", "a")
    publishes = bid("a", inputs=Inputs(ports=HTTP))
    known = state(
        bound(A, "bid_a", publishes),
        bound(ports, "bid_a", PortMapping(A, HTTP), needs=(A,)),
        bound(B, "bid_b", bid("b")),
    )
    cloud = live(live_bid(publishes, "bid_a"), live_bid(bid("b"), "bid_b"))
    wanted: dict[Address, Resource] = {A: publishes, ports: PortMapping(A, HTTP), B: bid("b")}
    plan = planned(Desired(wanted, lifecycles={B: by("ports.a")}), known, cloud, Wishes(replace=frozenset({A})))
    assert replaced(plan) == {"b": "ports.a is replaced (replace_triggered_by)"}


def test_an_address_without_its_key_is_every_instance() -> None:
    first, second = Address("bid", 'x["1"]'), Address("bid", 'x["2"]')
    known = state(bound(first, "bid_1", bid("x-1")), bound(second, "bid_2", bid("x-2")), bound(B, "bid_b", bid("b")))
    cloud = live(live_bid(bid("x-1"), "bid_1"), live_bid(bid("x-2"), "bid_2"), live_bid(bid("b"), "bid_b"))
    wanted: dict[Address, Resource] = {first: bid("x-1"), second: bid("x-2", quantity=2), B: bid("b")}
    for trigger, found in (("bid.x", ["b"]), ('bid.x["2"]', ["b"]), ('bid.x["1"]', [])):
        assert list(replaced(planned(Desired(wanted, lifecycles={B: by(trigger)}), known, cloud))) == found


def test_nothing_is_triggered_when_all_is_destroyed() -> None:
    plan = plan_of({}, {B: by("bid.a")}, Wishes("destroy", lifecycles={B: by("bid.a")}))
    assert {one.reason for one in plan.changes} == {"delete_because_destroy"}
