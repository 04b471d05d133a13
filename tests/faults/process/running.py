"""A command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from tests.faults.world import BIDS, COMMANDS, POST_VOLUME, Told, World


class Running:
    """A command in a process of its own, its calls logged on stderr. `before`: Python that runs first there."""

    def __init__(self, world: World, *arguments: str, before: str = "pass", **streams: Any) -> None:
        self.world, self.seen = world, ""
        code = f"import sys; {before}; from flowplan.__main__ import main; sys.exit(main())"
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments, "-v"],
            cwd=world.path,
            env={**os.environ, "FLOWPLAN_SETTLE_WINDOW": "0.3"},
            stdin=subprocess.DEVNULL,
            text=True,
            **streams,
        )

    def until(self, word: str) -> Running:
        """Wait until a line of stderr holds `word`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen += line
            if word in line:
                return self
        raise AssertionError(f"it ended before it said {word!r}: {self.seen}")

    def send(self, *numbers: int) -> Running:
        for number in numbers:
            self.process.send_signal(number)
        return self

    def end(self, timeout: float = 30) -> Told:
        """Wait for its end. `seconds` is real time since this call."""
        started = time.monotonic()
        out, err = self.process.communicate(timeout=timeout)
        err = self.seen + (err or "")
        self.world.outputs += [out or "", err]
        assert "Traceback" not in err, err
        return Told(self.process.returncode, out or "", err, (), time.monotonic() - started)


def shell_code(told: Told) -> int:
    """The exit code as a shell has it: 128 + n for what a signal ended."""
    return 128 - told.code if told.code < 0 else told.code


SLOW_ROUTE = {"apply": POST_VOLUME, "destroy": f"DELETE {BIDS}/*"}
# What is made or ended by the n-th call of that route has the n-th line of these.
SLOW_LINE = {"apply": "volume.", "destroy": "destroying..."}


def held_up(world: World, command: str, seconds: float, before: str = "pass", nth: int = 2) -> Running:
    """`command`, one call at a time, stopped at the n-th volume or bid, which takes so many seconds."""
    world.begin(command)
    world.fault(SLOW_ROUTE[command], "slow", seconds=seconds, nth=nth)
    running = Running(world, *COMMANDS[command], "--parallelism", "1", before=before)
    begun = 0
    while begun < nth:
        running.until("..." if command == "destroy" else "creating...")
        begun += SLOW_LINE[command] in running.seen.splitlines()[-1]
    return running
