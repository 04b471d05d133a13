"""Cancel what is past its lifetime while a run that is done and saved waits (--wait)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.apply.lifetimes import Lifetimes
from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, SaveFailed
from flowplan.apply.run import Applying
from flowplan.apply.working_state import WorkingState
from flowplan.classes import frozen
from flowplan.errors import Unserved
from flowplan.operations.opening.session import Session
from flowplan.operations.running.stopping import Stopping

if TYPE_CHECKING:
    from flowplan.apply.interfaces import Surroundings
    from flowplan.planning.plan import Plan
    from flowplan.state.state import State


@frozen
class Ending:
    """Cancels the bids of `plan`, which was carried out and is saved, whose lifetime is over by now: in a run of its
    own, with a journal of its own, that is saved as well. `save`: what saves the state that it leaves, given that."""

    session: Session
    plan: Plan
    around: Surroundings
    options: Options
    save: Callable[[Outcome, Stopping], State]
    _lifetimes: Lifetimes = field(init=False)

    @_lifetimes.default
    def _of_the_plan(self) -> Lifetimes:
        return Lifetimes(self.around, self.plan.by_address())

    def __call__(self, outcome: Outcome) -> Outcome:
        """`outcome` with what came of that."""
        found = self._lifetimes.over(WorkingState(outcome.state))
        if not found:
            return outcome
        journal = Stopping(self.session.store.prepare(outcome.state), self.session.listener.note)
        around = attrs.evolve(self.around, journal=journal)
        ending = Applying(attrs.evolve(self.plan, changes=(), order={}), outcome.state, around, self.options)
        self.session.interruption.wake = ending.wake
        for one in found:
            ending.expire(one)
        try:
            both = _both(outcome, ending.run())
        except SaveFailed as error:
            both = _both(outcome, error.outcome)
            if not isinstance(error.cause, Unserved):  # else the server may be there again
                raise SaveFailed(error.cause, both, both.reached) from error.cause
        return attrs.evolve(both, state=self.save(both, journal))


def _both(outcome: Outcome, ended: Outcome) -> Outcome:
    """`outcome`, and what came of what ended after it."""
    return attrs.evolve(
        outcome,
        state=ended.state,
        pending=ended.pending,
        done=(*outcome.done, *ended.done),
        failed={**outcome.failed, **ended.failed},
        not_started=(*outcome.not_started, *ended.not_started),
        expired={**outcome.expired, **ended.expired},
    )
