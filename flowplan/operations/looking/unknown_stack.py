"""Whether a stack whose state is not here is live: told by its name in the markers of bids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.errors import StateError
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.model.live import Live
    from flowplan.operations.opening.session import Session

MOST_NAMED = 10  # bids, in a message


def hold_known(session: Session, loaded: Loaded, stack: str, live: Live) -> None:
    """Raise StateError where there is no state, and live bids carry the marker of a stack that is called so too: who
    wants to stop paying must not hear that nothing exists. Where the command names the state, it is a warning."""
    if not loaded.fresh:
        return
    marked = [one for one in live.bids.values() if one.marker is not None and not one.ended]
    ids = [one.id for one in marked if one.marker is not None and one.marker.stack == stack]
    if not ids:
        return
    carry = "live bid carries" if len(ids) == 1 else "live bids carry"
    said = f"there is no state at {session.store.name}, but {len(ids)} {carry} the marker of a stack called {stack}"
    if session.chosen.origin == "option":
        session.listener.warn(f"{said}; `flowplan orphans` lists what is in no state here")
        return
    raise StateError(
        said,
        detail="\n".join(map(shown, ids[:MOST_NAMED])),
        hint="name the state that has them with --state; if it is lost, `flowplan recover --from-live` rebuilds it; "
        "`flowplan orphans` lists them",
    )
