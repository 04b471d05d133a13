"""What a plan says besides its changes: budgets, prices and limits, what it leaves alone, what is strange. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from flowplan.cost.budgets import over
from flowplan.cost.costs import Costs
from flowplan.cost.warnings import warned
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.budget import Judged
from flowplan.model.resources import Bid, Volume
from flowplan.planning.actions import Change, Delete, Forget, Replace
from flowplan.planning.plan import Plan
from flowplan.pricing.units import an_hour_at_most, storage_per_month, usd
from flowplan.printable import shown

_MOST_NAMED = 3  # of the files that one may be
FIRST_LOOKED_UP = "apply first checks what became of them"


def notes(plan: Plan, costs: Costs, judged: Iterable[Judged], unchecked: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The warnings and notes of a plan, in the order in which they are shown. `judged`: what became of each budget;
    `unchecked`: notes of what could not be asked before the apply."""
    for one in judged:
        if said := over(one):
            yield said
    if not plan.refreshed:
        what = (
            "this plan assumes that everything is as last applied; "
            "the cloud was not checked, so the plan cannot be applied"
        )
        yield _warning("not-refreshed", what, "plan without --no-refresh")
    yield from _partial(plan)
    yield from warned(costs)
    for change in plan.changes:
        yield from _status(change)
        yield from _released(change)
        yield from _raised(change)
    yield from _ports_dropped(plan)
    yield from plan.uncompared
    yield from _renamed(plan)
    yield from _unnamed(plan)
    yield from _fileless(plan)
    yield from _namesakes(plan)
    yield from _whereabouts(plan, unchecked)


def _partial(plan: Plan) -> Iterator[Diagnostic]:
    """That it covers a part of the stack only, and what that leaves out."""
    asked = plan.patterns
    if not asked.partial:
        return
    given = " and ".join(["--target"] * bool(asked.targets) + ["--exclude"] * bool(asked.excluded))
    left = f"{_count(plan.left_out, 'change')} not in it: {_listed(plan.left_out)}" if plan.left_out else ""
    what = f"this plan is partial ({given}), so applying it may not bring about all that is configured"
    if plan.mode == "destroy":
        again = "the next apply creates again what it destroys, unless you take that out of the files"
        goes = any(isinstance(one, Delete) for one in plan.changes)
        what = f"this destroy is partial ({given})" + (f": {again}" if goes else "")
    yield _warning(
        "partial", f"{what}; {left or 'nothing else would change now'}", "to see everything, plan without that option"
    )
    for (cause, needs), found in _left_too(plan).items():
        one = len(found) == 1
        left = "is left out, too" if one else "are left out, too"
        why = f"{cause}, which stays, needs {'it' if one else 'them'}"
        if not needs:
            why = f"{'it depends' if one else 'they depend'} on {cause}"
        runs_on, hint = "", None
        if plan.mode == "destroy" and found[0].kind == "bid":  # which nobody asked to keep
            runs_on = f"; {'it runs' if one else 'they run'} on"
            if cause.kind == "volume" and not asked.targets:
                hint = "to end every bid and keep every volume, give --target 'bid.*' instead of --exclude"
        yield _warning("dependents", f"{_listed(found)} {left}: {why}{runs_on}", hint)
    for listener, cause in plan.untriggered:
        what = f"{cause} changes now, but {listener}, which is replaced because of that, is left out"
        yield _warning("partial", what, f"no later plan replaces it for that: add --replace {listener.word} then")


def _left_too(plan: Plan) -> dict[tuple[Address, bool], list[Address]]:
    """What is left out with something excluded: by that, and whether that needs it, as the ports of a bid need the bid
    and a bid its volumes, or depends on it the other way round."""
    order = ("volume", "bid", "ports")
    found: dict[tuple[Address, bool], list[Address]] = {}
    for address, cause in plan.dependents:
        found.setdefault((cause, order.index(address.kind) < order.index(cause.kind)), []).append(address)
    return found


def _count(found: Sequence[Address], noun: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"


def _listed(found: Sequence[Address]) -> str:
    """The first six."""
    return ", ".join(map(str, found[:6])) + (f" and {len(found) - 6} more" if len(found) > 6 else "")


def _status(change: Change) -> Iterator[Diagnostic]:
    if change.status == "Preempting":
        yield _note("preempting", f"{change.address} is Preempting: the cloud takes its instances back")
    elif change.status_is_strange:
        status = shown(str(change.status))
        what = f"this flowplan does not know the status {status!r} of {change.address}; it counts as live"
        yield _warning("unknown-status", what)


def _released(change: Change) -> Iterator[Diagnostic]:
    """What is given up, and goes on costing: nothing here will say so again."""
    if not isinstance(change, Forget) or not change.released:
        return
    if isinstance(change.before, Bid):
        cost = f"costs {an_hour_at_most(change.before.worst)}"
        remedy = f"flowplan import {change.address.word} {change.id} takes it back"
    elif isinstance(change.before, Volume):
        month = storage_per_month(change.before.held_gb)
        cost = f"costs {'an unknown amount' if month is None else usd(month)} a month"
        remedy = f"flowplan import {change.address.word} {change.id} takes it back"
    else:
        return
    what = f"{change.address} ({change.id}) stays live and {cost}; flowplan no longer manages it"
    yield _warning("released", what, remedy)


def _raised(change: Change) -> Iterator[Diagnostic]:
    """That a bid keeps the limit that the watch has raised, though the files say another."""
    bid = change.after
    if change.raised_from is not None and isinstance(bid, Bid):
        was = f"raised by watch from {usd(change.raised_from)} per instance-hour"
        what = f"{change.address}: the limit {usd(bid.limit_price)} was {was}; an apply leaves it so"
        yield _note("raised-limit", what, "to go back, take `raise_limit_up_to` out of `watch`, and apply")


def _ports_dropped(plan: Plan) -> Iterator[Diagnostic]:
    """Once for all: why bids are replaced that only publish fewer ports."""
    found = [one for one in plan.changes if isinstance(one, Replace) and _only_drops_ports(one)]
    if found:
        what = f"{_listed([one.address for one in found])} must be replaced to publish fewer ports"
        why = "the startup script publishes them, and it runs on first boot only"
        remedy = "`lifecycle: {ignore_changes: [ports]}` keeps the bid as it is, with its ports published"
        first = found[0]
        yield Diagnostic(
            "ports-dropped",
            f"{what}: {why}",
            remedy,
            severity="note",
            position=first.position,
            about=str(first.address),
        )


def _renamed(plan: Plan) -> Iterator[Diagnostic]:
    """Once for all that is destroyed, and once for all that is left alone: what may have another name now, and is not
    to be made again."""
    alone = {one.address for one in plan.left_alone}
    for pairs, fate in (
        ([one for one in plan.renamed if one[0] not in alone], "destroyed, and what is on the right created"),
        (
            [one for one in plan.renamed if one[0] in alone],
            "left alone and still paid for, and what is on the right created beside it",
        ),
    ):
        if not pairs:
            continue
        listed = ", ".join(f"{old} -> {new}" for old, new in pairs)
        what = f"{listed}: only the name differs; what is on the left is {fate}"
        blocks = ", ".join(f"{{from: {old.word}, to: {new.word}}}" for old, new in pairs)
        moves = "; ".join(f"`flowplan state mv {old.word} {new.word}`" for old, new in pairs)
        remedy = f"if it was renamed, it is kept by `moved: [{blocks}]` in a stack file; without one: {moves}"
        change = plan.by_address()[pairs[0][1]]
        at, about = change.position, str(change.address)
        yield Diagnostic("renamed", what, remedy, severity="warning", position=at, about=about)


def _only_drops_ports(change: Replace) -> bool:
    forcing = [one for one in change.fields if one.forces]
    if len(forcing) != 1 or forcing[0].name != "ports" or change.reason != "replace_because_cannot_update":
        return False
    return set(forcing[0].after or ()) < set(forcing[0].before or ())


def _unnamed(plan: Plan) -> Iterator[Diagnostic]:
    """What is not said of already: of what was renamed, the first remedy is not to end it."""
    said = {old for old, _ in plan.renamed}
    for one in plan.left_alone:
        if one.file is None and isinstance(one.resource, Bid) and one.address not in said:
            what = f"{one.address} ({one.id}) is in the state, but no known file names it: it is left alone, and "
            end = f"recover --cancel {one.id}" if one.has_marker else f"state rm {one.address.word}"
            remedy = f"give the file that names it; otherwise flowplan {end}"
            yield _warning("unnamed", f"{what}costs {an_hour_at_most(one.resource.worst)}", remedy)


def _fileless(plan: Plan) -> Iterator[Diagnostic]:
    for one in plan.left_alone:
        if one.file is not None and one.is_gone:
            bid = one.resource if isinstance(one.resource, Bid) else None
            costs = f"costs {an_hour_at_most(bid.worst)}" if bid is not None else "keeps costing money"
            what = f"{one.address} ({one.id}) was made from {shown(one.file)}, which is gone: it is left alone"
            end = f"flowplan destroy {shlex.quote(one.file)} ends it"
            remedy = f"{end}; if the file was renamed, give its new name"
            if one.may_be:
                remedy = f"if it was renamed, and is now {_any_of(one.may_be)}, mend that file; otherwise {end}"
            yield _warning("file-gone", f"{what}, and {costs}", remedy)


def _any_of(skipped: Sequence[str]) -> str:
    """Files that are skipped, for people."""
    if len(skipped) == 1:
        return f"{shown(skipped[0])}, which has no tasks"
    more = f" and {len(skipped) - _MOST_NAMED} more" if len(skipped) > _MOST_NAMED else ""
    return f"one of those without tasks ({', '.join(map(shown, skipped[:_MOST_NAMED]))}{more})"


def _namesakes(plan: Plan) -> Iterator[Diagnostic]:
    """Bids that could be taken for ours: with our marker, or with a name of ours."""
    for address, ids in plan.twins:
        yield _warning(
            "twins",
            f"{address}: duplicate live bids carry our marker and cost money: {', '.join(ids)}",
            "if you do not want them: " + "; ".join(f"flowplan recover --cancel {id}" for id in ids),
        )
    for address, marker in plan.other_marker:
        yield _warning(
            "other-marker",
            f"{address} was changed outside, and carries the marker of stack {shown(marker.stack)}, from which it was "
            "imported: if the state there still holds it, each undoes what the other does",
            f"type `flowplan state rm {marker.address.word}` there, or `flowplan state rm {address.word}` here",
        )
    for address, marker in plan.ends_elsewhere:
        yield _warning(
            "other-marker",
            f"{address} would be cancelled, and carries the marker of stack {shown(marker.stack)}, from which it was "
            "imported: if the state there still holds it, this ends it for that stack, too",
            f"if it is that stack's, type `flowplan state rm {address.word}` here: it then runs on",
        )
    for address, ids in plan.namesakes:
        what = f"{', '.join(ids)} has the name of {address}; flowplan did not place it and leaves it alone"
        yield _note("namesake", what)


def _whereabouts(plan: Plan, unchecked: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """What has moved, was not asked, is in doubt, or belongs to files that are not given."""
    for address, before, now in plan.moved:
        yield _note("moved", f"{address} moved from {shown(before)} to {shown(now)}")
    yield from unchecked
    if plan.in_doubt:
        what = f"the outcome of {len(plan.in_doubt)} of an earlier run's operations is unknown"
        yield _note("in-doubt", what, FIRST_LOOKED_UP)
    gone = {one.address for one in plan.left_alone if one.is_gone}
    there = [address for address in plan.outside if address not in gone]
    if there:
        count = len(there)
        files = "address of a file" if count == 1 else "addresses of files"
        yield _note("left-alone", f"{count} {files} not given here, left alone: {_listed(there)}")


def _warning(code: str, summary: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic(code, summary, hint, severity="warning")


def _note(code: str, summary: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic(code, summary, hint, severity="note")
