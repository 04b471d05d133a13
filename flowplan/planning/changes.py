"""One pass over all addresses: what happens to each."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

import attrs

from flowplan.model.address import Address, in_order
from flowplan.model.lifecycle import DEFAULT, Lifecycle
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, Resource, name_beside, resolve
from flowplan.planning.actions import (
    KEPT,
    LIFETIME_OVER,
    RESTARTED,
    Change,
    Create,
    Delete,
    Expire,
    FieldChange,
    Forget,
    Import,
    LeftOut,
    NoOp,
    Read,
    Replace,
    Update,
)
from flowplan.planning.desired import Desired
from flowplan.planning.differences import as_replaced, changed_in_place, differences
from flowplan.planning.jobs import completed
from flowplan.planning.plan import RESTART, Wishes
from flowplan.planning.ports import change_of_ports
from flowplan.planning.protection import protected, protecting
from flowplan.planning.successors import create_first
from flowplan.planning.triggers import TRIGGERED, left_over, triggered
from flowplan.pricing.units import usd
from flowplan.state.known import as_known, is_raised
from flowplan.state.state import DONE, Binding, State


class Changes:
    """Passes over all addresses: volumes, then bids (which look at their volumes), then ports."""

    def __init__(self, desired: Desired, state: State, live: Live, wishes: Wishes) -> None:
        self.desired, self.state, self.live, self.wishes = desired, state, live, wishes
        self.lifecycles = {**wishes.lifecycles, **desired.lifecycles}
        self.made: dict[Address, Change] = {}
        self.staying: dict[Address, str] = {}
        self.seen = {*live.bids, *live.gone, *(one for bid in live.bids.values() for one in bid.instances)}
        # The ids that references resolve to. A volume that is created or replaced has none yet.
        self._known = {a: b.id for a, b in state.bindings.items() if a.kind == "volume" and b.id in live.volumes}
        self.ids: dict[Address, str] = {}
        self.triggered: dict[Address, str] = {}  # what is replaced because something else changes, and why
        self.bases = {(one.kind, one.base) for one in desired.resources if one.key is not None}
        self._names = {bid.bid.name for bid in live.bids.values() if not bid.ended}
        self._kept = cache(wishes.files.kept)  # one file has thousands of resources
        self.called = {volume.id: volume.volume.name for volume in live.volumes.values()}

    def all(self) -> dict[Address, Change]:
        """What happens to each address: passes, until none adds a reason to replace something."""
        made = self._pass()
        self.triggered = left_over(made, self.lifecycles, self.state.bindings)
        if self.triggered:
            made = self._pass()
        while (besides := triggered(made, self.lifecycles)).keys() - self.triggered.keys():
            self.triggered = {**besides, **self.triggered}
            made = self._pass()
        return made

    def _pass(self) -> dict[Address, Change]:
        self.made, self.ids = {}, dict(self._known)
        for address, found in self.desired.reads.items():
            if self.wishes.mode == "apply":
                self.made[address] = Read(address, before=found.volume, after=found.volume, id=found.id)
        for kind in ("volume", "bid", "ports"):
            for address in self._addresses(kind):
                self._add(address)
        return self.made

    def _addresses(self, kind: str) -> list[Address]:
        wanted = [] if self.wishes.mode == "destroy" else [a for a in self.desired.resources if a.kind == kind]
        bound = [a for a, b in self.state.bindings.items() if a.kind == kind and self._is_meant(a, b)]
        if kind == "volume" and not self._only_ends:
            meant = set(wanted)
            self.staying = {a: why for a in bound if a not in meant and (why := self._stays(a)) is not None}
        return sorted({*wanted, *bound} - self.staying.keys(), key=in_order)

    @property
    def _only_ends(self) -> bool:
        """Whether nothing is done but to end what is past its lifetime."""
        return bool(self.wishes.lapsed) and self.wishes.mode == "destroy"

    def _is_meant(self, address: Address, binding: Binding) -> bool:
        if self._only_ends:  # what stays is in what an hour costs
            stays = address.kind != "ports" and self.wishes.in_scope(binding)
            return (stays or binding.id in self.wishes.lapsed) and self._found(binding) is not None
        return self.wishes.in_scope(binding) or self._destroyed(address) is not None

    def _stays(self, address: Address) -> str | None:
        """Why a volume is not deleted, although nobody wants it: nobody can say who uses it."""
        found = self.live.volumes.get(self.state.bindings[address].id)
        if found is None or self._destroyed(address) is False or self._left_to_others(address, found) is not None:
            return None
        if found.users_unreported:
            return f"the API does not say who uses it: {found.unfit}"
        strangers = [one for one in found.users if one not in self.seen] if "bid" in self.live.unlisted else []
        return f"the bids cannot be listed, and {', '.join(strangers)} uses it" if strangers else None

    def _add(self, address: Address) -> None:
        wanted = None if self.wishes.mode == "destroy" else self.desired.resources.get(address)
        binding = self.state.bindings.get(address)
        change: Change | None = None
        if address.kind == "ports":
            bid = self.made.get(Address("bid", address.name))
            change = change_of_ports(address, wanted, binding, bid, self.wishes.mode)
        if change is None and wanted is not None:
            change = self._wanted(address, wanted, binding)
        elif change is None and binding is not None:
            change = self._unwanted(address, binding)
        if change is None:
            return
        if isinstance(change, (Create, Replace)):
            self.ids.pop(address, None)
        self.made[address] = self._placed(change, binding)

    def _placed(self, change: Change, binding: Binding | None) -> Change:
        """`change` with its place in the configuration, and what it used before."""
        position = self.desired.sources.get(change.address)
        source = self._kept(position.file) if position else (binding.source if binding else "")
        waits = self.desired.waits_for.get(change.address, ())
        lifecycle = self.lifecycles.get(change.address, DEFAULT)
        used = binding.needs if binding and not isinstance(change, Create) else ()  # what is gone uses nothing any more
        return attrs.evolve(
            change,
            position=position,
            source=source,
            needs_before=used,
            waits_for=waits if isinstance(change, (Create, Replace)) else (),
            candidates=self.desired.ranked.get(change.address, ()) if isinstance(change, (Create, Replace)) else (),
            lifetime=self.desired.lifetimes.get(change.address),
            lifecycle=lifecycle,
            protected=protected(change.address, binding, lifecycle, self.desired, self.wishes),
            protected_by=self._protected_by(change.address),
            previous_address=self.desired.moves.get(change.address),
            raised_from=self._raised_from(change),
            moving=isinstance(change, Replace) and change.address in self.wishes.moving,
        )

    def _protected_by(self, address: Address) -> str:
        """Which address in `protected` of the policies means it, or what it is moved from; "": none."""
        return protecting(self.wishes.policies, address, self.desired.moves.get(address))

    def _is_kept(self, address: Address, lifecycle: Lifecycle) -> bool:
        """Whether its file or a policy keeps a lifetime from ending it."""
        return lifecycle.prevent_destroy or self._protected_by(address) != ""

    def _raised_from(self, change: Change) -> Decimal | None:
        """The limit price in the files, where the bid has, or gets, the one that the watch has raised it to."""
        written, wanted = self.desired.raised.get(change.address), self.desired.resources.get(change.address)
        if written is None or not isinstance(wanted, Bid) or not isinstance(change.after, Bid):
            return None
        return written if change.after.limit_price == wanted.limit_price else None

    def _found(self, binding: Binding) -> LiveBid | LiveVolume | None:
        if binding.address.kind == "volume":
            return self.live.volumes.get(binding.id)
        bid = self.live.bids.get(binding.id)
        return None if bid is None or bid.ended else bid

    # -- what nobody wants any more

    def _unwanted(self, address: Address, binding: Binding) -> Change:
        found = self._found(binding)
        if found is None:
            note = self._how_it_ended(binding)
            return Forget(address, before=binding.applied, id=binding.id, reason="gone_outside", note=note)
        before, status = as_known(found, binding.applied), getattr(found, "status", None)
        if (over := self.wishes.lapsed.get(binding.id)) is not None:
            return Expire(address, before=before, id=binding.id, status=status, reason=LIFETIME_OVER, note=over)
        if self._only_ends:
            return self._left(binding, before, status)
        if self._destroyed(address) is False:
            reason, note = "forget_because_removed", "it stays and keeps costing money; flowplan no longer manages it"
            return Forget(address, before=before, id=binding.id, status=status, reason=reason, note=note, released=True)
        if isinstance(found, LiveVolume) and (why := self._left_to_others(address, found)) is not None:
            reason, note = why
            return Forget(address, before=before, id=binding.id, status=status, reason=reason, note=note)
        if self.wishes.mode == "apply":
            reason, note = self._dropped(address)
            return Delete(address, before=before, id=binding.id, status=status, reason=reason, note=note)
        return Delete(address, before=before, id=binding.id, status=status, reason="delete_because_destroy")

    @staticmethod
    def _left(binding: Binding, before: Resource, status: str | None) -> LeftOut:
        """Nothing is done about it, as only what is past its lifetime ends."""
        return LeftOut(
            binding.address,
            before=before,
            after=before,
            id=binding.id,
            status=status,
            generation=binding.generation,
            needs=binding.needs,
            protected=binding.protected,
            protected_by=binding.protected_by,
        )

    def _destroyed(self, address: Address) -> bool | None:
        """Whether a `removed` block has it destroyed; None: no block is about it. One of a whole for_each is about
        every instance; none is about an earlier object, which goes in any case."""
        if address.is_earlier:
            return None
        for one in (address, Address(address.kind, address.base)):
            if one in self.wishes.spared:
                return False
            if one in self.desired.removed:
                return self.desired.removed[one]
        return None

    def _dropped(self, address: Address) -> tuple[str, str]:
        """Why the configuration does not name it any more, for machines and for people."""
        if address.is_earlier:
            return "delete_because_replaced", f"{address.current} was made in its place"
        if address.key is not None and (address.kind, address.base) in self.bases:
            what = "volume" if address.kind == "volume" else "task"
            return (
                "delete_because_each_key",
                f'the for_each of {what}.{address.base} no longer has the key "{address.key}"',
            )
        return "delete_because_no_resource_config", f"{address} is not in the configuration"

    def _left_to_others(self, address: Address, found: LiveVolume) -> tuple[str, str] | None:
        """Why a volume that nobody wants is forgotten instead of deleted, for machines and for people."""
        if self.wishes.mode == "apply":
            attached = address in self.desired.reads
        else:
            attached = not self.wishes.attached.isdisjoint((found.id, found.volume.name))
        if attached:
            return "forget_because_attached", "attached now: flowplan no longer manages it"
        if self.wishes.mode == "destroy" and self.wishes.keep_volumes:
            return KEPT, "it stays and keeps costing money; flowplan no longer manages it"
        return None

    def _how_it_ended(self, binding: Binding) -> str:
        if binding.ended in DONE:
            return f"{binding.id} {DONE[binding.ended]}"
        how = "was terminated" if binding.id in self.live.bids else "was deleted"
        return f"{binding.id} {how} outside of flowplan"

    # -- what is wanted

    def _wanted(self, address: Address, wanted: Resource, binding: Binding | None) -> Change:
        found = self._found(binding) if binding is not None else None
        if binding is not None and found is not None:
            return self._compare(address, found, wanted, binding)
        done = completed(binding, self.desired, self.live) if binding is not None else None
        if done is not None and address not in self.wishes.replace:
            return done
        made = Create(
            address,
            after=resolve(wanted, self.ids, self.called),
            note=self.desired.choices.get(address),
            needs=wanted.needs,
        )
        if binding is None:
            return made
        return attrs.evolve(
            made,
            generation=binding.generation + 1,
            reason="create_because_gone",
            note=self._how_it_ended(binding),
        )

    def _compare(self, address: Address, found: LiveBid | LiveVolume, wanted: Resource, binding: Binding) -> Change:
        before, after = as_known(found, binding.applied), resolve(wanted, self.ids, self.called)
        over, lifecycle = self.desired.over.get(address), self.lifecycles.get(address, DEFAULT)
        # One that may not be ended holds up no other: it runs on, with a warning, and the rest of the plan is done.
        if over is not None and address not in self.wishes.replace and not self._is_kept(address, lifecycle):
            status = getattr(found, "status", None)
            return Expire(address, before=before, id=binding.id, status=status, reason=LIFETIME_OVER, note=over)
        fields = differences(before, after, lifecycle, named=address in self.desired.named)
        imported = address in self.desired.imports
        known: dict[str, Any] = {"before": before, "fields": fields, "id": binding.id, "needs": wanted.needs}
        known |= {"status": getattr(found, "status", None), "imported": imported, "generation": binding.generation}
        also = _taken_back(before, fields, binding) or self.desired.choices.get(address)
        if (why := self._replaced(address, fields, wanted)) is not None:
            made = as_replaced(before, after, lifecycle)
            known |= {"reason": why[0], "generation": binding.generation + 1}
            change = Replace(address, after=made, note=why[1], **known)
            first = lifecycle.create_before_destroy and address not in self.wishes.moving  # that holds nothing
            if first and isinstance(made, Bid) and not self._renewed(wanted):
                return create_first(change, made, self._next(binding, made.name))
            return change if change.note else attrs.evolve(change, note=also)
        if not fields:
            return (Import if imported else NoOp)(address, after=before, note=also, **known)
        if _restarts(fields, wanted):
            known["reason"], also = RESTARTED, RESTART
        kept = changed_in_place(before, after, fields)
        return (Import if imported else Update)(address, after=kept, note=also, **known)

    def _next(self, binding: Binding, name: str) -> int:
        """The generation of the successor of `binding`, which is made first and called like `name`: one before which no
        earlier object stands already, and whose name no bid has."""
        generation = binding.generation + 1
        while (
            binding.address.of_generation(generation - 1) in self.state.bindings
            or name_beside(name, generation) in self._names
        ):
            generation += 1
        return generation

    def _replaced(
        self, address: Address, fields: tuple[FieldChange, ...], wanted: Resource
    ) -> tuple[str, str | None] | None:
        """Why it is replaced, for machines and for people; None: it is not."""
        if any(change.forces for change in fields):
            return "replace_because_cannot_update", None
        if address in self.wishes.replace:
            return "replace_by_request", None
        if address in self.triggered:
            return TRIGGERED, self.triggered[address]
        if renewed := self._renewed(wanted):
            # Detaching from a running bid and attaching what does not exist yet would wait for each other.
            return "replace_because_dependency", f"{renewed[0]} is replaced"
        return None

    def _renewed(self, wanted: Resource) -> list[Address]:
        """What `wanted` needs that is replaced."""
        return [need for need in wanted.needs if isinstance(self.made.get(need), Replace)]


def _restarts(fields: Iterable[FieldChange], wanted: Resource) -> bool:
    """Whether an update in place pauses a bid that runs, and is to run on (calls.patches)."""
    names = {one.name for one in fields}
    return isinstance(wanted, Bid) and "volumes" in names and "paused" not in names and not wanted.paused


def _taken_back(before: Resource, fields: Iterable[FieldChange], binding: Binding) -> str | None:
    """That the limit price changes because the watch had raised it, and the files do not keep that. Not where somebody
    else has set another one since."""
    if binding.raised_from is None or not any(one.name == "limit_price" for one in fields):
        return None
    if not isinstance(before, Bid) or not is_raised(binding, before):
        return None
    was = f"the limit was raised by watch from {usd(binding.raised_from)} per instance-hour"
    return f"{was}, and the files do not ask for that any more"
