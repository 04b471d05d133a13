"""A plan -> what refuses it: data that would be lost, volumes in use. Pure.

A guard decides whether a plan is carried out, never what is in it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.model.live import Live, LiveVolume
from flowplan.model.resources import Bid, Volume
from flowplan.planning import steps as graph
from flowplan.planning.actions import Change, Delete, NoOp, Replace, refusal
from flowplan.planning.hand_overs import hand_overs, order_with
from flowplan.planning.plan import Plan, Wishes
from flowplan.planning.protection import KEEP_VOLUMES, Outside, prevented, to_spare_it
from flowplan.planning.successors import why_not_first
from flowplan.pricing.units import gigabytes

_LISTED = 4  # bids that a hint names one by one
_APART = 3  # so many refusals of one kind are shown one by one


def refusals(plan: Plan, live: Live, wishes: Wishes) -> tuple[Diagnostic, ...]:
    """What refuses `plan` whatever it costs: volumes whose data was not given up, or that are in use."""
    changes = plan.changes
    outside = {one.address: frozenset(field.name for field in one.fields) for one in plan.drift}
    return (
        *prevented(changes, wishes, outside),
        *_data(changes, wishes, outside),
        *_still_used(changes, live, wishes),
        *_held_elsewhere(changes, live),
        *_exchanged(changes),
        *_imported(changes),
        *_not_first(changes, live),
    )


# ---- data -------------------------------------------------------------------------------------------------


def _data(changes: Sequence[Change], wishes: Wishes, outside: Outside) -> Iterable[Diagnostic]:
    destroying = [
        (one, one.before) for one in changes if isinstance(one, (Replace, Delete)) and isinstance(one.before, Volume)
    ]
    if not destroying:
        return
    from flowplan.planning.given_up import given_up, question  # most plans destroy no volume

    volumes = {one.address: one.before.name for one in changes if isinstance(one.before, Volume)}
    permitted = given_up(wishes.destroyable, volumes)
    refused = [(one, volume) for one, volume in destroying if one.address not in permitted]
    asked = question(wishes.destroyable, volumes, [one.address for one, _ in refused])  # once
    others = f", and so for each of the {len(refused) - 1} others, or '*' for all" if len(refused) > _APART else ""
    for change, volume in refused:
        how = "replacing" if isinstance(change, Replace) else "deleting"
        let = f"to let the data be destroyed: --allow-volume-destroy {volume.name}{others}"
        yield refusal(
            "volume-data",
            change,
            f"{how} {change.address} destroys the data on volume {volume.name} ({gigabytes(volume.held_gb)})",
            f"{asked}{let}; {_to_keep_it(change, changes, wishes, outside)}",
        )
        asked = ""


def _to_keep_it(change: Replace | Delete, changes: Sequence[Change], wishes: Wishes, outside: Outside) -> str:
    """How a volume's data are kept. To go on tomorrow takes the volumes in the state."""
    if wishes.mode == "destroy":
        if wishes.partial or not any(one.address.kind == "bid" for one in changes):
            return f"to keep it: {KEEP_VOLUMES}"
        bids_alone = "--target 'bid.*', which cancels the bids alone"
        return f"to keep it: {bids_alone}, or --keep-volumes, which forgets the volumes, too"
    if isinstance(change, Replace):
        return to_spare_it(change, wishes, outside)
    attached = "with `attach`, or `volume_name` under `volumes` of a stack, flowplan leaves it alone"
    return f"to keep it, name it in a file again; {attached}"


def _still_used(changes: Iterable[Change], live: Live, wishes: Wishes) -> Iterable[Diagnostic]:
    """Volumes that would go while a bid that stays uses them: the API would refuse, after all the rest is done."""
    changes = tuple(changes)
    users = _Users.of(live, changes)
    for change in changes:
        if not isinstance(change, (Replace, Delete)) or change.address.kind != "volume":
            continue
        volume = live.volumes.get(change.id)
        if volume is None:
            continue
        if names := users.that_stay(volume):
            message = f"{change.address} is used by {names}, which stays"
            yield refusal("volume-in-use", change, message, _without_it(changes, wishes))


def _without_it(changes: Iterable[Change], wishes: Wishes) -> str:
    """How the rest is done while somebody uses a volume: bids cost by the hour, and need not wait for that."""
    later = "the volume can go once its user is gone, or together with it"
    if wishes.mode != "destroy":
        return f"name it in a file again, and apply: the rest is done now; {later}"
    bids = [str(one.address) for one in changes if isinstance(one, Delete) and one.address.kind == "bid"]
    if not bids:
        return later
    few = len(bids) <= _LISTED or wishes.patterns.partial  # of a part, not every bid is meant
    targets = bids if few else ["bid.*"]
    words = shlex.join(f"--target={one}" for one in targets)
    return f"the same command with {words} ends the bids now, and leaves the volumes; {later}"


def _held_elsewhere(changes: Iterable[Change], live: Live) -> Iterable[Diagnostic]:
    """Block volumes that a bid would take while another that stays holds them: only one bid can use one."""
    changes = tuple(changes)
    users = _Users.of(live, changes)
    for change in changes:
        if not isinstance(change.after, Bid) or isinstance(change, NoOp):
            continue
        for volume in (live.volumes.get(str(ref)) for ref in change.after.volumes):
            if volume is None or volume.volume.interface != "Block":
                continue
            if names := users.that_stay(volume, but=change.id):
                message = f"{change.address} needs the Block volume {volume.volume.name}, which {names} holds"
                yield refusal(
                    "volume-in-use", change, message, "only one bid can use a Block volume: cancel the other one first"
                )


def _exchanged(changes: Sequence[Change]) -> Iterable[Diagnostic]:
    """Bids that stay and take Block volumes from each other in a circle: no order of calls does that."""
    handed_over = hand_overs(changes)
    try:
        if handed_over:
            order_with(changes, handed_over)
    except graph.Cycle as circle:
        first = next(one for one in changes if one.address == circle.members[0].address)
        names = ", ".join(sorted({str(step.address) for step in circle.members}))
        message = f"{names} exchange Block volumes: each would wait for the other to release its volume"
        hint = "first remove the volume from one of them and apply; then do the rest"
        yield refusal("volume-in-use", first, message, hint)


def _imported(changes: Iterable[Change]) -> Iterable[Diagnostic]:
    """Objects that would be imported only to be replaced."""
    for change in changes:
        if isinstance(change, Replace) and change.imported:
            from flowplan.config.positions import key_of

            kind = change.address.kind
            forcing = ", ".join(dict.fromkeys(key_of(kind, one.name) for one in change.fields if one.forces))
            differ = f"{forcing} {'differs' if ',' not in forcing else 'differ'}" if forcing else ""
            why = differ or change.note or "as requested"
            yield refusal(
                "import-replaces",
                change,
                f"{change.address} would be replaced by the plan that imports it ({change.id}): {why}",
                "first apply a file that matches what is live, then change it; or remove the import block",
            )


def _not_first(changes: Sequence[Change], live: Live) -> Iterable[Diagnostic]:
    """Bids whose successor is to be made first, but cannot be while they are there."""
    replaced = {one.address for one in changes if isinstance(one, Replace)}
    for change in changes:
        if isinstance(change, Replace) and (found := why_not_first(change, replaced, live)) is not None:
            why, hint = found
            message = f"the successor of {change.address} cannot be created first (create_before_destroy): {why}"
            yield refusal("volume-in-use", change, message, hint)


@frozen
class _Users:
    """Who uses volumes, and goes on to when the plan is done. What is no bid that is listed (a reservation, an instance
    of somebody, a bid of another project) is somebody's, and stays: nothing here would end it."""

    live: Live
    changes: Mapping[str | None, Change]  # of bids, by their ids
    running: Mapping[str, str]  # instance -> its bid

    @classmethod
    def of(cls, live: Live, changes: Iterable[Change]) -> _Users:
        running = {instance: bid.id for bid in live.bids.values() for instance in bid.instances}
        return cls(live, {one.id: one for one in changes if one.address.kind == "bid"}, running)

    def that_stay(self, volume: LiveVolume, but: str | None = None) -> str:
        """Those of `volume`, for people; "" when there are none."""
        ids = dict.fromkeys((*volume.bids, *volume.reservations, *map(self._holder, volume.attachments)))
        stay = [id for id in ids if id != but and not self._leaves(id, volume.id)]
        bids = self.live.bids
        return ", ".join(f"{bids[id].bid.name} ({id})" if id in bids else id for id in stay)

    def _holder(self, attachment: tuple[str, str]) -> str:
        """The bid behind an attachment, by whichever side names it or an instance of it; else its first side."""
        known = (self.running.get(side, side) for side in attachment)
        return next((id for id in known if id in self.live.bids or id in self.live.gone), attachment[0])

    def _leaves(self, id: str, volume: str) -> bool:
        bid = self.live.bids.get(id)
        ended = id in self.live.gone or (bid is not None and bid.ended)
        return ended or (id in self.changes and self.changes[id].releases(volume))
