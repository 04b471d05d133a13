"""What is live with flowplan's marker and in no state here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.operations.looking.live import listed
from flowplan.operations.looking.moment import of_one_moment
from flowplan.operations.opening.loading import load_state
from flowplan.state.orphans import Orphans, orphans

if TYPE_CHECKING:
    from flowplan.operations.opening.session import Session


def find(session: Session) -> Orphans:
    """Look for it. Raises CloudError where something cannot be listed."""
    with session.looking():
        lists = listed(session.cloud()).then(lambda live: (None, live))
        loaded, _, (_, live) = of_one_moment(session, load_state(session), None, lambda _: lists)
        found = orphans(loaded.state, loaded.pending.values(), live.without(session.cloud().ended))
        return attrs.evolve(found, states=session.elsewhere.lineages()) if found.elsewhere else found
