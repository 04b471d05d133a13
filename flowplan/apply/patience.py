"""How long and how often the cloud is looked at until something shows."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.classes import frozen
from flowplan.clock import Clock

ENDING = 60.0  # seconds that something may take to show as ended where nothing else says how long
FRESH = 5.0  # seconds that a look at who uses a volume may be over when its deletion is sent
POLLS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between looks at something that is ending


@frozen
class Patience:
    """`at_most`: seconds that nothing is waited for longer, whatever is asked."""

    clock: Clock
    at_most: float

    def turns(self, seconds: float) -> Iterable[int]:
        """Turns between looks, for `seconds` or `at_most`, whichever is less, or until the run is stopped."""
        deadline = self.clock.monotonic() + min(seconds, self.at_most)
        n = 0
        while self.clock.monotonic() < deadline and not self.clock.stopped():
            yield n
            self.clock.pause(POLLS[min(n, len(POLLS) - 1)])
            n += 1

    def until_it_shows(self) -> Iterable[int]:
        """Turns between looks at what was answered with success, and is yet to show."""
        return self.turns(ENDING)
