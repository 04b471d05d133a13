"""What flowplan made: address -> id, the resource as applied, what it needs. Pure.

The state file is a snapshot; what has happened since is in the journal (journal.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from typing import Any, NamedTuple

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.clock import Moment
from flowplan.model.address import Address
from flowplan.model.lifecycle import Bounds
from flowplan.model.live import is_new
from flowplan.model.resources import PortMapping, Resource
from flowplan.state.paid import Ledger, OpenLedger, merged

IF_SET = {"kept": "if_set"}  # a state without it is read by older flowplans (codec.py)
# How a bid ended: it is done, and was terminated, or its lifetime was over; or flowplan itself cancelled it, to
# place it again or to be rid of it.
TERMINATED, LIFETIME, CANCELLED = "terminated", "lifetime", "cancelled"
ENDS = (TERMINATED, LIFETIME, CANCELLED)
DONE = {TERMINATED: "was terminated", LIFETIME: "was cancelled at the end of its lifetime"}
ENDED_FOR, ENDED_AT_MOST = 24 * 3600.0, 1000  # seconds and ids: far above any lag of a list


@frozen
class Binding:
    """One object flowplan made. `generation` counts the objects an address has had, from 1.
    `source` is the configuration file that named it. `ended`: how it ended, for
    what is not live any more (TERMINATED, LIFETIME, CANCELLED); "": nobody has seen it end. `protected`: where
    prevent_destroy was written when it was applied (`./flowplan.yaml:7:3`); "": it had none.
    `protected_by`: which address in `protected` of the policies meant it then; "": none. `triggers`: it is to be
    replaced once one of these addresses has another object than this id ("": it had none): a run that began to replace
    it may have ended in between. `lifetime`: when it ends, as a run read it last; None: nothing ends it, or no run
    has recorded it. `raised_from`: of a bid whose limit price the watch has raised, the one that the files had then, in
    dollars per instance-hour. `moving`: the watch has begun to place it elsewhere, and it is to be placed again
    whatever ends that run."""

    address: Address
    id: str
    applied: Resource
    needs: tuple[Address, ...] = ()
    generation: int = 1
    source: str = ""
    ended: str = field(default="", metadata=IF_SET)
    protected: str = field(default="", metadata=IF_SET)
    protected_by: str = field(default="", metadata=IF_SET)
    triggers: Mapping[Address, str] = field(factory=dict, metadata=IF_SET)
    lifetime: Bounds | None = field(default=None, metadata=IF_SET)
    raised_from: Decimal | None = field(default=None, metadata=IF_SET)
    moving: bool = field(default=False, metadata=IF_SET)

    def before(self, generation: int, source: str) -> Binding:
        """The same object, once the one of `generation`, which `source` names, is made at its address: the next run of
        that file takes it away, whatever file named it; that it goes was allowed."""
        there = attrs.evolve(self, address=self.address.of_generation(generation - 1), source=source)
        return attrs.evolve(there, protected="", protected_by="", triggers={}, moving=False)

    @property
    def guard(self) -> Guard | None:
        """What keeps a lifetime from ending it; None: nothing."""
        return guard_of(self.protected, self.protected_by)


class Guard(NamedTuple):
    """What keeps a lifetime from ending a bid (`by`), and what to do so that the next apply ends it; for people."""

    by: str
    lift: str


def guard_of(protected: str, protected_by: str) -> Guard | None:
    """That of a bid with this `protected` and `protected_by`, as a Binding has them; None: a lifetime ends it."""
    if protected:
        return Guard("prevent_destroy", "remove prevent_destroy from its file, and apply")
    if protected_by:
        return Guard(f"the policy that protects {protected_by}", f"take {protected_by} out of protected, and apply")
    return None


PLANS_KEPT = 100  # a plan that was saved before the oldest of them is refused


@frozen
class AppliedPlan:
    """A saved plan whose carrying out began: its digest, when (RFC 3339), and the state's serial then. `completed`: it
    is known that all of it was done."""

    sha256: str
    at: str
    serial: int
    completed: bool = field(default=False, metadata=IF_SET)


@frozen
class State:
    """A snapshot. `lineage` never changes; `serial` grows by one with every snapshot that differs.
    `released`: ids of live bids that carry our marker and that `state rm` or a `removed` block released.
    `adopted`: ids of volumes that no create of this stack made: their content is somebody's.
    `plans`: the saved plans begun, the newest `PLANS_KEPT` of them, the last one last. `put_back`: the serial with
    which it was last put back after it was lost or damaged; whether a plan that was saved before that was applied is
    not known any more.
    `ended`: ids that this stack cancelled or deleted, each with when (seconds since the epoch, by the server's clock
    where it tells): a list that lags shows them for a while, and nobody must take them for live (`lately`).
    `placed`: ids of bids of this stack that were placed lately, each with when, by every clock that was known: the API
    may not show them yet, and nobody must take them for gone (`may_not_show`).
    `name_prefix`: the one of the files when they were applied last; "": none, or it is not known.
    `applied_as`: the name that the files had then, where they name what this has, and it is another than `stack`, which
    stays for the markers; "": there was none.
    `paid`: what the bids were billed that it had. `paid_since`: the serial since which that is recorded; what was paid
    before is not known. 0: it is recorded from the beginning.
    `moved_to`: the place that this state has moved to, of which nothing but this is left here, and `moved_as` how a
    command names that, "": as `moved_to`; `moving_from`: the place from which it is still moving here (moving.py)."""

    lineage: str
    serial: int = 0
    stack: str = ""
    api_url: str = ""
    project: str = ""
    project_name: str = ""
    bindings: Mapping[Address, Binding] = field(factory=dict)
    outputs: Mapping[str, Any] = field(factory=dict)
    released: frozenset[str] = field(default=frozenset(), metadata=IF_SET)
    adopted: frozenset[str] = field(default=frozenset(), metadata=IF_SET)
    plans: tuple[AppliedPlan, ...] = field(default=(), metadata=IF_SET)
    put_back: int = field(default=0, metadata=IF_SET)
    ended: Mapping[str, float] = field(factory=dict, metadata=IF_SET)
    placed: Mapping[str, Moment] = field(factory=dict, metadata=IF_SET)
    name_prefix: str = field(default="", metadata=IF_SET)
    paid: Ledger = field(factory=dict, metadata=IF_SET)
    paid_since: int = field(default=0, metadata=IF_SET)
    moved_to: str = field(default="", metadata=IF_SET)
    moving_from: str = field(default="", metadata=IF_SET)
    moved_as: str = field(default="", metadata=IF_SET)
    applied_as: str = field(default="", metadata=IF_SET)

    def __repr__(self) -> str:
        """What it holds; a notebook shows it, and a log."""
        from flowplan.names import few

        held = few([str(address) for address in self.bindings])
        return f"<State: serial {self.serial}, {held or 'nothing'}>"

    def as_put_back(self) -> State:
        """This state, of which it is not known any more which saved plans were applied, as it is to be saved next."""
        return attrs.evolve(self, put_back=self.serial + 1)

    def begin(self, plan: AppliedPlan) -> State:
        """This state, in which `plan` is being carried out."""
        return attrs.evolve(self, plans=(*self.plans, plan)[-PLANS_KEPT:])

    def complete(self, sha256: str) -> State:
        """This state, in which all of the saved plan with this digest is done."""
        plans = tuple(attrs.evolve(one, completed=True) if one.sha256 == sha256 else one for one in self.plans)
        return self if plans == self.plans else attrs.evolve(self, plans=plans)

    def went_on_from(self, before: State) -> bool:
        """Whether a run has recorded something of what is there since it was `before`."""
        return (before.lineage, before.serial, before.bindings) != (self.lineage, self.serial, self.bindings)

    def ids(self) -> dict[Address, str]:
        """The id of the live object of each address."""
        return {address: binding.id for address, binding in self.bindings.items()}

    def with_lost(self, bindings: Iterable[Binding]) -> State:
        """This state with what of `bindings` it does not bind in the ledger: somebody said that they are not there."""
        kept = {binding.id for address, binding in self.bindings.items() if address.kind == "bid"}
        paid = OpenLedger(self.paid)
        for one in bindings:
            if one.address.kind == "bid" and one.id not in kept:
                paid.enter(one.id, one.address)
        return attrs.evolve(self, paid=paid.closed())

    def with_ledger_of(self, other: State) -> State:
        """This state, which takes the place of `other`, with all that is known of what the bids of either were
        billed."""
        paid = merged(self.paid, other.paid)
        since = max(self.paid_since, other.paid_since)
        return attrs.evolve(self, paid=paid, paid_since=since).with_lost(other.bindings.values())


class KnownIds:
    """The ids that a state knows besides those bound, while results are added: which are released and adopted, and
    which bids are in the ledger. What each result costs does not depend on how many there are."""

    def __init__(self, state: State) -> None:
        self._released, self._adopted, self._paid = set(state.released), set(state.adopted), OpenLedger(state.paid)

    def rebind(self, address: Address, old: Binding | None, new: Binding | None) -> None:
        """`address` has `new` in the place of `old`. What is bound is released no longer, and the bid that `address`
        has no longer is in the ledger; one that is bound at another address than before takes its predecessors
        along."""
        if new is not None:
            self._released.discard(new.id)
        if address.kind == "bid" and old is not None and (new is None or new.id != old.id):
            self._paid.enter(old.id, address)
        if address.kind == "bid" and new is not None:
            self._paid.follow(new.id, address)

    def learn(self, *, released: str = "", adopted: str = "") -> None:
        """These ids ("": none) are released, and adopted, from now on."""
        self._released |= {released} - {""}
        self._adopted |= {adopted} - {""}

    def is_released(self, id: str) -> bool:
        """Whether the live object `id` was let go."""
        return id in self._released

    def put_into(self, state: State) -> State:
        """`state` with these ids."""
        released, adopted = frozenset(self._released), frozenset(self._adopted)
        return attrs.evolve(state, released=released, adopted=adopted, paid=self._paid.closed())


def with_ended(ended: Mapping[str, float], new: Mapping[str, float]) -> dict[str, float]:
    """`ended` with `new`: the newest that fit, and none that ended more than a day before the last one but one: the
    last may be of a clock that is days ahead, and would leave nothing of the others."""
    everything = {**ended, **new}
    oldest = min(sorted(everything.values())[-2:], default=0.0) - ENDED_FOR
    young = sorted((at, id) for id, at in everything.items() if at >= oldest)
    return {id: at for at, id in young[-ENDED_AT_MOST:]}


def lately(ended: Mapping[str, float], now: float) -> frozenset[str]:
    """Those of `ended` that a list may still lag behind at `now`: what it shows later than that is there."""
    return frozenset(id for id, at in ended.items() if abs(now - at) < ENDED_FOR)


def with_placed(placed: Mapping[str, Moment], new: Mapping[str, Moment]) -> Mapping[str, Moment]:
    """`placed` with `new`, and without what the API has to show by the time of these, whatever clock tells that."""
    if not new:
        return placed
    first = Moment.first(new.values())
    return {id: at for id, at in placed.items() if is_new(at, first)} | dict(new)


def by_api(times: Mapping[str, float]) -> dict[str, Moment]:
    """`times`, in seconds since the epoch, as moments of which only the API's clock is known."""
    return {id: Moment.of_api(at) for id, at in times.items()}


def may_not_show(state: State, now: Moment) -> frozenset[str]:
    """The bids of `state` that were placed so lately at `now` that the API may not show them yet."""
    return frozenset(id for id, at in state.placed.items() if is_new(at, now))


def consistent(bindings: Mapping[Address, Binding]) -> dict[Address, Binding]:
    """`bindings` none of which needs what is not there any more: a volume that was forgotten, or deleted
    although a resource of another file still names it."""
    gone = {need for binding in bindings.values() for need in binding.needs} - bindings.keys()
    return {address: _without(binding, gone) for address, binding in bindings.items()} if gone else dict(bindings)


def _without(binding: Binding, gone: Set[Address]) -> Binding:
    """`binding` no longer needing what is gone (a volume that was forgotten, not one still in use)."""
    if gone.isdisjoint(binding.needs):
        return binding
    return attrs.evolve(binding, needs=tuple(need for need in binding.needs if need not in gone))


def without(state: State, addresses: Set[Address]) -> State:
    """`state` that knows none of `addresses`, nor the ports of a bid among them."""
    left = addresses | {Address("ports", one.name) for one in addresses if one.kind == "bid"}
    kept = {address: binding for address, binding in state.bindings.items() if address not in left}
    return attrs.evolve(state, bindings=consistent(kept))


def readdressed(bindings: Mapping[Address, Binding], new: Mapping[Address, Address]) -> dict[Address, Binding]:
    """`bindings` in which the addresses that `new` has are those that it gives them; what needs them needs the new
    ones."""
    return {new.get(address, address): _readdressed(binding, new) for address, binding in bindings.items()}


def _readdressed(binding: Binding, new: Mapping[Address, Address]) -> Binding:
    needs = tuple(new.get(need, need) for need in binding.needs)
    applied = binding.applied
    if isinstance(applied, PortMapping) and applied.bid in new:
        applied = attrs.evolve(applied, bid=new[applied.bid])
    address = new.get(binding.address, binding.address)
    if (address, needs, applied) == (binding.address, binding.needs, binding.applied):
        return binding
    return attrs.evolve(binding, address=address, needs=needs, applied=applied)


def twice(bindings: Iterable[Binding]) -> dict[str, list[Address]]:
    """The ids that several addresses have, each with those. Ports have their bid's id, and do not count."""
    found: dict[str, list[Address]] = {}
    for binding in bindings:
        if binding.address.kind != "ports":
            found.setdefault(binding.id, []).append(binding.address)
    return {id: addresses for id, addresses in found.items() if len(addresses) > 1}
