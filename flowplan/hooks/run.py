"""Runs a command of somebody's: what it reads is given, what it writes is kept from our own output, and its time is
limited."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import field

from flowplan.classes import define, frozen
from flowplan.hooks.descendants import kill_descendants

KEPT = 16 * 1024  # bytes of what it writes
_LOOK = 0.1  # seconds between two looks whether to stop
_LAST_WORDS = 1.0  # seconds in which what it wrote is read once it has ended


@frozen
class Ended:
    """`code`: its exit code, that of a signal is negative; None: it was killed, as its time was over or somebody
    asked. `output`: the beginning of what it wrote to stdout and stderr, `written` bytes in all."""

    code: int | None
    output: str
    written: int = field(default=0, eq=False)

    @property
    def signal(self) -> str:
        """The name of the signal that ended it; "": none did."""
        if self.code is None or self.code >= 0:
            return ""
        try:
            return signal.Signals(-self.code).name
        except ValueError:  # one of the real-time signals
            return f"signal {-self.code}"

    @property
    def is_cut(self) -> bool:
        """Whether it wrote more than `output` has."""
        return self.written > KEPT


def run(
    command: Sequence[str],
    given: bytes,
    *,
    timeout: float,
    directory: Path,
    environ: Mapping[str, str],
    stopped: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run `command` in `directory` with `given` on its stdin. After `timeout` seconds, or once `stopped`, it is killed
    with all that it started. Raises OSError where it cannot be started."""
    written, writes = os.pipe()
    try:
        process = _started(command, given, writes, directory, environ)
    except BaseException:
        os.close(written)
        raise
    finally:
        os.close(writes)
    heard = _Heard()
    reader = threading.Thread(target=heard.drain, args=(written,), daemon=True, name="flowplan-hook")
    try:
        reader.start()
        code = _waited(process, timeout, stopped)
    finally:
        _kill(process)
    reader.join(_LAST_WORDS)  # what it left in the background may keep the pipe open
    return Ended(code, bytes(heard.kept).decode("utf-8", "replace"), heard.written)


def _started(
    command: Sequence[str], given: bytes, writes: int, directory: Path, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as stdin:  # a pipe would wait for a command that does not read
        stdin.write(given)
        stdin.seek(0)
        return subprocess.Popen(  # noqa: S603 - a command of the user's
            list(command),
            stdin=stdin,
            stdout=writes,
            stderr=writes,
            cwd=directory,
            env=dict(environ),
            start_new_session=True,  # a group of its own, which can be killed as one
        )


def _waited(process: subprocess.Popen[bytes], timeout: float, stopped: Callable[[], bool]) -> int | None:
    end = time.monotonic() + timeout
    while not stopped() and (left := end - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, _LOOK))
    return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """It, all of its group and all that descends from it, unless it has ended: then its number may be that of
    another."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGSTOP)  # it starts nothing more meanwhile
            kill_descendants(process.pid)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@define
class _Heard:
    """What a command has written so far: its beginning, and how many bytes in all."""

    kept: bytearray = field(factory=bytearray)
    written: int = 0

    def drain(self, pipe: int) -> None:
        """Read all that it writes, so that it never waits for us."""
        try:
            while data := os.read(pipe, 65536):
                self.kept.extend(data[: max(KEPT - len(self.kept), 0)])
                self.written += len(data)
        finally:
            os.close(pipe)
