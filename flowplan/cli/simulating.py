"""How far a simulation is, on stderr, once it has taken a second."""

from __future__ import annotations

import time

from flowplan.classes import define
from flowplan.cli.terminal import Terminal

_PATIENCE = 1.0  # seconds before anything is shown
_OFTEN = {True: 0.1, False: 2.0}  # seconds from one line to the next, by whether it is redrawn


@define
class Simulating:
    """Keeps one line up to date on a terminal, writes lines elsewhere."""

    terminal: Terminal
    began: float | None = None
    shown_at: float = 0.0

    def tell(self, done: int, all_: int) -> None:
        """`done` of `all_` simulations are over; the first call is the beginning."""
        now = time.monotonic()
        began = self.began = now if self.began is None else self.began
        if now - began < _PATIENCE or now - self.shown_at < _OFTEN[self.terminal.live]:
            return
        self.shown_at = now
        text = f"simulating: {done * 100 // all_}%, {now - began:.0f} s"
        if self.terminal.live:
            self.terminal.below(lambda _columns, _rows: [text])
        else:
            self.terminal.err(text)

    def end(self) -> None:
        """Leave nothing of a line that is redrawn."""
        if self.shown_at:
            self.terminal.below(None)
