"""Resources, states and clouds for tests, each built in one place. What a test does not name has a plain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import attrs

from flowplan.clock import Moment
from flowplan.config.config import GpuWanted, LimitPrice, Task
from flowplan.cost.costs import Costs
from flowplan.cost.estimate import priced
from flowplan.cost.forecast import forecasted
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED, Live, LiveBid, LiveVolume, Marker
from flowplan.model.resources import Bid, Inputs, PortPair, Resource, Volume
from flowplan.planning.actions import Action, Change, Create, Delete, Forget, NoOp, Read, Replace, Update
from flowplan.planning.desired import Desired
from flowplan.planning.differences import differences
from flowplan.planning.hand_overs import order_of
from flowplan.planning.make import make_plan
from flowplan.planning.plan import Plan, Wishes
from flowplan.pricing.entry import Market
from flowplan.pricing.history import Stream
from flowplan.pricing.units import HOUR
from flowplan.state.records import CreateIntent, Intent
from flowplan.state.state import Binding, State

LINEAGE = "lineage-1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRAIN, DATA, PORTS = Address("bid", "train"), Address("volume", "data"), Address("ports", "train")
HTTP = (PortPair(8080, 8080),)


def bid(name: str = "train", limit: str = "20", quantity: int = 1, **other: Any) -> Bid:
    """A bid for instances of 8 GPUs, at up to `limit` dollars an hour each."""
    keys, inputs = ("key_1",), Inputs()
    whole = Bid(name, "it", "r", quantity, Decimal(limit), keys, inputs=inputs, instance_type_name="h100", gpus=8)
    return attrs.evolve(whole, **other)


def volume(name: str = "data", size_gb: int = 100, **other: Any) -> Volume:
    return attrs.evolve(Volume(name, size_gb, "Block", "r"), **other)


def marked(inputs: Inputs) -> Inputs:
    """What only the marker of a live bid tells of its inputs."""
    return Inputs(ports=inputs.ports, mounts=inputs.mounts, given_sha256=inputs.sha256)


def marker(of: Bid, address: Address = TRAIN, **other: Any) -> Marker:
    """The marker in the script of `of`, which this stack placed."""
    made = Marker.of(of.inputs or Inputs(), stack="s", lineage=LINEAGE, address=address, generation=1, intent="i-1")
    return attrs.evolve(made, **other)


def live_bid(of: Bid, id: str = "bid_1", *, ours: bool = True, **other: Any) -> LiveBid:
    """`of` as the cloud lists it, running; with our marker unless somebody else placed it (`ours`)."""
    found = LiveBid(id, of, ALLOCATED, marker=marker(of, Address("bid", of.name)) if ours else None)
    return attrs.evolve(found, **other)


def live_volume(of: Volume, id: str = "vol_1", **other: Any) -> LiveVolume:
    return attrs.evolve(LiveVolume(id, of), **other)


def live(*objects: LiveBid | LiveVolume, **other: Any) -> Live:
    """A cloud with these objects."""
    bids = {one.id: one for one in objects if isinstance(one, LiveBid)}
    return Live({one.id: one for one in objects if isinstance(one, LiveVolume)}, bids, **other)


def bound(address: Address, id: str, applied: Resource, **other: Any) -> Binding:
    """What the state records of an address whose file is task.yaml."""
    return attrs.evolve(Binding(address, id, applied, source="task.yaml"), **other)


def state(*bindings: Binding, **other: Any) -> State:
    return State(LINEAGE, 1, "s", bindings={one.address: one for one in bindings}, **other)


def create_of(address: Address, resource: Resource, **other: Any) -> CreateIntent:
    """The intent of a create that is in doubt, announced when all clocks stood at 1,000 seconds."""
    name = getattr(resource, "name", "")
    at = Moment(1000.0, 1000.0, "boot", 1000.0)
    return attrs.evolve(CreateIntent("i-1", "create", address, 1, name, "key", "", at, resource=resource), **other)


def intent_of(op: Literal["update", "delete"], address: Address, resource: Resource) -> Intent:
    """The intent of anything else, announced then, too."""
    at = Moment(1000.0, 1000.0, "boot", 1000.0)
    return Intent("i-1", op, address, 1, getattr(resource, "name", ""), "key", "", at, resource=resource)


def planned(
    wanted: Desired | Mapping[Address, Resource],
    known: State | None = None,
    there: Live | None = None,
    wishes: Wishes | None = None,
    **other: Any,
) -> Plan:
    """The plan that brings `there` to `wanted`."""
    desired = wanted if isinstance(wanted, Desired) else Desired(wanted)
    return make_plan(desired, known or state(), there or live(), wishes or Wishes(), **other)


def change(
    action: Action,
    before: Resource | None = None,
    after: Resource | None = None,
    address: Address = TRAIN,
    **other: Any,
) -> Change:
    """What happens to one address, by its word; what is live has the id live_1."""
    id = other.pop("id", "live_1")
    if action == "create":
        assert after is not None
        return Create(address, after=after, **other)
    assert before is not None
    if action in ("update", "replace"):
        assert after is not None
        fields = other.pop("fields", differences(before, after))
        kind = Update if action == "update" else Replace
        return kind(address, before=before, after=after, fields=fields, id=id, **other)
    if action in ("read", "no-op"):
        return {"read": Read, "no-op": NoOp}[action](address, before=before, after=before, id=id, **other)
    return {"delete": Delete, "forget": Forget}[action](address, before=before, id=id, **other)


def market(**other: Any) -> Market:
    """A calm auction for what `bid` bids for: at rest on its reserve of $8, with room for nine instances."""
    return attrs.evolve(Market("it", "r", 1, Decimal(8), Decimal(8), None, Decimal(8), 9, 9), **other)


def costs_of(*bids: Bid, prices: Market | None) -> Costs:
    """What new bids cost, by the prices of their auction: `prices`, for up to eight instances at once."""
    return costs_to(*(Create(Address("bid", one.name), after=one) for one in bids), prices=prices)


def costs_to(*changes: Change, prices: Market | None) -> Costs:
    """What changes cost, by the prices of their auction, which are the same in the regions r and s."""
    markets = (
        (attrs.evolve(prices, region=region, quantity=n) for region in "rs" for n in range(1, 9)) if prices else ()
    )
    return priced(plan_to(*changes), {("it", one.region, one.quantity): one for one in markets})


def past(*prices: tuple[float, str], reserve: str | None = "8") -> Stream:
    """Past prices, each with how many hours before NOW it came up."""
    events = [(NOW - timedelta(hours=hours), Decimal(price)) for hours, price in prices]
    return Stream.of(events, NOW, reserve=None if reserve is None else Decimal(reserve))


def with_past(
    costs: Costs, *prices: tuple[float, str], reserve: str | None = "8", spans: Iterable[float] = (HOUR,)
) -> Costs:
    """`costs` with forecasts from past prices, those of `past`, in the regions r and s."""
    stream = past(*prices, reserve=reserve)
    return forecasted(costs, {("it", "r"): stream, ("it", "s"): stream}, spans=spans, now=NOW)


def plan_to(*changes: Change, **other: Any) -> Plan:
    """A plan of these changes, in their order."""
    return Plan(**{"mode": "apply", "changes": changes, "order": order_of(changes), **other})


TASK = Task(
    address=TRAIN,
    name="train",
    source=Position("task.yaml", 1, 1),
    project=None,
    ssh_keys=(),
    priority="standard",
    limit_price=LimitPrice(Decimal(20), "instance"),
    instance_types=("h100:8",),
    gpu=GpuWanted(),
    instance_quantity=1,
    region=None,
    optimize=None,
    estimated_hours=None,
    ports=(),
    volumes=(),
    local_disks=(),
    container_image=None,
    startup_script=None,
)


@attrs.frozen
class Machine:
    """An instance of a bid, as the cloud lists it."""

    name: str
    status: str
    ssh_destination: str | None = None
