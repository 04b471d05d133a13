"""Writing to a stream that may stop accepting data: a full pipe, a stopped terminal.

A separate thread writes, and the caller waits for it. After a signal the caller waits at most a second and then gives
up the stream: the work in progress ends whether or not somebody reads.

Ctrl-C comes most often while the caller waits here, since a line that is read is what one reacts to. So it waits for a
lock of the interpreter's own: a `threading.Event` or `Condition` that KeyboardInterrupt cuts off in the wrong place
stays locked, or raises RuntimeError in its stead.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TextIO

_PATIENCE = 1.0  # seconds for one write, once there is a hurry
THREAD = "flowplan-writer"


class Writer:
    """What is written to `stream` is written in order, each text whole, and flushed. Safe for several threads.

    `used`: whether anything was to be written; `lost`: why not all of it was, unless the reader had read enough; that
    is `left`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.used = False
        self.lost: str | None = None
        self.left = False
        self._jobs: SimpleQueue[tuple[Callable[[], object], Callable[[], None]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._hurried = False
        self._stuck = False

    def put(self, text: str) -> None:
        """Write `text`. An output that fails goes nowhere from then on; it never raises for that."""
        self.used = True
        self._do(lambda: self._write(text))

    def hurry(self) -> None:
        """From here on no thread waits longer than a moment for this stream, also one that waits already."""
        self._hurried = True

    def close(self) -> None:
        """Flush, and end the thread; with a hurry, only as far as the stream lets us. It may be used again."""
        self._do(self.stream.flush)
        thread, self._thread = self._thread, None
        if thread is not None and not self._stuck:
            self._jobs.put(None)
            thread.join()

    def _do(self, act: Callable[[], object]) -> None:
        if self._stuck:
            return
        with self._starting:
            if self._thread is None and not self._started():
                self._attempt(act)
                return
        waits = threading.Lock()
        waits.acquire()
        self._jobs.put((act, waits.release))
        while not waits.acquire(timeout=_PATIENCE):
            if self._hurried:
                self._stuck = True
                return

    def _started(self) -> bool:
        """Start the thread. False: the machine gives none, and this one has to wait for the stream."""
        thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _work(self) -> None:
        while job := self._jobs.get():
            act, done = job
            try:
                self._attempt(act)
            finally:
                done()

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError) as error:  # closed pipe, full disk: the work goes on
            if isinstance(error, BrokenPipeError):
                self.left = True
            else:
                self.lost = self.lost or _reason(error)
            _discard(self.stream)

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            self.stream.write(text.encode("ascii", "backslashreplace").decode())
        self.stream.flush()


class Together:
    """Writes by `write` what is said, by each thread; much at a time where that is said together."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._keep: dict[int, Callable[[str], None]] = {}  # by thread

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within, what this thread says waits for the end. Nothing is to be asked, or written to stdout, meanwhile."""
        kept: list[str] = []
        self._keep[threading.get_ident()] = kept.append
        try:
            yield
        finally:
            del self._keep[threading.get_ident()]
            if kept:
                self._write("".join(kept))

    def say(self, text: str) -> None:
        """Write `text`, or keep it for the end."""
        self._keep.get(threading.get_ident(), self._write)(text)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError) or error.errno == errno.EBADF:
        return "it is closed"
    return error.strerror or str(error)


def left_behind() -> bool:
    """Whether some stream took nothing any more: the interpreter's own last flush would wait for it."""
    return any(thread.name == THREAD for thread in threading.enumerate())


def _discard(stream: TextIO) -> None:
    """Send `stream` nowhere from now on, so that the interpreter's last flush does not complain either."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
