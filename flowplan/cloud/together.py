"""Several calls to the API at a time, in threads of one client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

NAMED = "flowplan-ask"  # what ends the process does not wait for a thread of this name


class Together:
    """Makes calls side by side, at most `parallelism` at a time in all. With a parallelism of 1 there are no
    threads, and neither are there for what one of the calls asks for itself."""

    def __init__(self, parallelism: int) -> None:
        self._parallelism = parallelism
        self._pool: ThreadPoolExecutor | None = None
        self._begun: set[Future[Any]] = set()
        self._setup = threading.Lock()
        self._here = threading.local()

    def __call__(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of `calls` in their order. Raises what the first of them raises that fails: once those under way
        have ended, and those that had not begun are left out. What interrupts this thread waits for none."""
        if min(self._parallelism, len(calls)) < 2 or getattr(self._here, "inside", False):
            return [call() for call in calls]
        from concurrent.futures import wait

        begun = self._submitted(calls)
        try:
            return [one.result() for one in begun]
        except Exception:
            for one in begun:
                one.cancel()
            wait(begun)
            raise
        except BaseException:
            for one in begun:
                one.cancel()
            raise
        finally:
            with self._setup:
                self._begun -= {one for one in begun if one.done()}

    def close(self) -> bool:
        """Begin no call any more, and end the threads. False: a call is under way that nobody waits for, in a thread
        that ends with it."""
        with self._setup:
            pool, self._pool = self._pool, None
            quiet = all(one.done() for one in self._begun)
        if pool is not None:
            pool.shutdown(wait=quiet, cancel_futures=True)
        return quiet

    def _submitted(self, calls: Sequence[Callable[[], Any]]) -> list[Future[Any]]:
        from concurrent.futures import ThreadPoolExecutor  # with logging: what calls side by side pay

        with self._setup:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._parallelism, thread_name_prefix=NAMED, initializer=self._mark)
            begun = [self._pool.submit(call) for call in calls]
            self._begun.update(begun)
        return begun

    def _mark(self) -> None:
        self._here.inside = True
