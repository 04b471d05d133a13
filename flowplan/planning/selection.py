"""A part of a plan: --target, --exclude, --replace. Pure.

A target brings what its steps wait for, an exclusion takes away what waits for its steps or needs it. What is left out
stays as it is: in the cloud, in the state, and in the cost of the whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import attrs

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic, candidates
from flowplan.errors import ConfigError, UsageProblem
from flowplan.model.address import Address, in_order
from flowplan.model.selection import is_wild, matching, together
from flowplan.names import few
from flowplan.planning.actions import Change, Completed, Forget, LeftOut, NoOp, Presumed, Read
from flowplan.planning.desired import Desired
from flowplan.planning.hand_overs import order_of
from flowplan.planning.plan import Wishes
from flowplan.planning.triggers import causes
from flowplan.printable import shown
from flowplan.state.state import State

_MOST = 3  # files that are named


def chosen(wishes: Wishes, desired: Desired, state: State) -> Wishes:
    """`wishes` with the addresses that its patterns mean. Raises UsageProblem for a pattern that means nothing."""
    asked = wishes.patterns
    ours = {
        *desired.resources,
        *desired.problems,
        *(a for a, binding in state.bindings.items() if wishes.in_scope(binding)),
    }
    every = {*ours, *desired.reads, *state.bindings}

    def made_by(address: Address) -> str:
        source = state.bindings[address].source if address in state.bindings else ""
        return wishes.files.for_people(source) if source else ""

    there = _There(every, {old: new for new, old in desired.moves.items()}, made_by)
    replaced = _meant("--replace", asked.replace, ours, there)
    targets = _meant("--target", asked.targets, ours | desired.reads.keys(), there)
    excluded = _meant("--exclude", asked.excluded, ours | desired.reads.keys(), there)
    if wishes.mode == "refresh-only":  # it records what is live under the addresses that the state has
        targets, excluded = (one | {desired.moves.get(a, a) for a in one} for one in (targets, excluded))
    return attrs.evolve(
        wishes,
        replace=wishes.replace | {both for one in replaced for both in together(one)},
        targets=wishes.targets | targets,
        excluded=wishes.excluded | excluded,
    )


@frozen
class _There:
    """All addresses that there are, given or not; `former`: those that have moved, and where to; `made_by`: the file
    that made what is at one, "" where the state has none."""

    every: set[Address]
    former: Mapping[Address, Address]
    made_by: Callable[[Address], str]


def _meant(option: str, patterns: Iterable[str], known: set[Address], there: _There) -> frozenset[Address]:
    found: set[Address] = set()
    wrong: list[tuple[str, str | None]] = []
    for pattern in patterns:
        matched = matching(pattern, known)
        if not matched:
            moved = sorted(matching(pattern, there.former.keys()), key=in_order)
            if moved:
                new = there.former[moved[0]]
                wrong.append((f"{option} {pattern}: {moved[0]} has moved to {new}", f"{option} {new}"))
            else:
                why, instead = _why_not(pattern, there)
                wrong.append((f"{option} {pattern}: {why}", instead or _instead(pattern, known)))
        found |= matched
    if wrong:
        (first, hint), *others = wrong
        raise UsageProblem(first, detail="\n".join(one for one, _ in others) or None, hint=hint)
    return frozenset(found)


def _why_not(pattern: str, there: _There) -> tuple[str, str | None]:
    """Why nothing that is known matches, and what to do, where that can be told."""
    elsewhere = matching(pattern, there.every)
    files = sorted({shown(file) for file in map(there.made_by, elsewhere) if file})
    if files:
        named = few(files, _MOST)
        return f"that belongs to {named}, which you did not give", f"give {named} as a PATH"
    if elsewhere:
        return "that belongs to a file that you did not give", None
    what = "anything that matches" if is_wild(pattern) else "it"
    return f"neither the files nor the state hold {what}", None


def _instead(pattern: str, known: set[Address]) -> str | None:
    as_task = pattern.startswith("task.")
    names = (str(one).replace("bid.", "task.", 1) if as_task else str(one) for one in known)
    return candidates(pattern, names)


@frozen
class Part:
    """What is left of a plan: every change, where those left out are `LeftOut`. `left_out`: what would have been
    changed, too; `dependents`: those of these that nobody named, each with what it depends on; `outside`: all that is
    not in the part; `untriggered`: what is left out although the change, in the part, that replaces it happens now."""

    changes: Mapping[Address, Change]
    left_out: tuple[Address, ...] = ()
    dependents: tuple[tuple[Address, Address], ...] = ()
    outside: frozenset[Address] = frozenset()
    untriggered: tuple[tuple[Address, Address], ...] = ()


def part_of(changes: Mapping[Address, Change], wishes: Wishes) -> Part:
    """The part of `changes` that `wishes` selects: all of it where nothing is selected."""
    if wishes.held_to is not None:
        return _held_to(changes, wishes.held_to, unrecorded=wishes.unrecorded)
    if not (wishes.targets or wishes.excluded):
        return Part(changes)
    ahead = _waits(changes.values())
    behind: dict[Address, set[Address]] = defaultdict(set)
    for change in changes.values():
        awaited = (one.task for one in change.waits_for)
        for before in {*ahead[change.address], *change.needs, *change.needs_before, *awaited}:
            behind[before].add(change.address)
    selected = _reached(wishes.targets, ahead).keys() if wishes.targets else changes.keys()
    dropped = _reached(wishes.excluded, behind)
    kept = selected - dropped.keys()
    left_out = [one for one in changes.values() if one.address not in kept]
    return Part(
        {a: one for a, change in changes.items() if (one := change if a in kept else _as_it_is(change)) is not None},
        tuple(sorted((one.address for one in left_out if one.ways), key=in_order)),
        tuple(
            (one.address, cause)
            for one in sorted(left_out, key=lambda one: in_order(one.address))
            if one.ways and (cause := dropped.get(one.address)) is not None and one.address in selected
        ),
        frozenset(one.address for one in left_out),
        tuple({one: cause for cause, one in causes(changes) if cause in kept and one not in kept}.items()),
    )


def hold_faultless(desired: Desired, wishes: Wishes, part: Part) -> tuple[Diagnostic, ...]:
    """The problems of what `part` leaves out. Raises ConfigError for those of what it has, or needs."""
    if not desired.problems:
        return ()
    done = [change for a, change in part.changes.items() if a not in part.outside and change.ways]
    meant = {change.address for change in done} | (wishes.held_to or frozenset())
    for change in done:
        meant |= {*change.needs, *change.needs_before, *(one.task for one in change.waits_for)}
    if wishes.held_to is None:
        meant |= wishes.targets or desired.problems.keys() - wishes.excluded
    meant = {both for one in meant for both in together(one)}
    problems = [one for address, every in desired.problems.items() if address in meant for one in every]
    if problems:
        raise ConfigError(problems)
    return tuple(dict.fromkeys(one for every in desired.problems.values() for one in every))


def _held_to(changes: Mapping[Address, Change], touched: frozenset[Address], *, unrecorded: bool) -> Part:
    """What a saved plan, or the watch, touches, and what that needs by now, which makes it another plan. What needs
    nothing done stays in it, and is recorded as it is, unless it is to be left `unrecorded`; what would be imported is
    not taken in."""
    kept = _reached(touched, _waits(changes.values())).keys()
    outside = frozenset(a for a, change in changes.items() if (change.ways or unrecorded) and a not in kept)
    made = {a: _as_it_is(change) if a in outside else change for a, change in changes.items()}
    imported = tuple(sorted((a for a in outside if changes[a].imported), key=in_order))
    return Part({a: change for a, change in made.items() if change is not None}, imported, outside=outside)


def _waits(changes: Iterable[Change]) -> Mapping[Address, set[Address]]:
    """Every address with those whose steps its own wait for, and what cannot be apart from it."""
    changes = tuple(changes)
    found: dict[Address, set[Address]] = defaultdict(set)
    for change in changes:
        found[change.address] |= together(change.address)
    for cause, listener in causes({change.address: change for change in changes}):
        found[listener].add(cause)
    for step, befores in order_of(changes).items():
        found[step.address].update(before.address for before in befores)
    return found


def _reached(start: Iterable[Address], edges: Mapping[Address, Iterable[Address]]) -> dict[Address, Address | None]:
    """All that `edges` lead to from `start`, each with where it was reached from; None: it was in `start`."""
    found: dict[Address, Address | None] = dict.fromkeys(sorted(start, key=in_order))
    ahead = list(found)
    while ahead:
        here = ahead.pop(0)
        for address in sorted(edges.get(here, ()), key=in_order):
            if address not in found:
                found[address] = here
                ahead.append(address)
    return found


def _as_it_is(change: Change) -> Change | None:
    """`change` left out; None: there is nothing that could stay."""
    if isinstance(change, (Completed, Presumed, Read)):
        return change
    if change.before is None or change.id is None or change.imported or change.reason == "gone_outside":
        return None
    left = LeftOut(
        change.address,
        before=change.before,
        after=change.before,
        id=change.id,
        status=change.status,
        generation=change.generation,
        needs=change.needs_before,
        needs_before=change.needs_before,
        position=change.position,
        source=change.source,
        lifetime=change.lifetime,
        protected=change.protected,
        protected_by=change.protected_by,
        previous_address=change.previous_address,  # addresses change for the whole stack at once
    )
    return left if isinstance(change, (NoOp, Forget)) else attrs.evolve(left, reason="left_out")
