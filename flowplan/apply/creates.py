"""What a create does to the cloud, in a worker thread: one POST, and what its answer says was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
from attrs import field

from flowplan.apply.answered import as_it_is, complaints, of_another
from flowplan.apply.interfaces import Cloud
from flowplan.apply.patience import POLLS
from flowplan.apply.shared import Once
from flowplan.apply.updates import Updates
from flowplan.classes import frozen
from flowplan.clock import Clock
from flowplan.errors import Ambiguous, CloudError, FlowplanError, NameTaken, Refused, StateError, Unauthorized
from flowplan.model.live import TERMINATED, Made
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import Change, Create, CreateFirst, Replace
from flowplan.state.records import Intent
from flowplan.state.state import Binding


class HalfDone(Exception):
    """The object exists, and is recorded as it is, but the step did not reach all it was to do."""

    def __init__(self, binding: Binding, error: FlowplanError) -> None:
        super().__init__(str(error))
        self.binding, self.error = binding, error


@frozen
class Creates:
    """The creates of one run. `announce` is called before every attempt, and raises what forbids it; `lineage`: the
    state's; `saved`: whether a saved plan is carried out, whose creates have the same keys wherever that is done."""

    cloud: Cloud
    clock: Clock
    updates: Updates
    announce: Callable[[Intent], None]
    lineage: str
    saved: bool = False
    _before: Once[frozenset[str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_before", Once(lambda: self.cloud.listed_volumes()))

    def create(self, request: Mapping[str, Any], intent: Intent, wanted: Resource, change: Create | Replace) -> Binding:
        """Make `wanted` by `request`; returns what it is now. Raises Ambiguous and NameTaken when it may have happened,
        HalfDone when it did and something is not as asked for, and every other CloudError when it did not."""
        before = self._listed_before() if self.saved and isinstance(wanted, Volume) else frozenset()
        made = self._post(request, intent, change)
        if before is None or made.id in before:
            self._hold_there(made)
        return self._made(made, intent, wanted, change)

    def _post(self, request: Mapping[str, Any], intent: Intent, change: Create | Replace) -> Made:
        kind = intent.address.kind
        polls = list(POLLS)
        while True:
            try:
                return self.cloud.create(kind, request, key=intent.key, before=partial(self.announce, intent))
            except NameTaken as error:
                if kind == "volume" and not intent.resent:
                    # Nobody had the name when we planned, and this was the first attempt: it is not ours.
                    raise Refused(str(error), status=error.status, hint=error.hint) from error
                if not isinstance(change, Replace) or isinstance(change, CreateFirst) or not polls:
                    raise Ambiguous(str(error), status=error.status, hint=error.hint) from error
                self.clock.pause(polls.pop(0))  # our own previous generation is not quite gone

    def _made(self, made: Made, intent: Intent, wanted: Resource, change: Change) -> Binding:
        """The binding of what a create is answered with. Raises Ambiguous for the answer to another create, and
        HalfDone where something is not as it was asked for."""
        if why := of_another(made, intent, self.lineage):
            raise Ambiguous(f"the answer is about {made.id}, which {why}")
        actual = as_it_is(wanted, made)
        binding = change.bound(made.id, actual)
        bid = actual if isinstance(wanted, Bid) and wanted.paused and isinstance(actual, Bid) else None
        if not (wrong := complaints(wanted, actual, made, intent.project, self.cloud.project_called)):
            return self.paused(binding, bid) if bid is not None else binding
        if bid is not None and made.status != TERMINATED:
            binding = self.paused(binding, bid)
        raise HalfDone(
            binding,
            CloudError(
                f"created ({made.id}), but not as requested: {'; '.join(wrong)}",
                hint="the state records it as it is: flowplan plan shows how to correct it, flowplan destroy ends it",
            ),
        )

    def _listed_before(self) -> frozenset[str] | None:
        """The ids of the volumes that were listed, deleted or not, before the first of this run was made: what a create
        is answered with is new unless it is one of them. None: nobody can tell."""
        try:
            return self._before()
        except CloudError:
            return None

    def _hold_there(self, made: Made) -> None:
        """Raise CloudError for a volume that is proved to be deleted: the key gave the answer to an earlier create."""
        try:
            is_there = made.id not in self.cloud.deleted_volumes()
        except CloudError:  # what cannot be looked up proves nothing
            return
        if not is_there:
            raise Refused(
                f"this plan was begun already, with another state: it made {made.id}, which has been deleted since; "
                "nothing was made",
                hint="use that state, or plan again: the new plan makes a new volume",
            )

    def paused(self, made: Binding, bid: Bid) -> Binding:
        """A bid can only be placed running: `bid`, which is to be paused, is paused at once."""
        try:
            self.updates.change(made.id, {"paused": True})
        except (CloudError, StateError) as error:  # the lock may be taken away between the two calls
            running = attrs.evolve(made, applied=attrs.evolve(bid, paused=False))
            why = CloudError(f"placed, but it could not be paused: {error}")
            raise HalfDone(running, error if isinstance(error, (StateError, Unauthorized)) else why) from error
        return made
