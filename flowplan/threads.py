"""Threads for calls side by side, as many as the machine gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    _Waiting = tuple[Future[Any], Callable[[], None]]  # what is to begin, and what comes of it

T = TypeVar("T")


def begun(thread: threading.Thread) -> bool:
    """Whether `thread` has begun. Python may give none once the main thread has ended (`atexit`, or where another
    thread goes on). Raises RuntimeError where it is the machine that gives none."""
    try:
        thread.start()
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise
        return False
    return True


class Pool:
    """At most `most` threads, whose names begin with `named`, each of which calls `first` before all else; one is made
    when there is work and none is idle. They end with `shutdown`, or with this object where nobody calls that; the
    process ends without them.

    One thread is enough: where the machine gives no more (ulimit -u, the limit of a container), those that there are do
    all the work. Where Python gives none (see `begun`), the thread that submits does it.
    """

    def __init__(self, most: int, named: str, first: Callable[[], object] = bool) -> None:
        self._most, self._named, self._first = most, named, first
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, call: Callable[..., T], *given: object) -> Future[T]:
        """Begin `call`, once a thread is free. Raises RuntimeError where there is none; then it is never begun."""
        # Not one of its executors: once the main thread has ended, they begin nothing any more.
        from concurrent.futures import Future

        result: Future[T] = Future()

        def begin() -> None:
            if result.set_running_or_notify_cancel():
                try:
                    found = call(*given)
                except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                    result.set_exception(error)
                else:
                    result.set_result(found)

        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._waiting.put((result, begin))
            if self._idle.acquire(blocking=False) or self._grown() or self._threads:
                return result
            self._waiting.get_nowait()  # there is no thread that could have it
            if threading.main_thread().is_alive():
                raise RuntimeError("the machine gives no thread")
        begin()
        return result

    def grow(self) -> None:
        """One thread more than so far, once there is work for it."""
        self._most += 1

    def shutdown(self, *, wait: bool) -> None:
        """Begin nothing any more, not even what was submitted. `wait`: until what is under way has ended."""
        with self._lock:
            self._closed = True
            with suppress(Empty):
                while (waiting := self._waiting.get_nowait()) is not None:
                    waiting[0].cancel()
            self._waiting.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def __del__(self) -> None:
        self._waiting.put(None)

    def _grown(self) -> bool:
        """Whether there is a thread more."""
        if len(self._threads) >= self._most:
            return False
        given: tuple[Any, ...] = (self._waiting, self._idle, self._first)
        thread = threading.Thread(target=_work, args=given, name=f"{self._named}_{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads.append(thread)
        return True


def _work(waiting: SimpleQueue[_Waiting | None], idle: threading.Semaphore, first: Callable[[], object]) -> None:
    """Of a thread, which knows nothing of its pool: that ends with what uses it."""
    first()
    while (one := _next(waiting, idle)) is not None:
        one[1]()
        del one  # else it is kept, with its result, until the next
    waiting.put(None)  # for the others


def _next(waiting: SimpleQueue[_Waiting | None], idle: threading.Semaphore) -> _Waiting | None:
    """What is begun next; None: nothing any more. A thread is free only where nothing waits."""
    try:
        return waiting.get_nowait()
    except Empty:
        idle.release()
        return waiting.get()
