"""Wanted names that live objects of somebody else have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid
from flowplan.model.resources import PortMapping, is_named_with, name_at
from flowplan.names import few
from flowplan.planning.desired import Desired
from flowplan.printable import shown
from flowplan.state.known import is_live
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.state.records import Intent

_MOST_NAMED = 3  # lineages, in a message
PREFIX = 'name_prefix: "${var.env}-" gives each environment its own names'


def conflicts(
    desired: Desired, state: State, pending: Mapping[str, Intent], live: Live, config: Config
) -> list[tuple[Address, str, str]]:
    """Wanted names that live objects of somebody else have: (address, what, hint). The API would refuse
    the name, or, for a bid, have two of it; flowplan never takes over, renames or deletes what it did not make.
    `config`: of which `desired` is what is wanted.
    What an operation in doubt may have made is for the look-up to judge, also when it is more than one."""
    in_doubt: frozenset[str] = _in_doubt(pending, state, live) if pending else frozenset()
    taken: dict[tuple[str, str], list[str]] = {}
    for volume in live.volumes.values():
        if volume.id not in in_doubt:
            taken.setdefault(("volume", volume.volume.name), []).append(volume.id)
    for bid in live.bids.values():
        if not bid.ended and bid.id not in in_doubt:
            taken.setdefault(("bid", bid.bid.name), []).append(bid.id)
    whose: _Whose | None = None
    earlier = {one.id: address.current for address, one in state.bindings.items() if address.is_earlier}
    found = []
    for address, wanted in desired.resources.items():
        if isinstance(wanted, PortMapping) or is_live(state.bindings.get(address), live):
            continue
        others = [id for id in taken.get((address.kind, wanted.name), ()) if earlier.get(id) != address]
        if others:
            whose = whose or _Whose(state, live, config)
            owner, remedy = whose(address, wanted.name, others)
            found.append(
                (address, f"a {address.kind} named {wanted.name} already exists ({', '.join(others)}); {owner}", remedy)
            )
    return found


def is_of_environment(config: Config, address: Address, name: str) -> bool:
    """Whether a bid of that `name`, at that `address` of a stack that is called as the one of `config`, may be of the
    environment of `config`: all environments have one name and the same addresses."""
    task, prefix = config.tasks.get(address), config.name_prefix
    return is_named_with(prefix, name, prefix + name_at(address.base, address.key) if task is None else task.name)


def _in_doubt(pending: Mapping[str, Intent], state: State, live: Live) -> frozenset[str]:
    """The ids of what creates in doubt may have made."""
    from flowplan.state.doubts import perhaps_created
    from flowplan.state.records import CreateIntent

    creates = [intent for intent in pending.values() if isinstance(intent, CreateIntent)]
    return frozenset(one.id for intent in creates for one in perhaps_created(intent, state.lineage, live))


def taking_back(address: Address, id: str) -> str:
    """The command that takes a live object into the state, as a shell reads it."""
    return f"flowplan import {address.word} {id}"


def rebuilding(lineages: Mapping[str, str]) -> str:
    """The command that rebuilds a lost state, by one of `lineages`, each with the name of a bid that it has."""
    if len(lineages) == 1:
        return f"flowplan recover --from-live --lineage {shown(next(iter(lineages)))}"
    each = [f"--lineage {shown(lineage)} (it has {shown(name)})" for lineage, name in lineages.items()]
    return f"flowplan recover --from-live with one of {few(each, _MOST_NAMED)}"


class _Whose:
    """Whose live objects are. Who has them is looked up once for all names that are taken: there may be as many as
    there are bids."""

    def __init__(self, state: State, live: Live, config: Config) -> None:
        self._state = state
        self._holds_something = bool(state.bindings or state.released)  # then recover --from-live rebuilds nothing
        self._bound = {(one.kind, binding.id): one for one, binding in state.bindings.items()}
        self._users: dict[str, list[LiveBid]] = {}  # by the id of a bid, or of a volume that it uses
        for bid in live.bids.values():
            for id in {bid.id, *map(str, bid.bid.volumes)}:
                self._users.setdefault(id, []).append(bid)
        self._configured = {*config.tasks, *config.volumes}
        self._is_named = bool(config.stack)  # else the stack has the name of a directory, which may have been another
        self._lacks_prefix = bool(config.stack and config.variables and not config.name_prefix)
        marked = [(bid.marker, bid.bid.name) for bid in live.bids.values() if bid.marker is not None and not bid.ended]
        alike = [(m, name) for m, name in marked if m.stack == state.stack and m.lineage != state.lineage]
        self._elsewhere = {m.lineage for m, name in alike if not is_of_environment(config, m.address, name)}
        self._namesakes = {m.lineage: name for m, name in alike if m.lineage not in self._elsewhere}

    def __call__(self, address: Address, name: str, ids: Sequence[str]) -> tuple[str, str]:
        """Whose the objects `ids` are, which have the `name`, and the remedy: another address's, another state's, when
        a marker says so, else somebody's."""
        kind = address.kind
        if here := next((self._bound[kind, id] for id in ids if (kind, id) in self._bound), None):
            mv = f"flowplan state mv {here.word} {address.word}"
            remedy = f"choose another name; or {mv} gives it this address"
            if here.current not in self._configured:
                block = f"`moved: [{{from: {here.word}, to: {address.word}}}]`"
                remedy = f"if it was renamed, it is kept by {block} in a stack file; without one: `{mv}`; otherwise "
                remedy += "choose another name"
            return f"it is in the state as {here}", remedy
        use = "choose another name"
        if kind == "volume":
            use = "take it out of `volumes` or `create`, and a task uses it as it is with "
            use += f"persistent_storage: {{attach: {{volume_name: {name}}}}}"
        take = taking_back(address, ids[0])
        if kind == "bid" and self._state.released.issuperset(ids):
            return "it was released", f"{take} takes it back; otherwise {use}"
        found = [(id, bid.marker, bid.bid.name) for id in ids for bid in self._users.get(id, ()) if bid.marker]
        others = sorted((m.stack, m.lineage, id, name) for id, m, name in found if m.lineage != self._state.lineage)
        if not others:
            return "no flowplan state here records it", self._nobodys(use, take, kind)
        whose = "belongs to" if kind == "bid" else "is used by a bid of"
        stacks = ", ".join(map(shown, dict.fromkeys(stack for stack, *_ in others)))
        owner = f"it {whose} another state of flowplan (stack {stacks})"
        these = [one for one in others if self._may_be_this(*one[:2])]
        _, lineage, id, _ = (these or others)[0]
        take = f"{taking_back(address, id)} --lineage {shown(lineage)}"
        if these:
            return owner, self._of_this_stack(use, take, {lineage: name for _, lineage, _, name in these})
        if any(stack == self._state.stack for stack, *_ in others):  # another environment's
            return owner, f"{use}; or {PREFIX}" if self._lacks_prefix else use
        return owner, f"{use}; if that stack is given up: {take}"

    def _may_be_this(self, stack: str, lineage: str) -> bool:
        """Whether what another state of a stack called so has placed may be of this one, and of its environment."""
        return (stack == self._state.stack or not self._is_named) and lineage not in self._elsewhere

    def _nobodys(self, use: str, take: str, kind: str) -> str:
        """The remedy for what carries no marker."""
        if self._holds_something or not self._namesakes:
            use = PREFIX if self._lacks_prefix and kind == "bid" else use
            return f"{use}; or {take} lets flowplan manage it"
        # Imported first, it would keep the rest from coming back.
        back = f"if the state of this stack is lost, first {rebuilding(self._namesakes)}; then {take}"
        return f"{PREFIX}; {back}" if self._lacks_prefix else f"{back}; otherwise {use}"

    def _of_this_stack(self, use: str, take: str, lineages: Mapping[str, str]) -> str:
        """The remedy for what another state of this stack has placed: whether that is lost, nothing live tells. Of a
        stack that no file gives a name it may be another stack."""
        back = take if self._holds_something else rebuilding(lineages)
        there = f"use the state that has it; if that is lost: {back}"
        if not self._is_named:
            there += f"; if it is another stack's, {use}"
        return f"{PREFIX}; in the same one, {there}" if self._lacks_prefix else there
