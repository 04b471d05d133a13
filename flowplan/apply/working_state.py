"""The state while a run changes it. Pure: what changes it returns the record that makes the change durable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs
from attrs import field

from flowplan.classes import define
from flowplan.clock import Moment
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Completed, Create, Expire, LeftOut, NoOp, Replace
from flowplan.planning.differences import differences
from flowplan.planning.triggers import causes
from flowplan.state.journal import ended_by, placed_by
from flowplan.state.known import is_raised
from flowplan.state.ownership import known_otherwise
from flowplan.state.records import Closed, Done, Intent
from flowplan.state.state import LIFETIME, AppliedPlan, Binding, KnownIds, State, consistent, with_ended, with_placed


@define
class WorkingState:
    """`state` as it was before the run, and what the run has made of it. `pending`: the intents without a result."""

    state: State
    pending: dict[str, Intent] = field(factory=dict)
    bindings: dict[Address, Binding] = field(init=False)
    _ended: dict[str, float] = field(factory=dict, init=False)  # ids, each with when
    _placed: dict[str, Moment] = field(factory=dict, init=False)  # the bids of this run, each with when it was placed
    _known: KnownIds = field(init=False)
    _bound: set[str] = field(init=False)  # ids that have been bound to an address, be it before or now

    def __attrs_post_init__(self) -> None:
        self.bindings, self._known = dict(self.state.bindings), KnownIds(self.state)
        self._bound = {binding.id for binding in self.bindings.values()}

    def begin(self, plan: AppliedPlan) -> None:
        """The saved `plan` is being carried out from now on."""
        self.state = self.state.begin(plan)

    def intend(self, intent: Intent) -> None:
        """`intent` is durable, and its call may be made."""
        self.pending[intent.intent] = intent

    def finish(self, intent: Intent, binding: Binding | None) -> Done:
        """The call of `intent` is done, and its address is `binding` now (None: it is gone)."""
        sent = self.pending.pop(intent.intent, intent)  # it may have been announced anew, for a later attempt
        if binding is not None and (at := placed_by(sent, binding.address)):
            self._placed[binding.id] = at
        if binding is None or binding.ended:
            self._ended |= ended_by(intent)
        return self.bind(intent.address, binding, intent=intent.intent)

    def bind(
        self,
        address: Address,
        binding: Binding | None,
        *,
        released: str = "",
        adopted: str = "",
        intent: str = "",
        placed_at: float = 0.0,
    ) -> Done:
        """`address` is `binding` now (None: it is forgotten). `released`, `adopted`: an id that the state's set of this
        name has from now on; `intent`: whose call made it so, "": it needed none; `placed_at`: as of Done."""
        old = self.bindings.get(address)
        if binding is None:
            self.bindings.pop(address, None)
        else:
            self.bindings[address] = binding
            self._bound.add(binding.id)
            self._placed |= {binding.id: Moment.of_api(placed_at)} if placed_at else {}
        self._known.rebind(address, old, binding)
        self._known.learn(released=released, adopted=adopted)
        return Done(intent, address, binding, released, adopted, placed_at)

    def restate(self, now: State) -> Iterator[Done]:
        """Take over what the configuration says about addresses and live objects: `now` is the state with it, in which
        nothing else differs."""
        for address in [one for one in self.bindings if one not in now.bindings]:
            yield self.bind(address, None)
        new = now.adopted - self.state.adopted
        for address, binding in now.bindings.items():
            if self.bindings.get(address) != binding:
                adopted = binding.id if binding.id in new else ""
                yield self.bind(address, binding, adopted=adopted, placed_at=_placed_at(address, now, self.state))

    def set_aside(self, intent: Intent) -> Iterator[Done]:
        """What the address of `intent` is bound to has a successor, which that has made: it stands elsewhere until it
        is taken away, and its ports, which no address has there, are no longer those of the successor. It is a result
        of `intent` too: wherever that is kept, this is."""
        aside = self.bindings[intent.address].before(intent.generation, intent.source)
        yield self.bind(aside.address, aside, intent=intent.intent)
        yield from self.end_ports(intent.address, intent.intent)

    def end_ports(self, bid: Address, intent: str = "") -> Iterator[Done]:
        """The ports of `bid` are no longer at its address. `intent`: as in `bind`."""
        ports = Address("ports", bid.name)
        if bid.kind == "bid" and ports in self.bindings:
            yield self.bind(ports, None, intent=intent)

    def close(self, intent: Intent, why: str) -> Closed:
        """`intent` is proved not to have happened."""
        self.pending.pop(intent.intent, None)
        return Closed(intent.intent, why)

    def refreshed(self, changes: Iterable[Change], *, only: bool) -> Iterator[Done]:
        """What needs no call, but is not in the state as it is now: seen drift, an adopted bid, another file. `only`:
        what is live is recorded, and all else of what the state knows stays as it is."""
        made = {change.address: change for change in changes}
        triggers = self._triggers(made)
        for change in made.values():
            known = self.bindings.get(change.address)
            if isinstance(change, Expire):
                now = self._expiring(change)
            else:
                again = isinstance(change, Replace)
                set_off = triggers.get(change.address, {})
                now = self._wanted_again(known, set_off, moving=change.moving) if again else _as_it_is(change)
            if now is None:
                continue
            if only and known is not None:
                now = _as_live(known, now)
            if known is None or not _alike(known, now):
                yield self.bind(change.address, now)
            if isinstance(change, Completed):
                yield from self.end_ports(change.address)

    def expire(self, bid: Address) -> Done:
        """The lifetime of what `bid` is bound to is over: it is to be cancelled."""
        return self.bind(bid, attrs.evolve(self.bindings[bid], ended=LIFETIME))

    def _expiring(self, change: Expire) -> Binding | None:
        """That its lifetime is over is kept before it is cancelled: after a kill the next run does not place it."""
        known = self.bindings.get(change.address)
        return attrs.evolve(known, ended=LIFETIME) if known is not None else None

    def _triggers(self, made: Mapping[Address, Change]) -> dict[Address, dict[Address, str]]:
        """By address: which others are made again, and set off that it is replaced, each with its id until then."""
        found: dict[Address, dict[Address, str]] = {}
        for cause, listener in causes(made):
            if isinstance(made[cause], (Create, Replace)):
                known = self.bindings.get(cause)
                found.setdefault(listener, {})[cause] = known.id if known is not None else ""
        return found

    @staticmethod
    def _wanted_again(known: Binding | None, triggers: Mapping[Address, str], *, moving: bool) -> Binding | None:
        """What is kept before it is replaced. That what was about to end is to run again, or that the watch moves it:
        after a kill the next run places it. And what set it off: once that is made again, nothing else says so. None:
        nothing of it."""
        if known is None or not (known.ended or triggers or moving):
            return None
        return attrs.evolve(known, ended="", triggers=triggers, moving=moving)

    def elsewhere(self, made: Binding) -> str | None:
        """Why the id that a create was answered with is not taken: the state has it already. None: nothing is wrong."""
        known = any(made.id in ids for ids in (self._bound, self._ended, self.state.ended))
        if not known and not self._known.is_released(made.id):
            return None  # nearly always: to go through all bindings for each new one would grow with their square
        other = known_otherwise(made.id, made.address, self._with(self.bindings, {**self.state.ended, **self._ended}))
        return f"the answer is about {made.id}, which {other}" if other else None

    def bids(self) -> list[str]:
        """The ids of the bids that there are."""
        return sorted(binding.id for address, binding in self.bindings.items() if address.kind == "bid")

    def as_placed(self) -> State:
        """The state before the run, with the bids that were placed in it."""
        return attrs.evolve(self.state, placed=with_placed(self.state.placed, self._placed))

    def snapshot(self) -> State:
        """The state as it is now."""
        return self._with(consistent(self.bindings), with_ended(self.state.ended, self._ended))

    def _with(self, bindings: Mapping[Address, Binding], ended: Mapping[str, float]) -> State:
        return attrs.evolve(self._known.put_into(self.as_placed()), bindings=bindings, ended=ended)


def _placed_at(address: Address, now: State, before: State) -> float:
    """When the bid at `address` was placed, where `before` does not say so and `now` does; 0: nothing is new."""
    id = now.bindings[address].id
    return 0.0 if address.kind != "bid" or id in before.placed or id not in now.placed else now.placed[id].by_server


def _as_it_is(change: Change) -> Binding | None:
    """What the state holds of an address of which `change` changes nothing; None: it changes something."""
    if isinstance(change, NoOp) and not isinstance(change, LeftOut):
        return change.bound(change.id, change.after)
    if isinstance(change, Completed):
        return attrs.evolve(change.bound(change.id, change.applied), ended=change.ended)
    return None


def _as_live(known: Binding, now: Binding) -> Binding:
    """`known` with what `now` says of its object. A limit price that somebody has set is no raise of the watch."""
    stays = isinstance(now.applied, Bid) and is_raised(known, now.applied)
    raised = known.raised_from if stays else None
    return attrs.evolve(known, applied=now.applied, ended=now.ended or known.ended, raised_from=raised)


def _alike(known: Binding, now: Binding) -> bool:
    """Whether nothing worth a new snapshot differs; the order of ids is not, nor the place of prevent_destroy."""
    same = [(one.id, one.needs, one.generation, one.source, one.ended, bool(one.protected)) for one in (known, now)]
    return (
        same[0] == same[1]
        and (known.lifetime, known.protected_by) == (now.lifetime, now.protected_by)
        and (known.raised_from, known.moving) == (now.raised_from, now.moving)
        and known.triggers == now.triggers
        and not differences(known.applied, now.applied)
    )
