"""Commands that run in a process of their own, round by round, or into a stream that takes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flowplan.operations.opening.interaction import Interruption
from flowplan.operations.watching import rounds
from tests.conftest import Place, Result
from tests.loaded import client
from tests.processes import Process


def start(place: Place, *arguments: str, words: tuple[str, ...] | None = None) -> subprocess.Popen[str]:
    """`words`: what is in place of a flowplan that is forked off one that is loaded."""
    return Process(
        [*(words or client()), *arguments],
        cwd=place.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if wanted(line):
            return
    raise AssertionError("the process ended before it said so")


FULL = "/dev/full"


def into_full_disk(place: Place, *arguments: str) -> tuple[int, str]:
    """The exit code of a command whose stdout is a full disk, and its stderr in one line."""
    with pytest.MonkeyPatch.context() as patch, Path(FULL).open("w") as full:
        patch.setattr(sys, "stdout", full)
        done = place.run(*arguments)
    return done.code, " ".join(done.err.split())


def into_broken_pipe(place: Place, *arguments: str) -> tuple[int, str]:
    """The same of a command whose reader is gone."""
    ear, mouth = os.pipe()
    os.close(ear)
    with pytest.MonkeyPatch.context() as patch, os.fdopen(mouth, "w") as pipe:
        patch.setattr(sys, "stdout", pipe)
        done = place.run(*arguments)
    return done.code, " ".join(done.err.split())


def watched(place: Place, monkeypatch: pytest.MonkeyPatch, *between: Callable[[], object], line: str = "") -> Result:
    """`flowplan watch` with the options of `line`, with each of `between` before the next round; Ctrl-C after the last.
    What these run must not look at what was captured."""
    left = list(between)

    def wait(interruption: Interruption, seconds: float) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    monkeypatch.setattr(rounds, "wait", wait)
    return place.run("watch", *line.split())
