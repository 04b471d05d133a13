"""plan --what-if: the plan's bids in simulated auctions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from flowplan.cost.what_if import what_if
from flowplan.documents.what_if import block

if TYPE_CHECKING:
    from flowplan.cli.terminal import Terminal
    from flowplan.model.catalogue import Catalogue
    from flowplan.planning.plan import Plan
    from flowplan.pricing import Stream

_PATIENCE = 1.0  # seconds before anything is told
_OFTEN = {True: 0.1, False: 2.0}  # seconds from one line to the next, by whether it is redrawn


def what_if_of(
    terminal: Terminal,
    plan: Plan,
    streams: Mapping[tuple[str, str], Stream],
    catalogue: Catalogue,
    hours: float,
) -> dict[str, Any]:
    """The part of the plan document that says what may happen to `plan` over `hours`."""
    progress = _Progress(terminal)
    found = what_if(plan, streams, catalogue, hours, tell=progress.tell)
    progress.end()
    return {"what_if": block(found)}


@define
class _Progress:
    """How far it is, on stderr, once it has taken a second."""

    terminal: Terminal
    began: float = field(factory=time.monotonic)
    told_at: float = 0.0

    def tell(self, done: int, all_: int) -> None:
        now = time.monotonic()
        if now - self.began < _PATIENCE or now - self.told_at < _OFTEN[self.terminal.live]:
            return
        self.told_at = now
        text = f"simulating: {done * 100 // all_} %, {now - self.began:.0f} s"
        if self.terminal.live:
            self.terminal.redraw(text)
        else:
            self.terminal.err(text)

    def end(self) -> None:
        """Leave nothing of a line that is redrawn."""
        if self.told_at and self.terminal.live:
            self.terminal.redraw("")
