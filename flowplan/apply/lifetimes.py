"""Bids whose lifetime ends while a run waits for something else: nobody but this run can cancel them meanwhile."""

from __future__ import annotations

from collections.abc import Container, Mapping

from attrs import field

from flowplan.apply.interfaces import Surroundings
from flowplan.apply.working_state import WorkingState
from flowplan.classes import define
from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.model.live import Live
from flowplan.planning.actions import LIFETIME_OVER, Change, Expire, LeftOut
from flowplan.state.state import Binding

_EVERY = 5.0  # seconds between looks: each is a list of bids, and one of what was billed or of instances


@define
class Lifetimes:
    """Looks for lifetimes that are over. `changes`: those of the plan, whose files say how long each task may live.
    What the plan leaves out is left alone."""

    around: Surroundings
    changes: Mapping[Address, Change]
    _due: float = field(default=float("-inf"), init=False)
    _spared: set[Address] = field(factory=set, init=False)

    def over(self, working: WorkingState, but: Container[Address] = ()) -> list[Expire]:
        """What cancels the live bids whose lifetime is over by now, but for those of the addresses `but`. What cannot
        be looked at ends nothing; between two looks nothing is asked for."""
        now = self.around.clock.monotonic()
        watched = {a: one for a, one in self._watched(working).items() if a not in but}
        if not watched or now < self._due:
            return []
        self._due = now + _EVERY
        try:
            live = self.around.cloud.live()
        except CloudError:  # who waits looks as well, and says it
            return []
        lifetimes = {a: one.lifetime for a, one in watched.items() if one.lifetime is not None}
        found = self.around.over(lifetimes, working.snapshot(), live)
        there = {a: working.bindings[a] for a in found if not _has_ended(working.bindings[a], live)}
        return [
            _expire(watched[a], one, live, found[a]) for a, one in there.items() if not self._is_spared(a, found[a])
        ]

    def _watched(self, working: WorkingState) -> dict[Address, Change]:
        bound = working.bindings
        return {
            address: change
            for address, change in self.changes.items()
            if change.lifetime is not None and address in bound and not bound[address].ended
            if not isinstance(change, LeftOut)
        }

    def _is_spared(self, address: Address, why: str) -> bool:
        """Whether its files or a policy forbid to cancel it, which is said once."""
        guard = self.changes[address].guard
        if guard is None:
            return False
        if address not in self._spared:
            self._spared.add(address)
            self.around.events.note(f"the lifetime of {address} is over ({why}), but {guard.by} keeps it running")
        return True


def _has_ended(binding: Binding, live: Live) -> bool:
    return binding.id in live.bids and live.bids[binding.id].ended


def _expire(change: Change, binding: Binding, live: Live, why: str) -> Expire:
    return Expire(
        change.address,
        before=binding.applied,
        id=binding.id,
        status=live.bids[binding.id].status if binding.id in live.bids else None,
        reason=LIFETIME_OVER,
        note=why,
        generation=binding.generation,
        needs_before=binding.needs,
        lifetime=change.lifetime,
        lifecycle=change.lifecycle,
        position=change.position,
        source=binding.source,
    )
