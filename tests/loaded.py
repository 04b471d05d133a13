"""`flowplan` in a process of its own that is forked off one that has the package loaded: for shells that type many
commands (`flowplan`), in place of `FLOWPLAN` (`client`), and for tests that send signals, or are a terminal (`start`).

To start Python and load the package takes several times as long as nearly any command. What a start shows by itself
(what is loaded when, closed streams, what kills the process) is tested with processes that start anew: `FLOWPLAN` in
conftest.py, and tests/pipelines/test_install.py.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define

from tests import filled, known
from tests.processes import LONGEST, at_the_end

ROOT = Path(__file__).parent.parent


# What `start` runs first, for a command that its terminal is to send signals to.
AT_ITS_TERMINAL = "import fcntl, os, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"


AT_THE_END = "at_the_end"  # the name of a function that runs there after it, where what runs first gives one


def flowplan() -> str:
    """A line of sh that is `flowplan`, as long as this process lives."""
    return f'exec {" ".join(client())} "$@"'


def client() -> tuple[str, ...]:
    """The first words of a command that is `flowplan`, as long as this process lives. It passes on the signals that
    can be caught, and where it is killed, flowplan is: its streams are open until then. For other signals, `start`."""
    return sys.executable, "-I", "-S", str(ROOT / "tests" / "loaded_client.py"), str(_listening())


@define
class Started:
    """A command that runs. `pid` is the one of flowplan itself."""

    pid: int
    _told: socket.socket

    def wait(self) -> int:
        """Its exit code, once it has ended: minus the signal that killed it."""
        with self._told:
            return int(self._told.recv(16, socket.MSG_WAITALL) or b"70")

    def end(self) -> None:
        """Kill it, unless it has ended."""
        if self._told.fileno() >= 0:
            if not select.select([self._told], [], [], 0)[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            self.wait()


def start(
    words: Sequence[str], directory: Path, environ: Mapping[str, str], streams: tuple[int, int, int], first: str = ""
) -> Started:
    """`flowplan WORDS`, whose streams are these descriptors; it ends with the test at the latest. `first`: Python that
    runs there before it."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(str(_listening()))
    known = [f"{name}={value}" for name, value in environ.items()]
    mask = os.umask(0)
    os.umask(mask)
    socket.send_fds(server, [b"."], streams)
    server.sendall(b"\0".join(map(os.fsencode, [directory, str(mask), first, str(len(words)), *words, *known])))
    server.shutdown(socket.SHUT_WR)
    started = Started(int(server.recv(16, socket.MSG_WAITALL)), server)
    at_the_end(started.end)
    return started


@cache
def _listening() -> Path:
    """Where the process listens that has everything loaded."""
    directory = Path(tempfile.mkdtemp(prefix="flowplan-loaded-"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWPLAN_", "CI"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.loaded", str(directory / "socket")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environ,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None

    def end() -> None:
        with process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(LONGEST)
        shutil.rmtree(directory)

    atexit.register(end)
    assert process.stdout.readline() == b"ready\n"
    return directory / "socket"


# ---- the process ----------------------------------------------------------------------------------------------------


def serve(where: str) -> None:
    filled.install()
    known.install()
    _warm_up()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(where)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([sys.stdin, listener], [], [], 5)
            if sys.stdin in ready:
                break  # whoever started this has ended
            if listener in ready:
                _answer(listener)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _warm_up() -> None:
    """Let what is made once in a process (imports, converters, templates) be made before the forks."""
    from flowplan.cli import run

    here = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as directory,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        os.chdir(directory)
        shutil.copy(ROOT / "examples" / "task" / "flowplan.yaml", directory)
        os.environ["FLOWPLAN_API_URL"] = "sim:"
        for line in (
            "plan --out p",
            "apply p",
            "status",
            "show",
            "cost",
            "orphans",
            "validate",
            "show --format json",
            "watch --once",
        ):
            assert run(line.split()) == 0, line
        os.chdir(here)


def _answer(listener: socket.socket) -> None:
    """One process that waits for another, the command, and says how it ended."""
    asked, _ = listener.accept()
    with asked:
        if os.fork():
            return
        listener.close()
        _, streams, _, _ = socket.recv_fds(asked, 1, 3)
        told = b"".join(iter(lambda: asked.recv(65536), b"")).split(b"\0")
        command = os.fork()
        if command == 0:
            asked.close()
            code = 70
            try:
                code = _command(told, streams)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 70
            except BaseException:  # noqa: BLE001 - what the interpreter would show
                traceback.print_exc()
            finally:
                with contextlib.suppress(OSError, ValueError):
                    sys.stdout.flush()
                os._exit(code)
        for number in streams:
            os.close(number)
        handle = os.pidfd_open(command)  # which means no other process once this one is over, as its number may
        threading.Thread(target=_killed_with, args=(asked, handle), daemon=True).start()
        with contextlib.suppress(BrokenPipeError):  # a shell that was killed waits for nothing
            asked.sendall(b"%16d" % command)
            asked.sendall(b"%16d" % os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
        os._exit(0)


def _killed_with(asked: socket.socket, handle: int) -> None:
    """Kill the command, if it still runs, once nobody is at the other end: who waited for it was killed."""
    gone = select.poll()
    gone.register(asked, select.POLLHUP)
    gone.poll()
    with contextlib.suppress(ProcessLookupError):  # it ended just before
        signal.pidfd_send_signal(handle, signal.SIGKILL)


def _command(told: list[bytes], streams: list[int]) -> int:
    """The command, as if Python were started for it; its exit code."""
    directory, mask, first, count, *rest = map(os.fsdecode, told)
    words, known = rest[: int(count)], rest[int(count) :]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", 1 if os.isatty(1) else -1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(one.split("=", 1) for one in known)
    os.umask(int(mask))
    os.chdir(directory)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    sys.argv = ["flowplan", *words]
    scope: dict[str, Any] = {}
    exec(first, scope)
    from flowplan.__main__ import main

    code = main()
    scope.get(AT_THE_END, lambda: None)()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
