"""What changed outside of flowplan since it last applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from flowplan.model.address import Address, in_order
from flowplan.model.lifecycle import DEFAULT, Lifecycle
from flowplan.model.live import Live, LiveBid, Marker
from flowplan.planning.actions import Change, Delete, Update
from flowplan.planning.differences import class_fields, differences
from flowplan.planning.plan import Files, LeftAlone, Wishes
from flowplan.state.known import as_known
from flowplan.state.state import State


def drift(state: State, live: Live, wishes: Wishes, lifecycles: Mapping[Address, Lifecycle]) -> list[Change]:
    """What changed outside of flowplan since it last applied, as changes from applied to live, but for what
    `lifecycles` ignore."""
    return sorted(_drift(state, live, wishes, lifecycles), key=lambda one: in_order(one.address))


def _drift(state: State, live: Live, wishes: Wishes, lifecycles: Mapping[Address, Lifecycle]) -> Iterator[Change]:
    for address, binding in state.bindings.items():
        if address.kind == "ports" or not wishes.in_scope(binding):
            continue
        common: dict[str, Any] = {"id": binding.id, "source": binding.source}
        found = live.volumes.get(binding.id) if address.kind == "volume" else live.bids.get(binding.id)
        if found is None or (isinstance(found, LiveBid) and found.ended):
            if binding.ended:  # that is known since: flowplan ended it, or an apply recorded it
                continue
            note = "terminated" if found is not None else "gone"
            yield Delete(address, before=binding.applied, reason="gone_outside", note=note, **common)
            continue
        now = as_known(found, binding.applied)
        fields = differences(binding.applied, now, lifecycles.get(address, DEFAULT))
        if fields:
            differing = {name for one in fields for name in class_fields(now, one.name)}
            after = attrs.evolve(binding.applied, **{name: getattr(now, name) for name in differing})
            yield Update(
                address, before=binding.applied, after=after, fields=fields, reason="changed_outside", **common
            )


def other_marker(changes: Iterable[Change], state: State, live: Live) -> Iterator[tuple[Address, Marker]]:
    """Of `changes` the bids that carry the marker of another stack, which may hold them still."""
    for change in changes:
        bid = live.bids.get(change.id or "")
        if bid is not None and bid.marker is not None and bid.marker.lineage != state.lineage:
            yield change.address, bid.marker


def moved(changes: Iterable[Change], state: State, files: Files) -> Iterable[tuple[Address, str, str]]:
    """The addresses that are configured in another file than the state has, with the name of that file and of the new
    one, as people are shown them."""
    for change in changes:
        known = state.bindings.get(change.address)
        if known is None or not known.source or change.position is None:
            continue
        if not files.same(known.source, files.kept(change.position.file)):
            yield change.address, files.for_people(known.source), change.position.file


def left_alone(outside: Iterable[Address], state: State, live: Live, files: Files) -> Iterable[LeftAlone]:
    """Of the addresses `outside` what is live: it costs what it costs, whatever a plan is of."""
    for address in sorted(outside, key=in_order):
        binding = state.bindings[address]
        found = live.volumes.get(binding.id) if address.kind == "volume" else live.bids.get(binding.id)
        if address.kind == "ports" or found is None or (isinstance(found, LiveBid) and found.ended):
            continue
        file = files.for_people(binding.source) if binding.source else None
        gone = bool(binding.source) and files.is_gone(binding.source)
        may_be = files.may_be(binding.source) if binding.source else ()
        made = LeftAlone(address, binding.id, as_known(found, binding.applied), file, gone, may_be)
        if isinstance(found, LiveBid):
            made = attrs.evolve(made, status=found.status, has_marker=found.marker is not None)
        yield made
