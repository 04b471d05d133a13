"""Whether a configuration is that of the environment that the state is of, told by `name_prefix`, and of its stack,
told by `name`; and whether what a plan places runs already, told by the markers of live bids. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.diagnostics import Diagnostic
from flowplan.errors import GuardRefused
from flowplan.model.resources import Bid, generation_in, name_at, name_beside
from flowplan.names import few
from flowplan.planning.actions import Create, Delete, Import
from flowplan.planning.conflicts import rebuilding
from flowplan.printable import natural, shown

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from flowplan.apply.outcome import Outcome
    from flowplan.config import Config
    from flowplan.model.address import Address
    from flowplan.model.live import LiveBid, Marker
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan, Wishes
    from flowplan.state.state import State

_CODE = "other-environment"
_OTHER_STATE = "other-state"
_OTHER_STACK = "other-stack"
_MOST_NAMED = 3  # bids, in a message
_GIVE = "give the variables that belong to this state; if "
_LOOK = "with the same --state and variables, look at it, and `flowplan apply FILE` with that --state"
_HOW = {
    "apply": f"`flowplan plan --out FILE` {_LOOK}",
    "destroy": f"`flowplan plan --destroy --out FILE` {_LOOK}; "
    "or `flowplan destroy` without --auto-approve, and answer yes",
}


def other_environment(seen: Observed, wishes: Wishes) -> Diagnostic | None:
    """A warning where the files give names another prefix than the state was applied with; None: they do not, or it is
    not known."""
    config, state = seen.config, seen.recorded
    prefix = wishes.name_prefix if config is None else config.name_prefix
    known = prefix is not None and wishes.mode in _HOW
    if not known or not state.bindings or state.name_prefix in ("", prefix):
        return None
    now = f"is {prefix} here" if prefix else "is missing here"
    summary = f"the state was applied with the name_prefix {state.name_prefix}, which {now}: another environment?"
    meant = "the prefix is to change" if wishes.mode == "apply" else "this state is meant"
    return Diagnostic(_CODE, summary, f"{_GIVE}{meant}: {_HOW[wishes.mode]}", severity="warning")


def other_stack(seen: Observed, wishes: Wishes, plan: Plan) -> Diagnostic | None:
    """A warning where two stacks were given one state: the files have another `name` than those that were applied last,
    name nothing of what the state has of files that are called as they are, and `plan` ends some of that or adds to it:
    what they add would make both one stack, and the next plan end the other's. None: it is not so, or the files give no
    name. A stack that is renamed still names what it has, and is known by its new name once that is applied; one that
    is given up names nothing."""
    config, state = seen.config, seen.recorded
    name, known = wishes.stack if config is None else config.stack, state.applied_as or state.stack
    if wishes.mode not in _HOW or not name or known in ("", name):
        return None
    has = {one.address for one in state.bindings.values() if one.address.kind != "ports" and wishes.in_scope(one)}
    touched = any(isinstance(one, Create | Import | Delete) and one.address.kind != "ports" for one in plan.changes)
    named = wishes.declared | wishes.spared | wishes.given_up if config is None else _named_in(config)
    if not touched or not has or not named or not has.isdisjoint(named):
        return None
    summary = (
        f"the state is that of stack {shown(known)}; the files are of {shown(name)}, and name nothing of what it "
        "has: another stack's state?"
    )
    hint = (
        "give each stack a state of its own, with --state, FLOWPLAN_STATE or `state:`; if this one is meant: give the "
        f"stack the name that its state keeps (`name: {shown(known)}`), or {_HOW[wishes.mode]}"
    )
    return Diagnostic(_OTHER_STACK, summary, hint, severity="warning")


def _named_in(config: Config) -> frozenset[Address]:
    """What the files name in any way, also as moved or removed."""
    from flowplan.planning.moves import former_addresses, removals

    return frozenset((*config.tasks, *config.volumes, *former_addresses(config), *removals(config)))


def other_state(seen: Observed, plan: Plan) -> Diagnostic | None:
    """A warning where `plan` places bids, and bids of a stack of this name that the state lacks are live at their
    addresses, by their markers, under other names than would be given them: what was replaced (NAME-g2) or moved is
    called otherwise, so its name is not found to be taken. So it is without a state, and where one was begun after
    another was lost, as with a volume. None: there are none, or they are another environment's."""
    state = seen.recorded
    if seen.config is None or not (found := _placed_by_another(seen, seen.config, plan, seen.config.name_prefix)):
        return None
    first, marker, at = found[0]
    named, live, by_lineage = _named(found), _carry(found), _by_lineage(found)
    if state.serial or state.bindings:
        live += f", and {'is' if len(found) == 1 else 'are'} not in this state"
    else:
        live = f"there is no state yet, but {live}"
    if state.bindings or state.released:  # it is intact, so it is not rebuilt
        lost = f"flowplan import {at.word} {first.id} --lineage {shown(marker.lineage)}"
        lost += ", and so each of the others" * (len(found) > 1)
        lost += " with its own lineage, which `flowplan orphans` lists" * (len(by_lineage) > 1)
    else:
        lost = rebuilding(by_lineage)
    hint = (
        f"use the state that has them; if it is lost: {lost}; if this is another stack, give it a `name` of its own, "
        "or `flowplan plan --out FILE`, look at it, and `flowplan apply FILE`"
    )
    summary = f"{live}: {named}; if that is this one, what runs would be placed a second time"
    return Diagnostic(_OTHER_STATE, summary, hint, severity="warning")


def without_prefix(seen: Observed, plan: Plan) -> Diagnostic | None:
    """A warning where there is no state, and bids of a stack of this name are live at the addresses of what `plan`
    places, called as that would be without the prefix. They are those of an environment that has none, or this one's of
    before it had the prefix, which renames nothing: nobody can tell, so it holds nothing up."""
    state, config = seen.recorded, seen.config
    if config is None or not config.stack or not config.name_prefix or state.serial or state.bindings or state.released:
        return None
    found = _placed_by_another(seen, config, plan, "")
    if not found:
        return None
    summary = (
        f"there is no state yet, but {_carry(found)} without the prefix {config.name_prefix}: {_named(found)}; if that "
        "is this one from before it had the prefix, what runs would be placed a second time"
    )
    lost = rebuilding(_by_lineage(found))
    hint = f"then use the state that has them; if it is lost: {lost}; what is another environment's stays as it is"
    return Diagnostic("without-prefix", summary, hint, severity="warning")


def _placed_by_another(
    seen: Observed, config: Config, plan: Plan, prefix: str
) -> list[tuple[LiveBid, Marker, Address]]:
    """What `_of_this_stack` finds of the bids that `plan` places and the state lacks, in the order of their names."""
    if plan.mode != "apply":
        return []
    placed = {one.address for one in plan.changes if isinstance(one, Create)}
    bids = {address for address in placed if address.kind == "bid" and address not in seen.state.bindings}
    found = _of_this_stack(seen, config, bids, prefix) if bids else ()
    return sorted(found, key=lambda one: natural(one[0].bid.name))


def _carry(found: Sequence[tuple[LiveBid, Marker, Address]]) -> str:
    live = "a live bid carries" if len(found) == 1 else f"{len(found)} live bids carry"
    return f"{live} the marker of a stack called {shown(found[0][1].stack)}"


def _named(found: Iterable[tuple[LiveBid, Marker, Address]]) -> str:
    return few([f"{shown(bid.bid.name)} ({bid.id})" for bid, *_ in found], _MOST_NAMED)


def _by_lineage(found: Iterable[tuple[LiveBid, Marker, Address]]) -> dict[str, str]:
    """The first of `found` of each lineage, by its name."""
    names = dict[str, str]()
    for bid, marker, _ in found:
        names.setdefault(marker.lineage, bid.bid.name)
    return names


def _of_this_stack(
    seen: Observed, config: Config, placed: Container[Address], prefix: str
) -> Iterator[tuple[LiveBid, Marker, Address]]:
    """The live bids that another state of this stack has placed for what is `placed`, by their markers and what they
    are called with `prefix`, each with the address that it has here. A stack that no file gives a name has that of its
    directory, which may have been another then."""
    from flowplan.planning.moves import former_addresses

    state, desired, now = seen.recorded, seen.desired.resources, former_addresses(config)
    known = state.released | {one.id for one in seen.state.bindings.values()}
    for bid in seen.live.bids.values():
        marker = bid.marker
        if marker is None or bid.ended or marker.lineage == state.lineage or bid.id in known:
            continue
        at = now.get(marker.address, marker.address)
        wanted = desired.get(at)
        if not isinstance(wanted, Bid) or at not in placed or (config.stack and marker.stack != state.stack):
            continue
        made = prefix + name_at(marker.address.base, marker.address.key)
        called = prefix + wanted.name.removeprefix(config.name_prefix)
        names = {called, *([] if at in seen.desired.named else [made])}
        if (generation := generation_in(bid.bid.name)) is not None:
            names |= {name_beside(one, generation) for one in names}
        if bid.bid.name in names:
            yield bid, marker, at


def told(seen: Observed, wishes: Wishes, plan: Plan) -> tuple[Diagnostic | None, ...]:
    """All that is said here of `plan`."""
    return (*_refusing(seen, wishes, plan), without_prefix(seen, plan))


def _refusing(seen: Observed, wishes: Wishes, plan: Plan) -> tuple[Diagnostic | None, ...]:
    """What is said of `plan` that needs somebody who has looked at it."""
    return other_environment(seen, wishes), other_stack(seen, wishes, plan), other_state(seen, plan)


def hold_environment(session: Session, seen: Observed, wishes: Wishes, plan: Plan) -> None:
    """Raise GuardRefused where `other_environment`, `other_stack` or `other_state` warns: nobody has looked at the
    plan."""
    hold_warned((one for one in _refusing(seen, wishes, plan) if one is not None), session.nothing_was("changed"))


def hold_warned(found: Iterable[Diagnostic], untouched: str = "nothing was changed") -> None:
    """Raise GuardRefused where what is said of a plan, at which nobody has looked, has such a warning. `untouched`:
    what to say of what was not done."""
    for one in warned(found):
        raise GuardRefused(and_then(one, untouched), code=one.code, hint=one.hint)


def and_then(warning: Diagnostic, more: str) -> str:
    """What `warning` says, and `more` behind it: it may end in a question."""
    return f"{warning.summary}{'' if warning.summary.endswith('?') else ';'} {more}"


def warned(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """What `other_environment`, `other_stack` and `other_state` say, of all that is said of a plan."""
    return (one for one in found if one.code in (_CODE, _OTHER_STACK, _OTHER_STATE))


def as_applied(state: State, seen: Observed, config: Config | None, plan: Plan, outcome: Outcome) -> State:
    """`state` with the prefix and the name of `config`, once something of `plan` is done, or nothing was to be done:
    `seen` before that. Files that name nothing of what there was may be another stack's: their name does not count."""
    if config is None or plan.mode != "apply" or not (outcome.done or plan.empty):
        return state
    before, name = seen.recorded.bindings, state.applied_as
    if config.stack and (not before or not before.keys().isdisjoint(_named_in(config))):
        name = "" if config.stack == state.stack else config.stack
    if (state.name_prefix, state.applied_as) == (config.name_prefix, name):
        return state
    return attrs.evolve(state, name_prefix=config.name_prefix, applied_as=name)
