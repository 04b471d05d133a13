"""What holds for every plan: carried out it leaves nothing to do, its order is one in which the cloud takes each call,
and it does not depend on the order in which anything is listed."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from flowplan.model.address import Address, in_order
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, Inputs, Mount, PortMapping, PortPair, Resource, Script, Volume, resolve
from flowplan.planning.actions import Change
from flowplan.planning.guards import refusals
from flowplan.planning.plan import EVERYTHING, Plan, Wishes
from flowplan.planning.steps import Step
from flowplan.state.state import Binding, State, consistent
from tests.builders import bid, live, live_bid, live_volume, planned, state, volume
from tests.conftest import examples

Wanted = dict[Address, Resource]
FREELY = Wishes(destroyable=frozenset({EVERYTHING}))
NAMES = ("a", "b", "c")


@st.composite
def configurations(draw: st.DrawFn) -> Wanted:
    """Up to three volumes, and up to three bids that use them; a Block volume is one bid's."""
    wanted: Wanted = {}
    free: list[Address] = []  # the volumes that one more bid may use
    for name in draw(st.sets(st.sampled_from(NAMES))):
        interface = draw(st.sampled_from(("Block", "Block", "File")))
        size = draw(st.sampled_from((100, 200)))
        wanted[Address("volume", name)] = volume(name, size, interface=interface)
        free.append(Address("volume", name))
    for name in draw(st.sets(st.sampled_from(NAMES))):
        uses = tuple(one for one in free if draw(st.booleans()))
        free = [one for one in free if one not in uses or _is_file(wanted[one])]
        made = draw(bids(name, uses))
        wanted[Address("bid", name)] = made
        if made.inputs is not None and made.inputs.ports:
            wanted[Address("ports", name)] = PortMapping(Address("bid", name), made.inputs.ports)
    return wanted


def _is_file(resource: Resource) -> bool:
    return isinstance(resource, Volume) and resource.interface == "File"


@st.composite
def bids(draw: st.DrawFn, name: str, uses: tuple[Address, ...]) -> Bid:
    mounts = tuple(Mount(one, f"/mnt/{one.name}") for one in uses) if draw(st.booleans()) else ()
    ports = draw(st.sampled_from(((), (PortPair(80, 80),), (PortPair(80, 8080), PortPair(22, 22)))))
    script = draw(st.sampled_from((None, Script.of("echo 1\n"), Script.of("echo 2\n"))))
    return bid(
        name,
        draw(st.sampled_from(("20", "21"))),
        draw(st.sampled_from((1, 2))),
        volumes=uses,
        paused=draw(st.booleans()),
        memory_gb=draw(st.sampled_from((None, 64))),
        inputs=Inputs(script, ports, mounts),
    )


# ---- a cloud that does what a plan says, and refuses what the real one would -------------------------------------


class World:
    """A state and a cloud that plans are carried out in, step by step."""

    def __init__(self) -> None:
        self.bindings: dict[Address, Binding] = {}
        self.volumes: dict[str, LiveVolume] = {}
        self.bids: dict[str, LiveBid] = {}
        self.made = 0

    @property
    def state(self) -> State:
        return state(*self.bindings.values())

    @property
    def live(self) -> Live:
        return live(*self.volumes.values(), *self.bids.values())

    def plan(self, wanted: Wanted, wishes: Wishes = FREELY) -> Plan:
        return planned(wanted, self.state, self.live, wishes)

    def refused(self, plan: Plan) -> bool:
        return bool(refusals(plan, self.live, FREELY))

    def carry_out(self, plan: Plan) -> None:
        changes = plan.by_address()
        for step in plan.order:
            change = changes[step.address]
            if step.way == "down":
                self.end(change)
            else:
                self.bind(change, self.make(change))
        self.bindings = consistent(self.bindings)

    def end(self, change: Change) -> None:
        binding = self.bindings.pop(change.address)
        if change.action == "forget" or change.address.kind == "ports":
            return
        if change.address.kind == "volume":
            assert not self.users(binding.id), f"{change.address} is deleted while {self.users(binding.id)} uses it"
            del self.volumes[binding.id]
        else:
            self.bids[binding.id] = attrs.evolve(self.bids[binding.id], status="Terminated")

    def users(self, volume: str) -> list[str]:
        return [one.id for one in self.bids.values() if not one.ended and volume in one.bid.volumes]

    def make(self, change: Change) -> tuple[str, Resource]:
        assert change.after is not None
        if isinstance(change.after, PortMapping):
            return self.bindings[change.after.bid].id, change.after
        wanted = resolve(change.after, {address: one.id for address, one in self.bindings.items()})
        id = change.id if change.action == "update" else None
        id = id or f"{'vol' if isinstance(wanted, Volume) else 'bid'}_{self.made}"
        self.made += 1
        if isinstance(wanted, Volume):
            self.volumes[id] = live_volume(wanted, id)
        elif isinstance(wanted, Bid):
            self.hold_usable(wanted, id)
            self.bids[id] = live_bid(wanted, id, status="Paused" if wanted.paused else "Allocated")
        return id, wanted

    def hold_usable(self, wanted: Bid, id: str) -> None:
        for one in map(str, wanted.volumes):
            assert one in self.volumes, f"{wanted.name} uses {one}, which is not there"
            held = self.users(one) if self.volumes[one].volume.interface == "Block" else []
            assert not [other for other in held if other != id], f"{wanted.name} takes {one} from {held}"

    def bind(self, change: Change, made: tuple[str, Resource]) -> None:
        id, resource = made
        self.bindings[change.address] = Binding(
            change.address, id, resource, change.needs, change.generation, change.source
        )

    def meddle(self, draw: st.DataObject) -> None:
        """What others do to it meanwhile."""
        for id in list(self.bids):
            match draw.draw(st.sampled_from(("", "", "ends", "goes", "limit", "pauses"))):
                case "ends":
                    self.bids[id] = attrs.evolve(self.bids[id], status="Terminated")
                case "goes":
                    del self.bids[id]
                case "limit":
                    self.change(id, limit_price=Decimal(99))
                case "pauses":
                    self.change(id, paused=True)
        for id in list(self.volumes):
            if not self.users(id) and draw.draw(st.booleans()):
                del self.volumes[id]

    def change(self, id: str, **fields: Any) -> None:
        self.bids[id] = attrs.evolve(self.bids[id], bid=attrs.evolve(self.bids[id].bid, **fields))


def hold_nothing_left(world: World, wanted: Wanted) -> None:
    again = world.plan(wanted)
    assert again.empty and not again.drift
    assert {one.action for one in again.changes} <= {"no-op"}
    assert {one.address for one in again.changes} == set(wanted) == set(world.bindings)


@given(configurations(), configurations(), st.data())
def test_what_was_planned_and_carried_out_leaves_nothing_to_do(first: Wanted, second: Wanted, data: Any) -> None:
    world = World()
    world.carry_out(world.plan(first))
    hold_nothing_left(world, first)
    change = world.plan(second)
    refused = world.refused(change)  # bids that exchange Block volumes
    if not refused:
        world.carry_out(change)
        hold_nothing_left(world, second)
    wanted = first if refused else second
    world.meddle(data)
    mended = world.plan(wanted)
    if not world.refused(mended):
        world.carry_out(mended)
        hold_nothing_left(world, wanted)
    world.carry_out(world.plan({}, attrs.evolve(FREELY, mode="destroy")))
    assert not world.bindings and not world.volumes and all(one.ended for one in world.bids.values())


@examples(50)
@given(configurations(), configurations())
def test_the_order_respects_what_each_step_needs(first: Wanted, second: Wanted) -> None:
    world = World()
    world.carry_out(world.plan(first))
    for wanted in (second, {}):
        plan = world.plan(wanted)
        at = {step: number for number, step in enumerate(plan.order)}
        assert set(at) == {Step(way, one.address) for one in plan.changes for way in one.ways}
        for step, before in plan.order.items():
            assert all(at[one] < at[step] for one in before)
        for change in plan.changes:
            up = at.get(Step("up", change.address))
            made = [at[step] for need in change.needs if (step := Step("up", need)) in at]
            assert up is None or all(one < up for one in made)
            last = at.get(Step("down", change.address), up)
            gone = [at[step] for need in change.needs_before if (step := Step("down", need)) in at]
            if change.address.kind == "ports":  # they end with their bid
                last = at.get(Step("down", change.address))
                assert last is None or all(one < last for one in gone)
            else:
                assert last is None or all(last < one for one in gone)


@examples(50)
@given(configurations(), configurations(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_listed_changes_nothing(first: Wanted, second: Wanted, draw: random.Random) -> None:
    world = World()
    world.carry_out(world.plan(first))
    plan = world.plan(second)

    def shuffled(items: dict[Any, Any]) -> dict[Any, Any]:
        pairs = list(items.items())
        draw.shuffle(pairs)
        return dict(pairs)

    other = World()
    other.bindings, other.volumes, other.bids = map(shuffled, (world.bindings, world.volumes, world.bids))
    again = other.plan(shuffled(second))
    assert again == plan
    assert [one.address for one in plan.changes] == sorted((one.address for one in plan.changes), key=in_order)
    assert list(again.order.items()) == list(plan.order.items())


@given(configurations())
def test_a_plan_for_what_is_wanted_changes_nothing_but_what_differs(wanted: Wanted) -> None:
    """One bid with another limit is one update, and nothing else moves."""
    world = World()
    world.carry_out(world.plan(wanted))
    for address, resource in wanted.items():
        if isinstance(resource, Bid):
            plan = world.plan({**wanted, address: attrs.evolve(resource, limit_price=Decimal(50))})
            assert [(one.address, one.action) for one in plan.changes if one.action != "no-op"] == [(address, "update")]
