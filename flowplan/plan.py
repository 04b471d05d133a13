"""(what is wanted, what flowplan made, what the cloud has, prices) -> Plan. Pure.

Live and desired are the same classes; `==` decides, and the field's own metadata says what a difference
means. docs/planning.md lists every action with its exact condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import attrs
from attrs import field, frozen

from flowplan import graph
from flowplan.budget import Judged
from flowplan.desired import Desired
from flowplan.errors import Position
from flowplan.journal import Intent
from flowplan.live import STATUSES, Live, LiveBid, LiveVolume
from flowplan.ownership import as_known, namesakes, twins
from flowplan.pricing import Estimate, Key, Market, Total, Totals
from flowplan.resources import (
    DESTROYS_DATA,
    INPUT,
    REPLACE,
    Address,
    Bid,
    Inputs,
    PortMapping,
    Resource,
    Volume,
    changes_of,
    in_order,
    resolve,
)
from flowplan.state import Binding, State

if TYPE_CHECKING:
    from flowplan.pricing import Advice, Forecast, StackForecast

Action: TypeAlias = Literal["create", "update", "replace", "delete", "no-op", "read", "forget", "import"]
Mode: TypeAlias = Literal["apply", "destroy"]
ACTIONS: tuple[Action, ...] = ("create", "update", "replace", "delete", "no-op", "read", "forget", "import")
RESTART = "its instances are stopped, and start again if it still wins: volumes change only while a bid is paused"
EVERYTHING = "*"  # as a volume's name: every volume may be destroyed


@frozen
class FieldChange:
    """One field that differs. `forces`: this difference alone makes a replacement necessary."""

    name: str
    before: Any
    after: Any
    forces: bool = False


@frozen
class Change:
    """What happens to one address. `before` is what is live, `after` what is wanted.

    `id`: the live object's; `generation`: the one `after` will have; `needs_before`: what it used when it
    was last applied; `reason`: why, as a machine-readable word; `note`: why, for people.
    """

    action: Action
    address: Address
    before: Resource | None = None
    after: Resource | None = None
    fields: tuple[FieldChange, ...] = ()
    reason: str | None = None
    note: str | None = None
    id: str | None = None
    status: str | None = None
    generation: int = 1
    needs: tuple[Address, ...] = ()
    needs_before: tuple[Address, ...] = ()
    position: Position | None = None
    source: str = ""
    cost_before: Estimate | None = None
    cost: Estimate | None = None
    estimated_hours: Decimal | None = None  # of work, as the task says
    forecast_before: Forecast | None = None
    forecast: Forecast | None = None
    spans: Mapping[float, Forecast] = field(factory=dict)  # as planned (as it is, when it goes) over others, by hours
    advice: Advice | None = None
    stale: str | None = None  # in what the prices it was priced with are out of date

    @property
    def ways(self) -> tuple[graph.Way, ...]:
        """The steps this change is made of."""
        both: dict[Action, tuple[graph.Way, ...]] = {
            "create": ("up",),
            "import": ("up",),
            "update": ("up",),
            "replace": ("down", "up"),
            "delete": ("down",),
            "forget": ("down",),
        }
        return both.get(self.action, ())

    def lets_go_of(self, volume: str) -> bool:
        """Whether the live bid does not hold the volume with this id any more once this is done, or for a while."""
        if self.action == "update" and isinstance(self.after, Bid):
            return volume not in self.after.volumes
        return self.action in ("delete", "replace")

    @property
    def status_is_strange(self) -> bool:
        """Whether the API has a word for its status that is not known here."""
        return bool(self.status) and self.status not in STATUSES  # "": it is not told


@frozen
class Refusal:
    """A guard that says no (guards.py): `reason` for machines, the rest for people. `address` None: it is the whole
    plan; `position`: where the guard is set, else that of the address counts."""

    reason: str
    address: Address | None
    message: str
    hint: str
    position: Position | None = None


@frozen
class Fileless:
    """A resource that is left alone, and of which the file that named it is gone. `file` is as one types it here;
    `worst`: what it costs in an hour at most, in dollars, None: it is not known."""

    address: Address
    id: str
    file: str
    worst: Decimal | None


@frozen
class Plan:
    """Everything that would be done, in order, and what it costs."""

    mode: Mode
    changes: tuple[Change, ...]
    order: graph.Order
    drift: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    totals: Totals = field(factory=lambda: Totals(Total(), Total()))
    markets: Mapping[Key, Market] = field(factory=dict)
    judged: tuple[Judged, ...] = ()  # what became of each budget (guards.py)
    forecast: StackForecast | None = None  # of the whole, over `hours` (forecasts.py)
    hours: float | None = None
    spans: Mapping[float, StackForecast] = field(factory=dict)  # the same over others, by hours
    movers: tuple[tuple[Address, Decimal], ...] = ()  # what adds most to the expected cost over `hours`, in dollars
    left_alone: tuple[Address, ...] = ()  # addresses of configuration files that were not given
    fileless: tuple[Fileless, ...] = ()  # of these, what a file made that is gone
    unnamed: tuple[tuple[Address, LiveBid], ...] = ()  # of these, bids that no file is known to have named
    twins: tuple[tuple[Address, tuple[str, ...]], ...] = ()  # further live bids that carry our marker
    namesakes: tuple[tuple[Address, tuple[str, ...]], ...] = ()  # bids of somebody else with the name of ours
    moved: tuple[tuple[Address, str, str], ...] = ()  # address, the file that made it, the file that has it now
    unchecked: tuple[str, ...] = ()  # what could not be asked before: whether FCP refuses it, the apply will show
    staying: tuple[tuple[Address, str], ...] = ()  # volumes nobody wants, but who uses them is not told: why
    in_doubt: tuple[Intent, ...] = ()  # operations of an earlier run whose outcome is not known

    @property
    def empty(self) -> bool:
        return not self.order

    def by_address(self) -> dict[Address, Change]:
        return {change.address: change for change in self.changes}

    def count(self) -> dict[Action, int]:
        counts: dict[Action, int] = dict.fromkeys(ACTIONS, 0)
        for change in self.changes:
            counts[change.action] += 1
        return counts


class Files(Protocol):
    """The configuration files as the state names them (`Binding.source`): kept() makes such a name of the one in a
    Position, told() makes it one for people. is_given(): a PATH leads there, if under another name."""

    def kept(self, name: str) -> str: ...
    def told(self, source: str) -> str: ...
    def is_gone(self, source: str) -> bool: ...
    def is_given(self, source: str) -> bool: ...
    def same(self, one: str, other: str) -> bool: ...


class AllThere:
    """Files that are all there, and have one name each."""

    def kept(self, name: str) -> str:
        return name

    def told(self, source: str) -> str:
        return source

    def is_gone(self, source: str) -> bool:
        return False

    def is_given(self, source: str) -> bool:
        return False

    def same(self, one: str, other: str) -> bool:
        return one == other


@frozen
class Wishes:
    """What the command line asks beyond the configuration."""

    mode: Mode = "apply"
    replace: frozenset[Address] = frozenset()
    destroyable: frozenset[str] = frozenset()  # names of volumes whose data may go, or EVERYTHING
    in_scope: Callable[[Binding], bool] = lambda _: True
    files: Files = field(factory=AllThere)


def make_plan(
    desired: Desired,
    state: State,
    live: Live,
    wishes: Wishes,
    pending: Mapping[str, Intent] | None = None,
) -> Plan:
    """The plan that brings `live` to `desired`. `state` is what `presume` makes of it, `pending` what it
    presumed. What it costs is added by prices.py and forecasts.py, what refuses it by guards.py. Raises graph.Cycle
    only for a state that was edited by hand."""
    wishes = _widened(wishes, state, desired)
    made = _Changes(desired, state, live, wishes)
    changes = made.all()
    left_alone = tuple(a for a, b in state.bindings.items() if a not in changes and not wishes.in_scope(b))
    ordered = tuple(changes[address] for address in sorted(changes, key=in_order))
    return Plan(
        mode=wishes.mode,
        changes=ordered,
        order=order_of(ordered),
        drift=tuple(_drift(state, live, wishes)),
        twins=tuple(twins(state, live)),
        namesakes=tuple(one for one in namesakes(state, live) if one[0] in changes),
        moved=tuple(_moved(ordered, state, wishes.files)),
        left_alone=left_alone,
        fileless=tuple(_fileless(left_alone, state, live, wishes.files)),
        staying=tuple(made.staying.items()),
        unnamed=tuple(_unnamed(left_alone, state, live)),
        in_doubt=tuple((pending or {}).values()),
    )


def key_of(bid: Bid) -> Key:
    """The auction and quantity that a bid is priced in."""
    return (bid.instance_type, bid.region, bid.instance_quantity)


def order_of(changes: Iterable[Change]) -> graph.Order:
    """The steps of `changes`, in their order. Raises graph.Cycle."""
    changes = tuple(changes)
    try:
        return order_with(changes, hand_overs(changes))
    except graph.Cycle:  # bids that exchange their volumes: a guard refuses them
        return order_with(changes, ())


def order_with(changes: Sequence[Change], handed_over: Iterable[tuple[Address, Address]]) -> graph.Order:
    """The same, where bids take Block volumes over from each other: (who takes, who gives). Raises graph.Cycle."""
    return graph.order(
        [graph.Step(way, change.address) for change in changes for way in change.ways],
        {change.address: change.needs for change in changes},
        {change.address: change.needs_before for change in changes},
        handed_over,
    )


def hand_overs(changes: Iterable[Change]) -> list[tuple[Address, Address]]:
    """(who takes, who gives) for every Block volume that goes from one bid to another: one bid only can use one."""
    changes = tuple(changes)
    block = {one.id for one in changes if _is_block(one.after) or _is_block(one.before)}
    givers = {
        volume: change.address
        for change in changes
        for volume in (_volumes(change.before) & block)
        if change.lets_go_of(volume)
    }
    return [
        (change.address, givers[volume])
        for change in changes
        for volume in sorted(_volumes(change.after) & givers.keys())
        if givers[volume] != change.address
    ]


def _is_block(resource: Resource | None) -> bool:
    """Whether one bid only can use it at a time."""
    return isinstance(resource, Volume) and resource.interface == "Block"


def _volumes(resource: Resource | None) -> set[str]:
    """The ids of the volumes that a bid uses, where they exist already."""
    return {ref for ref in resource.volumes if isinstance(ref, str)} if isinstance(resource, Bid) else set()


# ---- what is there, in the words of the configuration -----------------------------------------------------


def differences(before: Resource, after: Resource) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the class. What is not told is no difference; nor is the order, or the
    repetition, of ids, ports and mounts."""
    found: list[FieldChange] = []
    for name, meaning in changes_of(_kind_of(after)).items():
        if name in before.untold or name in after.untold:
            continue
        old, new = getattr(before, name), getattr(after, name)
        if old == new or _same(name, old, new):
            continue
        if meaning == INPUT:
            found += _input_differences(old, new)
        else:
            found.append(FieldChange(name, old, new, meaning in (REPLACE, DESTROYS_DATA)))
    return tuple(found)


def _same(name: str, old: Any, new: Any) -> bool:
    if name in ("volumes", "ssh_keys", "pairs"):
        return set(old) == set(new)
    if name == "memory_gb":  # None: the platform's default, which it fills in by itself
        return old is None or new is None
    # The name is fixed at creation: what keeps its address keeps its name.
    return name == "name"


def _input_differences(old: Inputs | None, new: Inputs | None) -> list[FieldChange]:
    if old is None or new is None or old.alike(new):
        return []
    names = ["startup_script", "ports", "mounts", "local_disks", "container_image"]
    if not old.complete:  # only a marker: the rest is not known, and so not shown
        names = ["ports", "mounts"]
    old, new = old.shown, new.as_sent_in(old).shown
    found = [
        FieldChange(name, getattr(old, name), getattr(new, name), forces=True)
        for name in names
        if _unordered(getattr(old, name)) != _unordered(getattr(new, name))
    ]
    return found or [FieldChange("inputs", old.sha256, new.sha256 if new.resolved else None, forces=True)]


def _unordered(value: Any) -> Any:
    return set(value) if isinstance(value, tuple) else value


def _kept(before: Resource, after: Resource, fields: Sequence[FieldChange]) -> Resource:
    """`before` with only `fields` as in `after`: what is true once those are changed in place. A bid carries what it
    carried: its startup script cannot be changed."""
    known = attrs.evolve(before, **{one.name: one.after for one in fields})
    if not isinstance(known, Bid) or not isinstance(after, Bid) or known.inputs is None or after.inputs is None:
        return known
    if known.inputs.complete or not known.inputs.alike(after.inputs):
        return known
    return attrs.evolve(known, inputs=after.inputs.spelled_as(known.inputs))  # the marker alone told of it


def _kind_of(resource: Resource) -> Any:
    return {Volume: "volume", Bid: "bid", PortMapping: "ports"}[type(resource)]


# ---- changes ----------------------------------------------------------------------------------------------


class _Changes:
    """One pass over all addresses: volumes, then bids (which look at their volumes), then ports."""

    def __init__(self, desired: Desired, state: State, live: Live, wishes: Wishes) -> None:
        self.desired, self.state, self.live, self.wishes = desired, state, live, wishes
        self.made: dict[Address, Change] = {}
        self.staying: dict[Address, str] = {}
        self.seen = {*live.bids, *live.gone, *(one for bid in live.bids.values() for one in bid.instances)}
        # The ids that references resolve to. A volume that is created or replaced has none yet.
        self.ids = {a: b.id for a, b in state.bindings.items() if a.kind == "volume" and b.id in live.volumes}
        self.called = {volume.id: volume.volume.name for volume in live.volumes.values()}

    def all(self) -> dict[Address, Change]:
        for address, found in self.desired.reads.items():
            if self.wishes.mode == "apply":
                self.made[address] = Change("read", address, found.volume, found.volume, id=found.id)
        for kind in ("volume", "bid", "ports"):
            for address in self._addresses(kind):
                self._add(address)
        return self.made

    def _addresses(self, kind: str) -> list[Address]:
        wanted = [] if self.wishes.mode == "destroy" else [a for a in self.desired.resources if a.kind == kind]
        bound = [a for a, b in self.state.bindings.items() if a.kind == kind and self.wishes.in_scope(b)]
        if kind == "volume":
            self.staying = {a: why for a in bound if a not in wanted and (why := self._stays(a)) is not None}
        return sorted({*wanted, *bound} - self.staying.keys(), key=in_order)

    def _stays(self, address: Address) -> str | None:
        """Why a volume is not deleted, although nobody wants it: nobody can say who uses it."""
        found = self.live.volumes.get(self.state.bindings[address].id)
        if found is None:
            return None
        if found.users_untold:
            return f"who uses it is not told: {found.unfit}"
        strangers = [one for one in found.users if one not in self.seen] if "bid" in self.live.unlisted else []
        return f"the bids cannot be listed, and {', '.join(strangers)} uses it" if strangers else None

    def _add(self, address: Address) -> None:
        change = self._change(address)
        binding = self.state.bindings.get(address)
        if change.action in ("create", "replace"):
            self.ids.pop(address, None)
        self.made[address] = self._placed(change, binding)

    def _placed(self, change: Change, binding: Binding | None) -> Change:
        """`change` with its place in the configuration, and what it used before."""
        position = self.desired.sources.get(change.address)
        source = self.wishes.files.kept(position.file) if position else (binding.source if binding else "")
        used = binding.needs if binding and change.action != "create" else ()  # what is gone uses nothing any more
        return attrs.evolve(
            change,
            position=position,
            source=source,
            needs_before=used,
            estimated_hours=self.desired.durations.get(change.address),
        )

    def _change(self, address: Address) -> Change:
        wanted = None if self.wishes.mode == "destroy" else self.desired.resources.get(address)
        binding = self.state.bindings.get(address)
        if address.kind == "ports":
            return self._ports(address, wanted, binding)
        if binding is None:
            assert wanted is not None  # noqa: S101 - an address is wanted or bound
            return self._create(address, wanted, 1)
        found = self._found(binding)
        if found is None:
            return self._gone(address, wanted, binding)
        if wanted is None:
            return self._unwanted(address, found, binding)
        return self._compare(address, found, wanted, binding)

    def _found(self, binding: Binding) -> LiveBid | LiveVolume | None:
        if binding.address.kind == "volume":
            return self.live.volumes.get(binding.id)
        bid = self.live.bids.get(binding.id)
        return None if bid is None or bid.ended else bid

    def _create(
        self, address: Address, wanted: Resource, generation: int, reason: str | None = None, note: str | None = None
    ) -> Change:
        note = note or self.desired.choices.get(address)
        after = resolve(wanted, self.ids, self.called)
        return Change(
            "create", address, None, after, reason=reason, note=note, generation=generation, needs=wanted.needs
        )

    def _gone(self, address: Address, wanted: Resource | None, binding: Binding) -> Change:
        ended = self.live.bids.get(binding.id)
        how = "was terminated" if ended is not None else "was deleted"
        if wanted is None:
            note = f"{binding.id} {how} outside of flowplan"
            return Change("forget", address, binding.applied, None, id=binding.id, reason="gone_outside", note=note)
        note = f"{binding.id} {how} outside of flowplan"
        return self._create(address, wanted, binding.generation + 1, "create_because_gone", note)

    def _unwanted(self, address: Address, found: LiveBid | LiveVolume, binding: Binding) -> Change:
        before = as_known(found, binding.applied)
        common: dict[str, Any] = {"id": binding.id, "status": getattr(found, "status", None)}
        if address in self.desired.reads and self.wishes.mode == "apply":
            note = "attached now: flowplan no longer manages it"
            return Change("forget", address, before, None, reason="forget_because_attached", note=note, **common)
        if self.wishes.mode == "destroy":
            return Change("delete", address, before, None, reason="delete_because_destroy", **common)
        note = f"{address} is not in the configuration"
        return Change("delete", address, before, None, reason="delete_because_no_resource_config", note=note, **common)

    def _compare(self, address: Address, found: LiveBid | LiveVolume, wanted: Resource, binding: Binding) -> Change:
        before, after = as_known(found, binding.applied), resolve(wanted, self.ids, self.called)
        fields = differences(before, after)
        action, reason, note = self._action(address, fields, wanted)
        if action == "no-op":
            after = before
        elif action == "update":
            after = _kept(before, after, fields)
        return Change(
            action,
            address,
            before,
            after,
            fields,
            reason,
            note or self.desired.choices.get(address),
            id=binding.id,
            status=getattr(found, "status", None),
            generation=binding.generation + (action == "replace"),
            needs=wanted.needs,
        )

    def _action(
        self, address: Address, fields: tuple[FieldChange, ...], wanted: Resource
    ) -> tuple[Action, str | None, str | None]:
        if any(change.forces for change in fields):
            return "replace", "replace_because_cannot_update", None
        if address in self.wishes.replace:
            return "replace", "replace_by_request", None
        renewed = [need for need in wanted.needs if need in self.made and self.made[need].action == "replace"]
        if renewed:
            # Detaching from a running bid and attaching what does not exist yet would wait for each other.
            return "replace", "replace_because_dependency", f"{renewed[0]} is replaced"
        if _restarts(fields, wanted):
            return "update", "update_by_restart", RESTART
        return ("update" if fields else "no-op"), None, None

    # -- ports follow their bid

    def _ports(self, address: Address, wanted: Resource | None, binding: Binding | None) -> Change:
        bid = self.made.get(Address("bid", address.name))
        before = self._ports_before(binding, bid)
        note = f"{bid.address} is {_PAST[bid.action]}" if bid is not None and bid.action in _PAST else None
        owner = binding.id if binding else bid.id if bid and before else None
        common: dict[str, Any] = {"before": before, "id": owner}
        if wanted is None:
            gone = bid is not None and bid.action in ("forget", "create")
            action: Action = "forget" if gone else "delete"
            reason = "gone_outside" if gone else "delete_because_no_resource_config"
            if self.wishes.mode == "destroy" and not gone:
                reason, note = "delete_because_destroy", None
            return Change(action, address, reason=reason, note=note, **common)
        return self._wanted_ports(
            address, wanted, bid, before, attrs.evolve(Change("no-op", address, **common), note=note)
        )

    def _wanted_ports(
        self, address: Address, wanted: Resource, bid: Change | None, before: PortMapping | None, blank: Change
    ) -> Change:
        generation = bid.generation if bid else 1
        blank = attrs.evolve(blank, needs=wanted.needs, generation=generation)
        if bid is None or before is None or bid.action == "create":
            # A bid that flowplan did not place: what it publishes is unknown, which changes nothing by itself.
            unknown = bid is not None and bid.action in ("no-op", "update")
            return attrs.evolve(blank, action="no-op" if unknown else "create", before=None, after=wanted, note=None)
        if bid.action != "replace":
            return attrs.evolve(blank, after=before, note=None)
        fields = differences(before, wanted)
        reason = "replace_because_cannot_update" if fields else "replace_because_dependency"
        return attrs.evolve(blank, action="replace", after=wanted, fields=fields, reason=reason)

    def _ports_before(self, binding: Binding | None, bid: Change | None) -> PortMapping | None:
        """What the bid publishes: what it carries, where that is known (also of an adopted bid, whose ports the
        state does not name yet), else what was applied."""
        carried = bid.before.inputs if bid is not None and isinstance(bid.before, Bid) else None
        if bid is not None and carried is not None and (carried.ports or binding is not None):
            return PortMapping(bid.address, carried.ports)
        return binding.applied if binding is not None and isinstance(binding.applied, PortMapping) else None


def _restarts(fields: Iterable[FieldChange], wanted: Resource) -> bool:
    """Whether an update in place pauses a bid that runs, and is to run on (calls.patches)."""
    names = {one.name for one in fields}
    return isinstance(wanted, Bid) and "volumes" in names and "paused" not in names and not wanted.paused


_PAST: dict[Action, str] = {"replace": "replaced", "delete": "deleted", "create": "created", "forget": "forgotten"}


# ---- drift, cost ------------------------------------------------------------------------------------------


def _drift(state: State, live: Live, wishes: Wishes) -> Iterable[Change]:
    """What changed outside of flowplan since it last applied, as changes from applied to live."""
    for address in sorted(state.bindings, key=in_order):
        binding = state.bindings[address]
        if address.kind == "ports" or not wishes.in_scope(binding):
            continue
        common: dict[str, Any] = {"id": binding.id, "source": binding.source}
        found = live.volumes.get(binding.id) if address.kind == "volume" else live.bids.get(binding.id)
        if found is None or (isinstance(found, LiveBid) and found.ended):
            note = "terminated" if found is not None else "gone"
            yield Change("delete", address, binding.applied, None, reason="gone_outside", note=note, **common)
            continue
        now = as_known(found, binding.applied)
        fields = differences(binding.applied, now)
        if fields:
            differing = {name for one in fields for name in _class_fields(now, one.name)}
            after = attrs.evolve(binding.applied, **{name: getattr(now, name) for name in differing})
            yield Change("update", address, binding.applied, after, fields, "changed_outside", **common)


def _class_fields(resource: Resource, name: str) -> tuple[str, ...]:
    """The attributes of `resource` that belong to its field `name`: what people read in its place, too."""
    beside = {"instance_type": ("instance_type_name", "gpus"), "ssh_keys": ("ssh_key_names",)}
    return (name, *beside.get(name, ())) if name in changes_of(_kind_of(resource)) else ("inputs",)


def _unnamed(left_alone: Iterable[Address], state: State, live: Live) -> Iterable[tuple[Address, LiveBid]]:
    for address in left_alone:
        binding = state.bindings[address]
        bid = live.bids.get(binding.id) if address.kind == "bid" and not binding.source else None
        if bid is not None and not bid.ended:
            yield address, bid


def _moved(changes: Iterable[Change], state: State, files: Files) -> Iterable[tuple[Address, str, str]]:
    for change in changes:
        known = state.bindings.get(change.address)
        if known is None or not known.source or change.position is None:
            continue
        if not files.same(known.source, files.kept(change.position.file)):
            yield change.address, files.told(known.source), change.position.file


def _widened(wishes: Wishes, state: State, desired: Desired) -> Wishes:
    """`wishes` with all that a file made which is given under another name: it was renamed, or a link leads to it.

    The proof is a resource of it that is this run's business: a link alone may be another task, named after the link.
    """
    files = wishes.files
    named = {
        binding.source
        for address, binding in state.bindings.items()
        if binding.source and (address in desired.resources or wishes.in_scope(binding))
    }
    renamed = {source for source in named if files.is_gone(source) or files.is_given(source)}
    return attrs.evolve(wishes, in_scope=lambda b: wishes.in_scope(b) or b.source in renamed) if renamed else wishes


def _fileless(left_alone: Iterable[Address], state: State, live: Live, files: Files) -> Iterable[Fileless]:
    for address in left_alone:
        binding = state.bindings[address]
        if address.kind == "ports" or not binding.source or not files.is_gone(binding.source):
            continue
        bid = live.bids.get(binding.id)
        if (bid is None or bid.ended) and binding.id not in live.volumes:
            continue
        worst = bid.bid.limit_price * bid.bid.instance_quantity if bid else None
        yield Fileless(address, binding.id, files.told(binding.source), worst)
