"""Runs flowplan commands outside of the test's process, without starting an interpreter for each.

This program has flowplan imported, has one thread, and forks for every job to which something is to happen, or whose
points are counted: a JSON object a line on stdin, one a line on stdout when it is over. Every other job is done by one
process that was forked once: half of what a job costs is memory that a new process touches for the first time.
`Runner` is the other end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from tests import filled, known
from tests.faults.points import Act, Points
from tests.processes import LONGEST

TIMEOUT = 120  # seconds for one job: then it is killed by the alarm, and its test fails
_START = {"FLOWPLAN_SIMULATOR_START": "2026-11-02T09:00:00Z"}


@frozen
class Ran:
    """What became of a job: the exit code of each command, minus the signal that killed it (or None when it was not
    killed), the points passed, whether the fault happened, and the output of all commands."""

    codes: list[int]
    signal: int | None
    points: list[str]
    happened: bool
    out: str
    err: str


@frozen
class Job:
    """Commands to run one after the other in `cwd`, as one process; `act` at point `at` (0: nowhere)."""

    cwd: str
    commands: Sequence[Sequence[str]]
    at: int = 0
    act: Act = "kill"
    counting: bool = False  # whether the points passed are wanted
    environ: Mapping[str, str] = field(factory=dict)  # besides the runner's


class Runner:
    """Use as a context manager. `scratch` is a directory for what jobs print and report. `within` is a command that
    runs another one, whose words follow: in other circumstances, say."""

    def __init__(self, scratch: Path, within: Sequence[str] = ()) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("FLOWPLAN_", "PYTEST_"))}
        environ |= {"FLOWPLAN_API_URL": "sim:", "FLOWPLAN_SETTLE_WINDOW": "0", "NO_COLOR": "1", "CI": "true", **_START}
        self.runs = 0
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "tests.faults.runner", str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent.parent,
            env=environ,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(LONGEST)

    def __call__(self, job: Job) -> Ran:
        assert self._process.stdin is not None and self._process.stdout is not None
        self.runs += 1
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the runner ended with {self._process.wait(LONGEST)}"
        return Ran(**json.loads(line))


# ---- the other process ----------------------------------------------------------------------------------------


def serve(scratch: Path) -> None:
    hurry()
    filled.install()
    known.install()
    _warm_up(scratch / "warm")
    gc.collect()
    gc.freeze()
    gc.disable()
    with Worker(scratch) as worker:
        for line in sys.stdin:
            job = Job(**json.loads(line))
            ran = _forked(job, scratch) if job.at or job.counting else worker(job)
            sys.stdout.write(json.dumps(asdict(ran)) + "\n")
            sys.stdout.flush()


class Worker:
    """The process for what nothing happens to; another one, if it was killed."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._child = 0
        self._ours: socket.socket | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, job: Job) -> Ran:
        if self._ours is None:
            self._ours = self._begin()
        self._ours.sendall(json.dumps(asdict(job)).encode() + b"\n")
        if self._ours.recv(1):
            return _ran(self._scratch, 0)
        return _ran(self._scratch, self._end())

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._child = os.fork()
        if self._child == 0:
            ours.close()
            gc.enable()
            for line in theirs.makefile():
                before = dict(os.environ)
                _do(Job(**json.loads(line)), self._scratch)
                os.environ.clear()
                os.environ.update(before)
                theirs.sendall(b".")
            os._exit(0)
        theirs.close()
        return ours

    def _end(self) -> int:
        if self._ours is None:
            return 0
        self._ours.close()
        self._ours = None
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])


def hurry() -> None:
    """Make pauses between tries last a millisecond: what is done after them matters here, not when."""
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(float(seconds), 0.001))  # before flowplan is imported, which keeps it
    from flowplan.cli.stop import Stop

    pause = Stop.pause
    Stop.pause = lambda self, seconds: pause(self, min(seconds, 0.001))  # type: ignore[method-assign]


def _warm_up(place: Path) -> None:
    """Let what is made once in a process (imports, converters, templates) be made before the forks."""
    place.mkdir()
    os.chdir(place)
    (place / "flowplan.yaml").write_text(
        "name: warm\nresources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"
        "persistent_storage: {create: {volume_name: warm, size: 1, mount_point: /mnt/d}}\nports: [8080]\n"
    )
    with (place / "out").open("w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        for command, code in (
            (("plan", "--out", "saved"), 0),
            (("apply", "saved"), 0),
            (("plan", "--detailed-exitcode"), 0),
            (("watch", "--once"), 0),
            (("recover",), 0),
            (("state", "restore"), 5),
            (("destroy", "--auto-approve", "--allow-volume-destroy", "*"), 0),
        ):
            assert _run(command) == code, (place / "out").read_text()


def _forked(job: Job, scratch: Path) -> Ran:
    child = os.fork()
    if child == 0:
        _do(job, scratch)
        os._exit(0)
    return _ran(scratch, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _ran(scratch: Path, ended: int) -> Ran:
    """What is told of a job whose process has ended so, or 0."""
    report = scratch / "report"
    told: dict[str, Any] = json.loads(report.read_text() or '{"codes": [], "points": []}')
    out, err = ((scratch / name).read_text(errors="replace") for name in ("out", "err"))
    killed = -ended if ended < 0 else None
    return Ran(told["codes"], killed, told["points"], told.get("happened", killed is not None), out, err)


def _do(job: Job, scratch: Path) -> None:
    """Do a job, in its process, which does not outlive a signal."""
    (scratch / "report").write_text("")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(TIMEOUT)
    os.chdir(job.cwd)
    os.environ.update(job.environ)
    for number, name in ((1, "out"), (2, "err")):
        descriptor = os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    points = Points(Path(job.cwd), job.at, job.act)
    if job.at or job.counting:
        points.install()
    codes = []
    for command in job.commands:
        codes.append(_run(command))
    told = {"codes": codes, "points": points.passed if job.counting else [], "happened": points.happened}
    sys.stdout.flush()
    sys.stderr.flush()
    signal.alarm(0)
    (scratch / "report").write_text(json.dumps(told))


def _run(command: Sequence[str]) -> int:
    """The exit code of a command; 70 for one that ends with a traceback."""
    from flowplan.cli import run

    sys.argv = ["flowplan", *command]
    try:
        return run(command)
    except BaseException:  # noqa: BLE001 - what the interpreter would show, and what no command may do
        traceback.print_exc()
        return 70


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve(Path(sys.argv[1]))
