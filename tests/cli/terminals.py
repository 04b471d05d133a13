"""A terminal on all three streams, and what it shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
from collections.abc import Callable, Iterator

import pyte
from attrs import Factory, define

from tests import loaded
from tests.conftest import FLOWPLAN, Place

COLUMNS, ROWS = 80, 24


@define
class AtTerminal:
    """A run of flowplan at a terminal of 80 columns and 24 rows. `screen`: what somebody sees; `raw`: what was sent."""

    pid: int
    descriptor: int
    wait: Callable[[], int]
    screen: pyte.HistoryScreen = Factory(lambda: pyte.HistoryScreen(COLUMNS, ROWS, history=10_000))
    raw: str = ""

    @property
    def shown(self) -> str:
        """The rows on the screen, without the blanks at their ends."""
        return "\n".join(row.rstrip() for row in self.screen.display).rstrip()

    @property
    def scrolled(self) -> str:
        """All rows, from the first that has scrolled away on."""
        above = ["".join(row[at].data for at in range(COLUMNS)).rstrip() for row in self.screen.history.top]
        return "\n".join([*above, self.shown])

    def reads(self) -> Iterator[str]:
        """What the screen shows, each time that it may have changed, until the run is over."""
        stream = pyte.ByteStream(self.screen)
        with contextlib.suppress(OSError):  # a terminal whose other end is closed reads as an error
            while select.select([self.descriptor], [], [], 60)[0]:
                data = os.read(self.descriptor, 65536)
                if not data:
                    break
                self.raw += data.decode()
                stream.feed(data)
                yield self.shown

    def type(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def end(self) -> int:
        """Its exit code. Whoever is still there is told by SIGHUP."""
        os.close(self.descriptor)
        return self.wait()


def started(place: Place, *arguments: str) -> AtTerminal:
    """In the foreground of a terminal of its own."""
    descriptor, terminal = pty.openpty()
    _resize(terminal)
    run = loaded.start(arguments, place.path, os.environ, (terminal,) * 3, loaded.AT_ITS_TERMINAL)
    os.close(terminal)
    return AtTerminal(run.pid, descriptor, run.wait)


def started_behind(place: Place, *arguments: str) -> AtTerminal:
    """In the background of the terminal, as a shell starts what `&` stands behind."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(place.path)
        _resize(0)
        job = os.fork()
        if job:
            _, status = os.waitpid(job, 0)
            os._exit(os.waitstatus_to_exitcode(status))
        os.setpgid(0, 0)
        os.execv(FLOWPLAN[0], FLOWPLAN + arguments)
    return AtTerminal(pid, descriptor, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _resize(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))


def at_terminal(
    place: Place, answer: str, *arguments: str, meanwhile: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """Run, and type `answer` when asked, after `meanwhile`. Its code, and what it sent to the terminal."""
    run, typed = started(place, *arguments), False
    for _ in run.reads():
        if not typed and run.raw.rstrip("\x1b[0m ").endswith(":"):
            meanwhile()
            run.type(answer)
            typed = True
    return run.end(), run.raw
