"""Time as a value, so that tests need not wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from flowplan.classes import frozen


def timestamp() -> str:
    """Now by this machine's clock, in RFC 3339 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def since_boot() -> float:
    """Seconds, by a clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@frozen
class Clock:
    """Time as a value, so that tests need not wait. `pause` returns early when the run is stopped. `boot_id` names
    the boot that `monotonic` counts from."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    stopped: Callable[[], bool] = lambda: False
    boot_id: str = ""

    def moment(self, server: datetime | None) -> Moment:
        """Now; `server` is what the server's clock says."""
        return Moment(self.wall(), self.monotonic(), self.boot_id, server.timestamp() if server else None)


@frozen
class Moment:
    """A point in time by every clock there is, in seconds: this machine's, its time since boot, the server's (None:
    it has not said)."""

    wall: float
    since_boot: float
    boot_id: str
    server: float | None = None

    @property
    def by_server(self) -> float:
        """Seconds since the epoch, by the server's clock where that is known."""
        return self.wall if self.server is None else self.server

    def age(self, now: Moment) -> float:
        """Seconds from this moment to `now`, at least 0; never more than have passed, whatever clock was set forward.

        Within one boot its own clock tells. Across boots and machines it is the lesser of what the others say.
        """
        if self.boot_id and self.boot_id == now.boot_id:
            return max(now.since_boot - self.since_boot, 0.0)
        said = [now.wall - self.wall]
        if self.server is not None and now.server is not None:
            said.append(now.server - self.server)
        return max(min(said), 0.0)

    def at_most(self, now: Moment) -> float:
        """Seconds that may have passed from this moment to `now`: the most that a clock of this machine says. One
        stands still while it sleeps, the other may have been set."""
        return max(now.since_boot - self.since_boot, now.wall - self.wall, 0.0)
