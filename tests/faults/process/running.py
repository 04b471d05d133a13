"""A command in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time

from tests import loaded
from tests.faults.world import BIDS, COMMANDS, POST_VOLUME, Told, World
from tests.processes import LONGEST, at_the_end

SLOW = 20  # seconds that an answer is late, of the 30 that are waited for one. They pass when the test lets them
_UNTIL_LET_GO = """
import os, types, flowplan.cloud.inside as inside
inside.time = types.SimpleNamespace(sleep=lambda seconds: os.read(0, 1))
"""


class Running:
    """A command in a process of its own, its calls logged on stderr. `before`: Python that runs first there. What a
    test that fails leaves running is killed. Answers that are slow come once it is `let_go`."""

    def __init__(self, world: World, *arguments: str, before: str = "") -> None:
        self.world, self.seen = world, ""
        environ = {**os.environ, "FLOWPLAN_SETTLE_WINDOW": "0.3"}
        said, err = os.pipe()
        held, self._holding = os.pipe()
        self._said, self._out = os.fdopen(said), tempfile.TemporaryFile("w+")  # noqa: SIM115 - until `end`
        with os.fdopen(held) as waits, os.fdopen(err, "w") as theirs:
            streams = (waits.fileno(), self._out.fileno(), theirs.fileno())
            self._run = loaded.start((*arguments, "-v"), world.path, environ, streams, _UNTIL_LET_GO + before)
        at_the_end(self._stop)

    def until(self, word: str) -> Running:
        """Wait until a line of stderr holds `word`."""
        for line in self._said:
            self.seen += line
            if word in line:
                return self
        raise AssertionError(f"it ended before it said {word!r}: {self.seen}")

    def send(self, *numbers: int) -> Running:
        for number in numbers:
            os.kill(self._run.pid, number)
        return self

    def let_go(self) -> Running:
        """Slow answers come."""
        if self._holding >= 0:
            os.close(self._holding)
            self._holding = -1
        return self

    def end(self) -> Told:
        """Wait for its end; what hangs is killed. `seconds` is real time since this call."""
        started = time.monotonic()
        late = threading.Timer(LONGEST, self._kill)
        late.start()
        with self._said, self._out:
            err = self.seen + self._said.read()
            code = self._run.wait()
            late.cancel()
            self._out.seek(0)
            out = self._out.read()
        self.world.outputs += [out, err]
        assert "Traceback" not in err, err
        seconds = time.monotonic() - started
        assert seconds < LONGEST, f"it did not end: {err}"
        return Told(code, out, err, (), seconds)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._run.pid, signal.SIGKILL)

    def _stop(self) -> None:
        if not self._out.closed:
            self._kill()
            self.end()
        self.let_go()


def shell_code(told: Told) -> int:
    """The exit code as a shell has it: 128 + n for what a signal ended."""
    return 128 - told.code if told.code < 0 else told.code


SLOW_ROUTE = {"apply": POST_VOLUME, "destroy": f"DELETE {BIDS}/*"}
# What is made or ended by the n-th call of that route has the n-th line of these.
SLOW_LINE = {"apply": "volume.", "destroy": "destroying..."}


def held_up(world: World, command: str, before: str = "", nth: int = 2) -> Running:
    """`command`, one call at a time, stopped at the n-th volume or bid, whose answer comes once it is let go."""
    world.begin(command)
    world.fault(SLOW_ROUTE[command], "slow", seconds=SLOW, nth=nth)
    running = Running(world, *COMMANDS[command], "--parallelism", "1", before=before)
    begun = 0
    while begun < nth:
        running.until("..." if command == "destroy" else "creating...")
        begun += SLOW_LINE[command] in running.seen.splitlines()[-1]
    return running
