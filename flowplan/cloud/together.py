"""Several calls to the API at a time, in threads of one client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

    from flowplan.threads import Pool

NAMED = "flowplan-ask"  # what ends the process does not wait for a thread of this name
_SHORT = 0.2  # seconds
_here = threading.local()


def _mark() -> None:
    """Mark a thread of a `Together`. A method of it would keep it, and all of its threads, until `close`."""
    _here.inside = True


class Together:
    """Makes calls side by side, at most `parallelism` at a time in all. With a parallelism of 1 there are no
    threads, and neither are there for what one of the calls asks for itself. The threads end with `close`, or with
    this object where nobody closes it."""

    def __init__(self, parallelism: int) -> None:
        self._parallelism = parallelism
        self._pool: Pool | None = None
        self._open = 0  # rounds of calls that were begun, and not waited for to their end
        self._setup = threading.Lock()

    def __call__(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of `calls` in their order. Raises what the first of them raises that fails: once those under way
        have ended, and those that had not begun are left out. What interrupts this thread waits for none, wherever it
        comes."""
        if min(self._parallelism, len(calls)) < 2 or getattr(_here, "inside", False):
            return [call() for call in calls]
        begun: list[Future[Any]] = []
        try:
            pool = self._opened()
            for call in calls:
                begun.append(pool.submit(call))  # one by one: an interruption in between leaves the others in `begun`
            results = [_result(one) for one in begun]
        except Exception:
            _cancel(begun)
            _await(begun)
            self._ended()
            raise
        except BaseException:
            _cancel(begun)
            raise
        self._ended()
        return results

    def close(self) -> bool:
        """Begin no call any more, and end the threads. False: after an interruption a call may be under way that nobody
        waits for, in a thread that ends with it."""
        with self._setup:
            pool, self._pool = self._pool, None
            quiet = not self._open
        if pool is not None:
            pool.shutdown(wait=quiet)
        return quiet

    def _opened(self) -> Pool:
        from flowplan.threads import Pool  # with logging: what calls side by side pay

        with self._setup:
            self._open += 1
            if self._pool is None:
                self._pool = Pool(self._parallelism, NAMED, first=_mark)
            return self._pool

    def _ended(self) -> None:
        with self._setup:
            self._open -= 1


def _result(one: Future[Any]) -> Any:
    _await([one])
    return one.result()


def _await(begun: Sequence[Future[Any]]) -> None:
    """Return when all have ended. A signal that comes right before this thread begins to wait does not end the wait
    (CPython looks for one before, not then), so it waits for a short time, again and again."""
    from concurrent.futures import wait

    while wait(begun, _SHORT).not_done:
        pass


def _cancel(begun: Sequence[Future[Any]]) -> None:
    for one in begun:
        one.cancel()
