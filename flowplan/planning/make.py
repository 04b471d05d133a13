"""(what is wanted, what flowplan made, what the cloud has) -> Plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address, in_order
from flowplan.model.live import Live
from flowplan.model.resources import Bid, Resource
from flowplan.planning.actions import Change, Completed, Create, Delete, Replace
from flowplan.planning.changes import Changes
from flowplan.planning.desired import Desired
from flowplan.planning.drift import drift, left_alone, moved, other_marker
from flowplan.planning.hand_overs import order_of
from flowplan.planning.plan import LeftAlone, Plan, Wishes
from flowplan.planning.refresh import refreshed
from flowplan.planning.selection import chosen, hold_faultless, part_of
from flowplan.state.known import as_known
from flowplan.state.ownership import namesakes, twins
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.records import Intent


def make_plan(
    desired: Desired,
    state: State,
    live: Live,
    wishes: Wishes,
    pending: Mapping[str, Intent] | None = None,
) -> Plan:
    """The plan that brings `live` to `desired`. `state` is what `presume` makes of it, `pending` what it
    presumed. What it costs is estimated in cost/, what refuses it is in guards.py. Raises UsageProblem for a pattern of
    `wishes` that means nothing, ConfigError for problems of what the plan does not leave out, steps.Cycle only for a
    state that was edited by hand."""
    wishes = chosen(_widened(wishes, state, desired), desired, state)
    desired = _at_limits(desired, wishes.limits)
    made = Changes(desired, state, live, wishes)
    every = refreshed(desired, state, live, wishes) if wishes.mode == "refresh-only" else made.all()
    part = part_of(every, wishes)
    faults = hold_faultless(desired, wishes, part)
    changes = part.changes
    outside = tuple(a for a, b in state.bindings.items() if a not in every and not wishes.in_scope(b))
    unchanged = part.outside | {address for address, change in changes.items() if isinstance(change, Completed)}
    ordered = tuple(changes[address] for address in sorted(changes, key=in_order))
    drifted = tuple(one for one in drift(state, live, wishes, desired.lifecycles) if one.address not in unchanged)
    alone = tuple(left_alone(outside, state, live, wishes.files))
    return Plan(
        mode=wishes.mode,
        changes=ordered,
        order=order_of(ordered),
        drift=drifted,
        other_marker=tuple(other_marker(drifted, state, live)),
        ends_elsewhere=tuple(other_marker(_ends(ordered), state, live)),
        twins=tuple(twins(state, live)),
        namesakes=tuple(one for one in namesakes(state, live) if one[0] in changes),
        moved=tuple(one for one in moved(ordered, state, wishes.files) if one[0] not in part.outside),
        outside=outside,
        left_alone=alone,
        staying=tuple(one for one in made.staying.items() if _is_asked_for(one[0], wishes)),
        in_doubt=tuple((pending or {}).values()),
        refreshed=wishes.refresh,
        patterns=wishes.patterns,
        left_out=part.left_out,
        dependents=part.dependents,
        untriggered=part.untriggered,
        faults=faults,
        renamed=_renamed(ordered, alone, desired) if wishes.mode == "apply" else (),
        uncompared=_uncompared(ordered, desired, state, live) if wishes.refresh and wishes.mode == "apply" else (),
    )


def _ends(changes: Iterable[Change]) -> Iterator[Change]:
    """What of `changes` cancels a bid."""
    return (one for one in changes if one.address.kind == "bid" and isinstance(one, Delete | Replace))


def _is_asked_for(address: Address, wishes: Wishes) -> bool:
    return (not wishes.targets or address in wishes.targets) and address not in wishes.excluded


def _renamed(
    changes: Sequence[Change], alone: Sequence[LeftAlone], desired: Desired
) -> tuple[tuple[Address, Address], ...]:
    kinds = {type(one) for one in changes}
    if Create not in kinds or not (Delete in kinds or any(one.is_unnamed for one in alone)):
        return ()
    from flowplan.planning.renamed import renamed  # most plans do not do both

    return tuple(renamed(changes, alone, desired))


def _uncompared(changes: Iterable[Change], desired: Desired, state: State, live: Live) -> tuple[Diagnostic, ...]:
    bids = ((one, one.before or _ended(one, state, live)) for one in changes if one.address.kind == "bid")
    found = [
        (one, bid) for one, bid in bids if isinstance(bid, Bid) and (bid.inputs is None or isinstance(one, Replace))
    ]
    if not found:
        return ()
    from flowplan.planning.uncompared import uncompared  # most plans have no such bid

    return tuple(uncompared(found, desired))


def _ended(change: Change, state: State, live: Live) -> Resource | None:
    """What the bid was that is over, and is placed again."""
    if change.reason != "create_because_gone" or (known := state.bindings.get(change.address)) is None:
        return None
    found = live.bids.get(known.id)
    return known.applied if found is None else as_known(found, known.applied)


def _at_limits(desired: Desired, limits: Mapping[Address, Decimal]) -> Desired:
    """`desired` with the bids of `limits` at those: raised from the limit prices in the files, or back at them."""
    resources, raised = dict(desired.resources), dict(desired.raised)
    for address, limit in limits.items():
        wanted = resources.get(address)
        if not isinstance(wanted, Bid):
            continue
        written = raised.pop(address, wanted.limit_price)
        resources[address] = attrs.evolve(wanted, limit_price=limit)
        if limit != written:
            raised[address] = written
    return attrs.evolve(desired, resources=resources, raised=raised) if limits else desired


def _widened(wishes: Wishes, state: State, desired: Desired) -> Wishes:
    """`wishes` with what the files name, whichever file made it, if any is known to have, and with all that a file made
    which is given under another name: it was renamed, or a link leads to it. Where it is gone, and a file that has no
    tasks may be it, or a part of it, the rest that it made stays.

    The proof is a resource of it that is this run's business: a link alone may be another task, named after the link.
    """
    files = wishes.files
    named = {
        binding.source
        for address, binding in state.bindings.items()
        if binding.source and (address in desired.resources or wishes.in_scope(binding))
    }
    renamed = {one for one in named if files.is_given(one) or (files.is_gone(one) and not files.may_be(one))}
    return attrs.evolve(
        wishes, in_scope=lambda b: wishes.in_scope(b) or b.address in desired.resources or b.source in renamed
    )
