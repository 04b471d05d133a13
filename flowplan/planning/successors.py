"""Bids whose successor is made before they go (`create_before_destroy`)."""

from __future__ import annotations

from collections.abc import Container

import attrs

from flowplan.model.address import Address
from flowplan.model.live import Live
from flowplan.model.resources import Bid, name_beside
from flowplan.planning.actions import CreateFirst, Replace


def create_first(change: Replace, made: Bid, generation: int) -> CreateFirst:
    """`change`, for which the successor `made` of a bid is made before it goes. What is live keeps its name, so that of
    the successor is another."""
    after = attrs.evolve(made, name=name_beside(made.name, generation))
    both = f"{after.name} is placed before {change.id} is cancelled: until then both may run, and cost"
    note = f"{change.note}; {both}" if change.note else both
    return CreateFirst(
        change.address,
        before=change.before,
        after=after,
        fields=change.fields,
        id=change.id,
        status=change.status,
        reason=change.reason,
        note=note,
        generation=generation,
        needs=change.needs,
        imported=change.imported,
    )


def why_not_first(change: Replace, replaced: Container[Address], live: Live) -> tuple[str, str] | None:
    """Why the successor that is to be made first cannot be while the old bid is there, and what to do about it; None:
    it can, or is not to be. `replaced`: what the plan replaces."""
    before, after = change.before, change.after
    if not change.lifecycle.create_before_destroy or not isinstance(before, Bid) or not isinstance(after, Bid):
        return None
    shared = [live.volumes[id] for id in map(str, after.volumes) if id in before.volumes and id in live.volumes]
    block = [one.volume.name for one in shared if one.volume.interface == "Block"]
    instead = "create_before_destroy: false lets it be cancelled first"
    if block:
        why = f"both would hold the Block volume {block[0]}, which only one bid can use"
        return why, f"{instead}; a File volume can be used by both"
    if gone := [need for need in change.needs if need in replaced]:
        why = f"{gone[0]}, which it uses, is replaced too, and can be created again only once nothing uses it"
        return why, f"{instead}, and placed again when the volume is there"
    return None
