"""A process that has flowplan imported and forks for each command: a few milliseconds, several at once, and mortal.

The tests hold a `Zygote`; the process behind it is this module, run. It reads one line of JSON a batch, forks a child
for each command of it, all at once, and answers with what became of them.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs
from attrs import field, frozen

from tests.faults.disk import Cut, Points

ROOT = Path(__file__).parent.parent.parent


@frozen
class Command:
    """`flowplan ARGUMENTS` in a directory. `repeat`: so many times, one after the other."""

    arguments: Sequence[str]
    directory: str
    environ: Mapping[str, str] = field(factory=dict)
    cut: Cut | None = None
    virtual_time: bool = False


@frozen
class Ended:
    """What became of a command. `code` is negative for a signal; `points`: how many it passed (0: not counted)."""

    code: int
    out: str
    err: str


class Zygote:
    """Use as a context. `run` returns when all of its commands have ended. `also`: a stack file that is applied and
    watched once at the start, so that no fork has to import what that takes."""

    def __init__(self, also: str = "") -> None:
        self._also = also

    def __enter__(self) -> Zygote:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWPLAN_", "CI"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote", *([self._also] if self._also else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environ,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, *commands: Command) -> list[Ended]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([attrs.asdict(command) for command in commands]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote has ended"
        return [Ended(**one) for one in json.loads(answer)]


# ---- the process -------------------------------------------------------------------------------------------


def serve() -> None:
    _warm_up(*sys.argv[1:])
    gc.freeze()
    for line in sys.stdin:
        commands = [_read(one) for one in json.loads(line)]
        children = [_fork(command) for command in commands]
        ended = [_ended(*child) for child in children]
        sys.stdout.write(json.dumps([attrs.asdict(one) for one in ended]) + "\n")
        sys.stdout.flush()


def _read(given: dict[str, Any]) -> Command:
    return Command(**{**given, "cut": Cut(**given["cut"]) if given["cut"] else None})


def _warm_up(also: str = "") -> None:
    """Import whatever an apply imports, by one apply, and what `also` takes besides."""
    from flowplan.cli import run
    from tests.faults.model import Task, text_of

    here = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as directory,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        os.chdir(directory)
        Path("flowplan.yaml").write_text(text_of({"warm": Task()}))
        assert run(["--api-url", "sim:", "apply", "--auto-approve"]) == 0
        if also:
            Path("also.yaml").write_text(also)
            words = ["--api-url", "sim:", "--state", "also.json"]
            assert run([*words, "apply", "--auto-approve", "also.yaml"]) == 0
            assert run([*words, "watch", "--once", "also.yaml"]) == 0
        os.chdir(here)


def _fork(command: Command) -> tuple[int, int, int]:
    out, err = os.memfd_create("out"), os.memfd_create("err")
    pid = os.fork()
    if pid == 0:
        try:
            code = _child(command, out, err)
        except BaseException:  # noqa: BLE001 - a child must end here, whatever happens
            traceback.print_exc()
            code = 70
        finally:
            os._exit(code)
    return pid, out, err


def _child(command: Command, out: int, err: int) -> int:
    from flowplan.cli import run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    os.chdir(command.directory)
    os.environ.update(command.environ)
    if command.virtual_time:
        from tests.faults import virtual_time

        virtual_time.install()
    points = Points(command.cut)
    if command.cut is not None:
        points.watch()
    code = run(command.arguments)
    points.ends()
    return code


def _ended(pid: int, out: int, err: int) -> Ended:
    _, status = os.waitpid(pid, 0)
    return Ended(os.waitstatus_to_exitcode(status), _text(out), _text(err))


def _text(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        file.seek(0)
        return file.read().decode(errors="replace")


if __name__ == "__main__":
    serve()
