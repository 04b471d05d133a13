"""The lock of a watcher, for as long as it watches: one at a time watches a state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flowplan.backends.store import StateLock
from flowplan.classes import frozen
from flowplan.errors import Locked, StateError
from flowplan.operations.opening.session import Session


@frozen
class Watcher:
    """Holds the watch lock of the state that `session` has open: a session that lasts as long as the watch does."""

    session: Session

    @property
    def _lock(self) -> StateLock:
        return self.session.store.watch_lock

    @contextmanager
    def held(self) -> Iterator[Watcher]:
        """Within, nobody else watches the state. Waits as long as the settings say. Raises Locked, NoLocks, StateError,
        UsageProblem."""
        session = self.session
        session.hold_changeable()
        try:
            self._take(session.settings.lock_timeout)
            yield self
        finally:
            self._lock.release()

    def _take(self, timeout: float) -> None:
        session, stopped = self.session, self.session.interruption.stopped
        try:
            self._lock.acquire(session.owner(), timeout=timeout, say=session.listener.note, stopped=stopped)
        except Locked as error:
            if stopped():
                raise session.interruption.interrupted("nothing was changed") from None
            holder = self._lock.holder()
            who = holder.who if holder is not None else "another run"
            raise Locked(
                f"{session.store.name} is watched already, by {who}", detail=error.detail, hint=error.hint
            ) from None

    def keep(self) -> None:
        """Take the lock again where it was lost and nobody else has it, as after a machine has slept. Raises Locked
        where another watches by now, StateError where that cannot be told."""
        try:
            self.hold()
        except StateError:
            self._lock.release()
            self._take(0)

    def hold(self) -> None:
        """Raise StateError unless this is still the one that watches."""
        self._lock.verify()
