"""One step of a change -> its intent, its request and its call."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, TypeGuard

import attrs

from flowplan.apply.creates import Creates
from flowplan.apply.interfaces import Surroundings
from flowplan.apply.patience import Patience
from flowplan.apply.removals import Removals
from flowplan.apply.updates import Updates
from flowplan.apply.working_state import WorkingState
from flowplan.classes import frozen
from flowplan.errors import CloudError, ConfigError
from flowplan.model.address import Address
from flowplan.model.digest import digest
from flowplan.model.live import Marker
from flowplan.model.resources import Bid, Inputs, Resource, Volume, resolve
from flowplan.planning.actions import Change, Create, CreateFirst, Delete, Expire, Import, Replace, Update
from flowplan.planning.steps import Step
from flowplan.state.records import Closed, CreateIntent, Intent, intent_of
from flowplan.state.state import CANCELLED, Binding


@frozen
class Answer:
    """What a call came to: what the address is now (None: it is gone). `was_gone`: it was before the call."""

    binding: Binding | None
    was_gone: bool = False


Called: TypeAlias = Create | Update | Replace | Delete  # what is done by calls


@frozen
class Work:
    """One step with the intent that announces it and the call that does it, for a worker thread. The call is given that
    intent, as it is by then; it raises CloudError and its children, StateError, and HalfDone. `prove`: of a deletion,
    whose answer proves nothing: raises CloudError unless it is seen to be done; None: what is answered is done."""

    step: Step
    change: Change
    intent: Intent
    call: Callable[[Intent], Answer]
    prove: Callable[[], None] | None = None


class Works:
    """Makes the works of one run. Nothing is sent before a work's call is called.

    `timeout`: seconds that a removal may take; `endpoint`: the API, as intents name it; `announce`: called before each
    attempt of a create, raises what forbids it; `absent`: the creates proved absent, which are sent again under their
    own key where the plan still makes the same. `plan`: what tells the saved plan that is carried out from every other;
    "": there is none. `crowd`: how many volumes are being deleted, from any thread. `lingers`: called in a worker, with
    a removal that is answered and of which only the end is waited for.
    """

    def __init__(
        self,
        around: Surroundings,
        working: WorkingState,
        *,
        timeout: float,
        endpoint: str,
        announce: Callable[[Intent], None],
        absent: Iterable[Intent],
        plan: str = "",
        crowd: Callable[[], int] = lambda: 1,
        lingers: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self._around, self._working, self._endpoint, self._plan = around, working, endpoint, plan
        patience = Patience(around.clock, timeout)
        self._updates = Updates(around.cloud, patience, around.hold_lock)
        self._creates = Creates(around.cloud, around.clock, self._updates, announce, working.state.lineage, bool(plan))
        self._removals = Removals(around.cloud, patience, around.hold_lock, crowd)
        self._lingers = lingers
        self._absent = {intent.address: intent for intent in absent}
        self._superseded: list[Closed] = []

    def work(self, step: Step, change: Called) -> Work:
        """The work of `step`. Raises CloudError for what cannot be asked for: a script that cannot be rendered."""
        if isinstance(change, Delete) or (isinstance(change, Replace) and step.way == "down"):
            intent = self._intent("delete", change, None, "", change.before)
            if isinstance(change, CreateFirst):
                intent = attrs.evolve(intent, address=change.earlier, generation=change.generation - 1)
            kept = self._kept(step.address, change)
            if change.moving and isinstance(change.before, Bid):
                return Work(step, change, intent, partial(self._vacate, change.id, change.before, kept))
            prove = partial(self._removals.hold_deleted, change.id) if step.address.kind == "volume" else None
            remove = partial(self._removals.remove, change, partial(self._lingers, step))
            return Work(step, change, intent, lambda _: Answer(kept, was_gone=not remove()), prove)
        bindings = self._working.bindings
        wanted = resolve(change.after, {a: bindings[a].id for a in change.needs if a in bindings})
        if isinstance(change, Update):
            intent = self._intent("update", change, None, "", wanted)
            return Work(step, change, intent, lambda _: Answer(self._updates.update(change, wanted)))
        return self._creation(step, change, wanted)

    def _vacate(self, id: str, bid: Bid, kept: Binding | None, _: Intent) -> Answer:
        self._removals.vacate(id, bid.limit_price)
        return Answer(kept)

    def _kept(self, address: Address, change: Change) -> Binding | None:
        """What the state keeps of a bid that is over: that it is done, or that it is being placed elsewhere."""
        known = self._working.bindings.get(address)
        if known is not None and change.moving:
            return attrs.evolve(known, ended=CANCELLED)
        return known if isinstance(change, Expire) else None

    def deleted(self) -> frozenset[str]:
        """The ids of the volumes that are listed as deleted. Raises CloudError."""
        return self._removals.deleted()

    def again(self, work: Work) -> Work:
        """`work` for its one further attempt."""
        return attrs.evolve(work, intent=self._again(work.intent))

    def supersede_all_but(self, made: Iterable[Address]) -> None:
        """Creates proved absent that the plan does not make any more are superseded."""
        kept = set(made)
        for address, intent in self._absent.items():
            if address not in kept:
                self._supersede(intent)

    def superseded(self) -> list[Closed]:
        """The records of the earlier intents superseded since the last time this was asked."""
        records, self._superseded = self._superseded, []
        return records

    def _supersede(self, intent: Intent) -> None:
        self._superseded.append(self._working.close(intent, "proved absent, and planned otherwise since"))

    def _creation(self, step: Step, change: Create | Replace, wanted: Resource) -> Work:
        earlier = self._absent.get(step.address)
        if earlier is not None and earlier.generation == change.generation:
            request = self._request(wanted, change, earlier.intent)
            if digest(request) == earlier.payload_sha256:
                # The same key and bytes: should the first attempt commit after all, the two are one.
                return self._post(step, change, self._again(earlier), request, wanted)
        if earlier is not None:
            self._supersede(earlier)
        id = intent_of(self._plan, step.address) if self._plan else str(uuid.uuid4())
        request = self._request(wanted, change, id)
        intent = self._intent("create", change, id, digest(request), wanted)
        return self._post(step, change, intent, request, wanted)

    def _post(
        self, step: Step, change: Create | Replace, intent: Intent, request: Mapping[str, Any], wanted: Resource
    ) -> Work:
        return Work(step, change, intent, lambda sent: Answer(self._creates.create(request, sent, wanted, change)))

    def _request(self, wanted: Resource, change: Change, intent: str) -> Mapping[str, Any]:
        if isinstance(wanted, Volume):
            return self._around.cloud.volume_request(wanted)
        if isinstance(wanted, Bid) and wanted.inputs is not None:
            return self._bid_request(wanted, wanted.inputs, change, intent)
        raise CloudError(f"{change.address} cannot be placed: what its instances are to run is unknown")

    def _bid_request(self, wanted: Bid, inputs: Inputs, change: Change, intent: str) -> Mapping[str, Any]:
        state = self._working.state
        marker = Marker.of(
            inputs,
            stack=state.stack,
            lineage=state.lineage,
            address=change.address,
            generation=change.generation,
            intent=intent,
        )
        try:
            return self._around.cloud.bid_request(wanted, self._around.render(inputs, marker))
        except ConfigError as error:
            first = error.problems[0]  # what is wrong, not that something is
            raise CloudError(first.summary, hint=first.hint, detail=first.detail) from error

    def _intent(
        self,
        op: Literal["create", "update", "delete"],
        change: Change,
        id: str | None,
        payload: str,
        made: Resource,
    ) -> Intent:
        id = id or str(uuid.uuid4())
        cls: type[Intent] = CreateIntent if op == "create" else Intent
        return cls(
            intent=id,
            op=op,
            address=change.address,
            generation=change.generation,
            name=getattr(made, "name", ""),
            key=f"flowplan-{id}",
            payload_sha256=payload,
            at=self._around.now(),
            id=change.id if op != "create" else None,
            resource=made,
            needs=change.needs,
            source=change.source,
            protected=change.protected,
            protected_by=change.protected_by,
            lifetime=change.bounds,
            raised_from=change.raised_from,
            endpoint=self._endpoint,
            project=self._working.state.project,
        )

    def _again(self, intent: Intent) -> Intent:
        """`intent` for its one further attempt, whose settle window begins again."""
        return intent.again(self._around.now(), resent=True)


def needs_call(change: Change) -> TypeGuard[Called]:
    """Whether the cloud has a part in `change`: ports are opened by the startup script of their bid."""
    if isinstance(change, Import) and not change.fields:
        return False
    return change.address.kind != "ports" and isinstance(change, (Create, Update, Replace, Delete))
