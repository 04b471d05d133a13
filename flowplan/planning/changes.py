"""One pass over all addresses: what happens to each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from flowplan.model.address import Address, in_order
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, PortMapping, Resource, resolve
from flowplan.planning.differences import _kept, differences
from flowplan.planning.lookup import Desired
from flowplan.planning.plan import RESTART, Action, Change, FieldChange, Wishes
from flowplan.state.ownership import as_known
from flowplan.state.state import Binding, State


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
        if found is None or self.wishes.keep_volumes:
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
            if self.wishes.keep_volumes and isinstance(found, LiveVolume):
                note = "it stays, with its data and its price: flowplan no longer manages it"
                return Change("forget", address, before, None, reason="forget_because_kept", note=note, **common)
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
