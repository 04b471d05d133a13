"""The state and the cloud as they are at one moment, while other runs change both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import attrs

from flowplan.model.resources import Bid
from flowplan.operations.opening.loading import load_state

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.cloud.looks import Looks
    from flowplan.config import Config
    from flowplan.model.catalogue import Named
    from flowplan.model.live import Live
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import State

T = TypeVar("T")
LOOKS = 3  # while another run records one result after the other


def of_one_moment(
    session: Session, loaded: Loaded, config: Config | None, lists: Callable[[State], Looks[tuple[T, Live]]]
) -> tuple[Loaded, Named, tuple[T, Live]]:
    """What comes of the `lists` for a state, beside the state and the project of then. `loaded`: the state as it was
    before.

    What was made between the two would seem to be somebody else's: so the state is read again, and if another run has
    recorded something meanwhile, it is looked again, `LOOKS` times at most. What was found last is recorded in the
    state then, or begun in it, or among what this client leaves out (`ended`); and the state has no volume that was
    made after that look. In which order the lists are read, of the projects too, is of no account: all of them begin
    after one reading of the state, and have ended before the next. Raises what `load` and `enter_and_list` raise.
    """
    looks = 0
    while True:
        project, found = session.enter_and_list(loaded.state, config, lists(loaded.state))
        looks += 1
        before, loaded = loaded, load_state(session)
        if not _went_on(before, loaded):
            return before, project, found
        if looks >= LOOKS and loaded.state.project == project.id:
            session.enter_project(loaded.state, config)
            return _as_found(before, loaded, found[1]), project, found


def _went_on(before: Loaded, now: Loaded) -> bool:
    """Whether another run has recorded or begun something."""
    if before.fresh and now.fresh:
        return False
    return now.state.went_on_from(before.state) or set(now.pending) != set(before.pending)


def _as_found(before: Loaded, now: Loaded, live: Live) -> Loaded:
    """`now` without the volumes that were made after the look at what is `live`: a list proves nothing of them, and
    no bid of the state uses them. A bid that was made after it is asked for by its id, and its volumes
    stay."""
    used = {id for one in now.state.bindings.values() if isinstance(one.applied, Bid) for id in one.applied.volumes}
    known = {one.id for one in before.state.bindings.values()} | live.volumes.keys() | used
    bindings = {a: one for a, one in now.state.bindings.items() if a.kind != "volume" or one.id in known}
    return attrs.evolve(now, state=attrs.evolve(now.state, bindings=bindings))
