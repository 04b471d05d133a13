"""Who watches a state: locks that keep a second watcher out, and nobody else.

A watcher has one for as long as it watches. It is not the state's lock, so no `apply` waits for it; what a watcher
changes it changes under the state's lock, as every run does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flowplan.backends.lock import Lock
from flowplan.backends.store import StateLock
from flowplan.errors import FlowplanError, StateError
from flowplan.files.atomic import NO_ROOM
from flowplan.files.private import make_directory
from flowplan.model.owner import Owner

DIRECTORY = ".flowplan/watch"  # beside the state; no state of flowplan's own is kept there


class WatchLock(Lock):
    """The lock of who watches the state in the file `state`: a lockfile below `.flowplan`, which flock excludes by.

    Where there is no place for it, as in a `.flowplan` that is another user's, everybody gets it, as on a server
    without one (`NoWatchLock`): a watch that did not begin would let bids run past their lifetimes."""

    def __init__(self, state: Path) -> None:
        super().__init__(state.parent / DIRECTORY / f"{state.name}.lock")
        self._is_without = False

    def out_of_reach(self) -> str | None:
        return None  # where there is no place for it, `acquire` says so

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_without = False
        try:
            make_directory(self.path.parent)
            super().acquire(owner, timeout=timeout, say=say, stopped=stopped)
        except OSError as error:
            why = f"{self.path.parent} cannot be made: {error.strerror}"
        except StateError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in NO_ROOM:
                raise
            why = str(error)
        else:
            return
        self._is_without = True
        say(f"{why}; so nothing keeps a second `flowplan watch` out: run one at a time")

    def verify(self) -> None:
        if not self._is_without:
            super().verify()


class NoWatchLock(StateLock):
    """Of a server that has one lock for each state, and nothing to keep a second watcher out with: everybody gets it.
    Two watchers there do nothing twice, as each changes things under the state's lock alone."""

    def __init__(self, state: str) -> None:
        self._state = state

    @property
    def name(self) -> str:
        return self._state

    def out_of_reach(self) -> str | None:
        return None

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        say(f"the server of {self._state} cannot keep a second `flowplan watch` out; run one at a time")

    def verify(self) -> None:
        """It is nobody's."""

    def release(self) -> None:
        """Nothing was taken."""

    def holder(self) -> Owner | None:
        return None

    def held(self) -> bool:
        return False

    def break_(self, id: str, here: Owner) -> Owner:
        raise FlowplanError(f"nobody can be seen to watch {self._state}")
