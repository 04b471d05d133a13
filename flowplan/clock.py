"""Time as a value, so that tests need not wait."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from flowplan.classes import frozen

AGREE = 300.0  # seconds by which two clocks may differ of which neither is wrong
_UNITS = ((1440.0, "days"), (60.0, "hours"), (1.0, "minutes"))  # of so many minutes each
_HEARD = 99  # answers that say what time it is: the last ones
_WHOLE = 0.001  # seconds that a sum of floats may be short of a whole one


def timestamp() -> str:
    """Now by this machine's clock, in RFC 3339 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def since_boot() -> float:
    """Seconds, by a clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def ahead(one: datetime, other: datetime) -> str:
    """How far one clock is from another, for people: "25 hours ahead of", "6 minutes behind"."""
    minutes = (one - other).total_seconds() / 60
    size, unit = next(one for one in _UNITS if abs(minutes) >= 2 * one[0] or one is _UNITS[-1])
    return f"{abs(minutes) / size:.0f} {unit} {'ahead of' if minutes > 0 else 'behind'}"


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

    @classmethod
    def of_api(cls, at: float) -> Moment:
        """`at`, of which nobody knows what another clock showed then."""
        return cls(at, 0.0, "", at)

    @classmethod
    def first(cls, moments: Collection[Moment]) -> Moment:
        """When each clock showed least, of one or more `moments`."""
        boots, servers = {one.boot_id for one in moments}, [one.server for one in moments if one.server is not None]
        return cls(
            min(one.wall for one in moments),
            min(one.since_boot for one in moments),
            boots.pop() if len(boots) == 1 else "",
            min(servers) if len(servers) == len(moments) else None,
        )

    @property
    def by_server(self) -> float:
        """Seconds since the epoch, by the server's clock where that is known."""
        return self.wall if self.server is None else self.server

    @property
    def earliest(self) -> float:
        """Seconds since the epoch, by the clock that shows least."""
        return min(self.wall, self.by_server)

    @property
    def latest(self) -> float:
        """Seconds since the epoch, by the clock that shows most."""
        return max(self.wall, self.by_server)

    def age(self, now: Moment) -> float:
        """Seconds from this moment to `now`, at least 0; never more than have passed, whatever clock was set forward.

        Within one boot its own clock tells. Across boots and machines it is the lesser of what the others say; where
        the server was silent at one of the two moments, this machine's stands for its.
        """
        if self.boot_id and self.boot_id == now.boot_id:
            return max(now.since_boot - self.since_boot, 0.0)
        return max(min(now.wall - self.wall, now.by_server - self.by_server), 0.0)

    def is_ahead_of(self, now: Moment) -> bool:
        """Whether a clock that another boot or machine has shows less at `now` than at this moment, which was before:
        it was set back since, or theirs differ."""
        if self.boot_id and self.boot_id == now.boot_id:
            return False
        was_set_back = self.server is not None and now.server is not None and now.server < self.server
        return was_set_back or now.wall < self.wall

    def at_most(self, now: Moment) -> float:
        """Seconds that may have passed from this moment to `now`: the most that a clock of this machine says. One
        stands still while it sleeps, the other may have been set."""
        return max(now.since_boot - self.since_boot, now.wall - self.wall, 0.0)


class Told:
    """What time it is by what an API says beside its answers. Safe for any number of threads.

    What each says is kept by how far it is from `steady`, a clock that nobody sets, and the one in the middle counts:
    neither a gateway or a cache whose clock is wrong nor one that sets this machine's moves it. Of two in the middle it
    is the one nearer to `wall`, this machine's. `leaps`: the API's time stands still and leaps, as a simulator's does,
    and is nobody else's; so the last answer counts, and no other clock is held against it.
    """

    def __init__(
        self, *, leaps: bool, steady: Callable[[], float] = since_boot, wall: Callable[[], float] = time.time
    ) -> None:
        self.leaps, self._steady, self._wall = leaps, steady, wall
        self._most = 1 if leaps else _HEARD
        self._heard: tuple[float, ...] = ()  # replaced as a whole: others may be reading it

    def hear(self, at: float) -> None:
        """An answer says that it is `at`, in seconds since the epoch."""
        said = at if self.leaps else at - self._steady()
        self._heard = (*self._heard, said)[-self._most :]

    def now(self) -> datetime | None:
        """What time it is, in whole seconds, UTC; None: no answer has said it yet."""
        heard = sorted(self._heard)
        if not heard:
            return None
        if self.leaps:
            return datetime.fromtimestamp(heard[0], UTC)
        steady = self._steady()
        here = self._wall() - steady
        middle = min(heard[(len(heard) - 1) // 2], heard[len(heard) // 2], key=lambda one: abs(one - here))
        return datetime.fromtimestamp(math.floor(steady + middle + _WHOLE), UTC)

    def here(self) -> datetime:
        """This machine's clock, UTC."""
        return datetime.fromtimestamp(self._wall(), UTC)

    def doubted_by(self) -> datetime | None:
        """This machine's clock where it is more than `AGREE` from `now`: one of the two is wrong, and nothing tells
        which. None: they agree, or only one of them says what time it is."""
        told, here = self.now(), self.here()
        if told is None or self.leaps or abs((here - told).total_seconds()) <= AGREE:
            return None
        return here
