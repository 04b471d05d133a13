"""The state, and what a look into it finds -> documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import attrs

from flowplan.classes import frozen
from flowplan.model.address import Address, in_order
from flowplan.model.resources import Bid
from flowplan.state.codec import converter
from flowplan.state.history import PutBack, Rewritten
from flowplan.state.records import Intent
from flowplan.state.restored import Restored
from flowplan.state.state import Binding, State

if TYPE_CHECKING:
    from flowplan.documents.shapes.state import (
        AddressesDocument,
        Bound,
        Ending,
        Listed,
        MigratedDocument,
        MovedDocument,
        PushedDocument,
        RecoveredDocument,
        RekeyedDocument,
        ReleasedDocument,
        ResourceDocument,
        RestoredDocument,
    )


Moves: TypeAlias = Mapping[Address, Address]  # old -> new


@frozen
class Kept:
    """The state as it is now, and the operations in doubt, which stand in its journal."""

    state: State
    pending: Sequence[Intent]


@frozen
class AfterRecovery:
    """The state after `recover`: the bids that were `cancelled`, by address and id, and the addresses that were proved
    `not_created`. `nothing`: there was nothing to do; `rebuilt`: the state was lost, and is made of what is live;
    `without_files`: no files were there, which a plan would take."""

    state: State
    cancelled: Sequence[tuple[Address, str]] = ()
    not_created: Sequence[Address] = ()
    nothing: bool = False
    rebuilt: bool = False
    without_files: bool = False


@frozen
class Pushed:
    """The state as it was saved, of the file called `name`, and what it no longer has because of that."""

    name: str
    found: PutBack


@frozen
class Rekeyed:
    """The state as it was saved, who can open it now (nobody is named where it is in the clear), and what became of its
    versions. `dropped`: the serials of those that are kept no more, because there is no room for them."""

    state: State
    recipients: tuple[str, ...]
    versions: Rewritten
    dropped: tuple[int, ...] = ()


@frozen
class Migrated:
    """The `state` as it is at its new place `to`, to which it moved from `source`, with the count of its
    `versions` that are kept there, and of operations in doubt (`pending`). `already`: an earlier run had moved it;
    `named`: commands that say nothing of it use it here; `typed`: what of it to type for those that do not, where `to`
    does not say all."""

    source: str
    to: str
    state: State
    versions: int
    pending: int
    already: bool = False
    named: bool = False
    typed: str = ""


def addresses(found: Sequence[Binding]) -> AddressesDocument:
    """What the state holds, by address and id."""
    return {
        "format_version": "1.0",
        "resources": [listed(one) for one in found],
    }


def listed(found: Binding) -> Listed:
    """One resource, by address and id."""
    return _listed(found.address, found.id)


def _listed(address: Address, id: str) -> Listed:
    return {"address": str(address), "type": address.kind, "id": id}


def resource(found: Binding) -> ResourceDocument:
    """One resource, as the state file has it, but for the digests of what it carries where a value of that is masked:
    somebody could try guesses of a short one."""
    return {"format_version": "1.0", "resource": cast("Bound", converter().unstructure(_without_digests(found)))}


def _without_digests(found: Binding) -> Binding:
    """`found` as `resource` shows it."""
    bid = found.applied
    if not isinstance(bid, Bid) or bid.inputs is None or bid.inputs.container_image is None:
        return found
    kept = bid.inputs.shown
    if kept.given_sha256 is None:
        return found
    bare = attrs.evolve(kept, given_sha256=None, unordered_sha256=None)
    return attrs.evolve(found, applied=attrs.evolve(bid, inputs=bare))


def released(found: Binding) -> ReleasedDocument:
    """What `state rm` released, and how it ended; null: the state does not say that it has."""
    return {"format_version": "1.0", "released": listed(found), "ended": cast("Ending", found.ended) or None}


def moved(moves: Moves) -> MovedDocument:
    """What `state mv` moved."""
    return {
        "format_version": "1.0",
        "moved": [{"previous_address": str(old), "address": str(new)} for old, new in moves.items()],
    }


def recovered(found: AfterRecovery) -> RecoveredDocument:
    """What `recover` made of the state."""
    return {
        "format_version": "1.0",
        "lineage": found.state.lineage,
        "serial": found.state.serial,
        "rebuilt": found.rebuilt,
        "cancelled": [_listed(address, id) for address, id in found.cancelled],
        "not_created": [str(one) for one in found.not_created],
        "resources": [listed(found.state.bindings[one]) for one in sorted(found.state.bindings, key=in_order)],
    }


def pushed(done: Pushed) -> PushedDocument:
    """The state that `state push` made, and what it no longer has because of that."""
    made = done.found
    return {
        "format_version": "1.0",
        "lineage": made.state.lineage,
        "serial": made.state.serial,
        "forgotten": [listed(one) for one in made.forgotten],
        "over": [listed(one) for one in made.over],
    }


def rekeyed(found: Rekeyed) -> RekeyedDocument:
    """What `state rekey` did."""
    return {
        "format_version": "1.0",
        "serial": found.state.serial,
        "recipients": list(found.recipients),
        "versions": len(found.versions.written),
        "unread": list(found.versions.unread),
        "dropped": list(found.dropped),
    }


def migrated(found: Migrated) -> MigratedDocument:
    """What `state migrate` moved."""
    return {
        "format_version": "1.0",
        "from": found.source,
        "to": found.to,
        "lineage": found.state.lineage,
        "serial": found.state.serial,
        "resources": len(found.state.bindings),
        "versions": found.versions,
        "pending": found.pending,
        "already": found.already,
    }


def restored(found: Restored) -> RestoredDocument:
    """What `state restore` made of a damaged state."""
    return {
        "format_version": "1.0",
        "of": "backup" if found.of_backup else "state",
        "serial": found.state.serial,
        "damaged": list(found.damaged),
        "doubled": {id: [str(one) for one in addresses] for id, addresses in found.doubled.items()},
    }
