"""Threads for calls side by side, as many as the machine gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class Pool(ThreadPoolExecutor):
    """One thread is enough: where the machine gives no more (ulimit -u, the limit of a container), those that there are
    do all the work. `submit` raises RuntimeError where there is none; what it was given may still be begun once there
    is."""

    _has_one = False

    def grow(self) -> None:
        """One thread more than so far, once there is work for it."""
        self._max_workers += 1

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._has_one:
                raise
        self._has_one = True
