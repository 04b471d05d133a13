"""A command of a user's: what it is given, what is kept of it, and that nothing of it stays when its time is over."""

from __future__ import annotations

import os
import signal
import threading
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from flowplan.hooks import run as module
from flowplan.hooks.run import KEPT, Ended, run
from tests.processes import LONGEST, runs

PATH = {"PATH": os.environ["PATH"]}


def sh(script: str, here: Path, given: bytes = b"", timeout: float = LONGEST, **environ: str) -> Ended:
    return run(["sh", "-c", script], given, timeout=timeout, directory=here, environ={**PATH, **environ})


def test_it_reads_what_is_given_where_and_with_what_it_is_to_run(tmp_path: Path) -> None:
    found = sh('cat; pwd; echo "$A" "$B" >&2', tmp_path, b"given\n", A="a")
    assert found == Ended(0, f"given\n{tmp_path}\na\n".replace("a\n", "a \n"))


def test_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    assert run(["echo", "$A;", "`x`"], b"", timeout=LONGEST, directory=tmp_path, environ=PATH).output == "$A; `x`\n"


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", -signal.SIGKILL)])
def test_its_exit_code(script: str, code: int, tmp_path: Path) -> None:
    assert sh(script, tmp_path).code == code


def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for command in (["nosuch"], ["./nosuch.sh"]):
        with pytest.raises(OSError, match="No such file"):
            run(command, b"", timeout=LONGEST, directory=tmp_path, environ=PATH)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_one_that_reads_nothing_holds_nothing_up(tmp_path: Path) -> None:
    assert sh("echo done", tmp_path, b"x" * 4_000_000) == Ended(0, "done\n")


def test_one_that_writes_much_is_read_to_its_end_and_its_beginning_is_kept(tmp_path: Path) -> None:
    found = sh("head -c 4000000 /dev/zero | tr '\\0' x; exit 4", tmp_path)
    assert found.code == 4 and found.output == "x" * KEPT


def test_when_its_time_is_over_it_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is once both have begun, by the clock of this test."""
    looks, both = count(), tmp_path / "both"
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 300.0 * (next(looks) and both.exists())))
    found = sh("sleep 600 & echo $!; trap '' TERM; sleep 600 & echo $!; touch both; wait", tmp_path, timeout=300)
    assert found.code is None
    children = [int(line) for line in found.output.split()]
    assert len(children) == 2 and not any(map(runs, children))


def test_it_is_killed_with_what_it_started_in_sessions_of_their_own(tmp_path: Path) -> None:
    """One of them has started another, in a session of its own again."""
    inner = "setsid sleep 600 & echo $! > c; mv c third; wait"
    script = f"setsid sh -c '{inner}' & echo $!; setsid sleep 600 & echo $!; touch both; wait"
    both, third = tmp_path / "both", tmp_path / "third"
    found = run(
        ["sh", "-c", script],
        b"",
        timeout=600,
        directory=tmp_path,
        environ=PATH,
        stopped=lambda: both.exists() and third.exists(),
    )
    assert found.code is None
    children = [*map(int, found.output.split()), int(third.read_text())]
    assert len(children) == 3
    assert not any(map(runs, children))


def test_somebody_who_asks_to_stop_ends_it_too(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = ["sh", "-c", "echo $$; touch ready; sleep 600"]
    found = run(command, b"", timeout=600, directory=tmp_path, environ=PATH, stopped=ready.exists)
    assert found.code is None and not runs(int(found.output))


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    found = sh("sleep 600 & echo $!", tmp_path)
    assert found.code == 0
    child = int(found.output)
    assert runs(child)
    os.kill(child, signal.SIGKILL)
    [reader] = [one for one in threading.enumerate() if one.name == "flowplan-hook"]
    reader.join(LONGEST)
    assert not reader.is_alive()
