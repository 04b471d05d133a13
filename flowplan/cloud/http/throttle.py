"""The gate that all workers of a transport pass: how they slow down together when the API says 429."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SHORT = 0.2  # seconds


class Gate:
    """What all workers pass with each attempt (`with gate:`), `most` at a time. A 429 closes it for all of them.

    When it opens again it lets them through as a congested line does: one at a time and with a distance, then more
    and closer with each success. If all came back in one moment, the unlucky ones would use up their tries (ten
    workers, two requests a second, answers after 0.1 s: 7 of 30 calls failed with a mere pause).
    """

    def __init__(self, clock: Callable[[], float], wait: Callable[[float], object], most: float = math.inf) -> None:
        self._clock = clock
        self._wait = wait
        self._changed = threading.Condition()
        self._opens = 0.0  # when attempts may begin again, on the clock
        self._next = 0.0  # when the next one may
        self._spacing = 0.0  # seconds between two
        self._busy = 0  # attempts under way
        self._limit = self._most = most  # how many may be

    def __enter__(self) -> None:
        self._pass()

    def __exit__(self, raised: object, *_: object) -> None:
        with self._changed:
            self._busy -= 1
            if raised is not None:  # nothing was sent: another has its turn
                self._next -= self._spacing
            self._changed.notify_all()

    @contextmanager
    def by(self, latest: float, late: Exception) -> Iterator[None]:
        """The same for a worker that does not wait beyond `latest` on the clock. Raises `late` instead."""
        self._pass(latest, late)
        try:
            yield
        except BaseException as raised:
            self.__exit__(raised)
            raise
        self.__exit__(None)

    def _pass(self, latest: float = math.inf, late: Exception | None = None) -> None:
        waited = 0.0  # the moment waited for: a wait is believed, whatever the clock says
        while (turn := self._begin(waited, latest)) is not None:
            if turn >= latest and late is not None:
                raise late
            self._wait(max(0.0, turn - self._clock()))
            waited = turn

    def _begin(self, waited: float, latest: float) -> float | None:
        """Lets the caller through: None; or says until when it must wait before it asks again."""
        with self._changed:
            while self._busy >= self._limit and self._clock() < latest:
                self._changed.wait(_SHORT)  # in one piece, a signal that comes right before it would not end it
            if self._clock() >= latest:
                return latest
            now = max(self._clock(), waited)
            turn = max(self._opens, self._next)
            if now < turn:
                return turn
            self._busy += 1
            self._next = now + self._spacing
            return None

    def close(self, seconds: float) -> None:
        """Lets nobody through for `seconds`, and few after that."""
        with self._changed:
            now = self._clock()
            if now >= self._opens:  # refusals of attempts that were under way together count once
                self._spacing = min(2.0, 2 * self._spacing or 0.1)
                self._limit = 1
            self._opens = max(self._opens, now + seconds)

    def ease(self) -> None:
        """An attempt was not refused: a little more may be tried."""
        if self._limit >= self._most and not self._spacing:
            return
        with self._changed:
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._spacing = self._spacing * 0.9 if self._spacing > 0.02 else 0.0
            self._changed.notify_all()
