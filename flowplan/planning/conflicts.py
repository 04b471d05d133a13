"""Wanted names that live objects of somebody else have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid
from flowplan.model.resources import PortMapping, is_named_with, name_at
from flowplan.planning.lookup import Desired
from flowplan.state.ownership import is_live, perhaps_created
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.state.records import Intent

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
    ours = {*state.released, *(binding.id for binding in state.bindings.values())}
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
            if config.stack and not {*others} & ours:
                remedy += f"; {PREFIX}"
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
    from flowplan.state.records import CreateIntent

    creates = [intent for intent in pending.values() if isinstance(intent, CreateIntent)]
    return frozenset(one.id for intent in creates for one in perhaps_created(intent, state.lineage, live))


def taking_back(address: Address, id: str) -> str:
    """The command that takes a live object into the state, as a shell reads it."""
    return f"flowplan import {address.word} {id}"


class _Whose:
    """Whose live objects are. Who has them is looked up once for all names that are taken: there may be as many as
    there are bids."""

    def __init__(self, state: State, live: Live, config: Config) -> None:
        self._lineage, self._released = state.lineage, state.released
        self._holds_something = bool(state.bindings or state.released)  # then recover --from-live rebuilds nothing
        self._bound = {(one.kind, binding.id): one for one, binding in state.bindings.items()}
        self._users: dict[str, list[LiveBid]] = {}  # by the id of a bid, or of a volume that it uses
        for bid in live.bids.values():
            for id in {bid.id, *map(str, bid.bid.volumes)}:
                self._users.setdefault(id, []).append(bid)
        marked = [(bid.marker, bid.bid.name) for bid in live.bids.values() if bid.marker is not None and not bid.ended]
        alike = [(m, name) for m, name in marked if m.stack == state.stack and m.lineage != state.lineage]
        others = {m.lineage for m, name in alike if not is_of_environment(config, m.address, name)}
        self._namesakes = sorted({m.lineage for m, _ in alike} - others)  # without those of other environments

    def __call__(self, address: Address, name: str, ids: Sequence[str]) -> tuple[str, str]:
        """Whose the objects `ids` are, which have the `name`, and the remedy: another address's, another state's, when
        a marker says so, else somebody's."""
        kind = address.kind
        if here := next((self._bound[kind, id] for id in ids if (kind, id) in self._bound), None):
            return (
                f"it is in the state as {here}",
                f"choose another name; or flowplan state mv {here.word} {address.word} gives it this address",
            )
        markers = [bid.marker for id in ids for bid in self._users.get(id, ())]
        stacks = sorted({(m.stack, m.lineage) for m in markers if m is not None and m.lineage != self._lineage})
        use = "choose another name"
        if kind == "volume":
            use = "take it out of `volumes` or `create`, and a task uses it as it is with "
            use += f"persistent_storage: {{attach: {{volume_name: {name}}}}}"
        take = taking_back(address, ids[0])
        if kind == "bid" and self._released.issuperset(ids):
            return "it was released", f"{take} takes it back; otherwise {use}"
        if not stacks:
            if self._namesakes and not self._holds_something:  # imported first, it would keep the rest from coming back
                rebuilt = f"flowplan recover --from-live --lineage {self._namesakes[0]}"
                take = f"if the state of this stack is lost, first {rebuilt}; then {take}"
            return "no flowplan state here records it", f"{use}; {take} lets flowplan manage it"
        whose, (stack, lineage) = "belongs to" if kind == "bid" else "is used by a bid of", stacks[0]
        back = f"flowplan recover --from-live --lineage {lineage}, where it was"
        if self._holds_something:
            back = f"{take} --lineage {lineage}"
        return (
            f"it {whose} another state of flowplan (stack {stack})",
            "if a colleague has that state, use it together: `flowplan state migrate FROM URL` there, and `--state "
            f"URL` here; if it is lost: {back}; otherwise {use}",
        )
