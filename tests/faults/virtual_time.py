"""The simulator's clock as the clock of a run: a wait lets virtual time pass, and takes none.

So a settle window of 45 s can be waited for thousands of times, and a create that commits late, or a list that lags,
is as late as it says on the same clock, in whatever process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowplan.cli.stop import Stop
from flowplan.clock import Clock
from flowplan.simulator import Simulator
from tests.processes import at_the_end


class _Time:
    """The clock of the simulator in the current directory."""

    def __init__(self) -> None:
        self._place: tuple[int, Path] | None = None
        self._simulator: Simulator | None = None

    def _open(self) -> Simulator:
        place = (os.getpid(), Path.cwd())
        if self._simulator is None or self._place != place:
            self.close()
            self._place, self._simulator = place, Simulator.open(place[1] / ".flowplan" / "simulator.db")
        return self._simulator

    def close(self) -> None:
        """What another process has opened is left to it."""
        if self._simulator is not None and self._place is not None and self._place[0] == os.getpid():
            self._simulator.close()
        self._simulator = None

    def now(self) -> float:
        return self._open().now().timestamp()

    def wait(self, seconds: float) -> None:
        self._open().advance(max(seconds, 0.001))  # what waits in a loop must get somewhere


def install(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Every run of this process lives in the simulator's time. `replace` is setattr, or one that can be undone."""
    time = _Time()
    at_the_end(time.close)

    def pause(stop: Stop, seconds: float) -> None:
        if not stop.stopped():
            time.wait(seconds)

    def clock(stop: Stop) -> Clock:
        return Clock(time.now, time.now, stop.pause, stop.stopped)

    replace(Stop, "pause", pause)
    replace(Stop, "clock", clock)
