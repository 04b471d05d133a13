"""How far a simulation is, on stderr, once it has taken a second."""

from __future__ import annotations

import time

from attrs import define, field

from flowplan.cli.terminal import Terminal

_PATIENCE = 1.0  # seconds before anything is shown
_OFTEN = {True: 0.1, False: 2.0}  # seconds from one line to the next, by whether it is redrawn


@define
class Simulating:
    """Redraws one line on a terminal, writes lines elsewhere."""

    terminal: Terminal
    began: float = field(factory=time.monotonic)
    told_at: float = 0.0

    def tell(self, done: int, all_: int) -> None:
        now = time.monotonic()
        if not done:
            self.began = now
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
