"""No process outlives the test that started it, also where the test fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import loaded, processes
from tests.conftest import ROOT, Place
from tests.processes import Process

# Who starts something that outlives a test (a server for all tests), or ends a whole session of processes.
LONGER = {
    *("loaded.py", "latency.py", "faults/runner.py", "startup/node.py", "contracts/postgres.py"),
    *("contracts/azure_site.py", "contracts/pgbouncer.py"),
}
WAITS = [sys.executable, "-c", "print('here', flush=True); import sys; sys.stdin.read()"]


def waiting() -> Process:
    process = Process(WAITS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"here\n"
    return process


def test_what_a_test_leaves_running_is_killed() -> None:
    process = waiting()
    processes.end_all()
    assert process.returncode == -9


def test_what_an_error_leaves_running_is_killed() -> None:
    with pytest.raises(ZeroDivisionError), waiting() as process:
        raise ZeroDivisionError
    assert process.returncode == -9


def test_what_is_forked_off_the_loaded_flowplan_is_killed_too(place: Place) -> None:
    read, write = os.pipe()
    said, mouth = os.pipe()
    first = "import sys; print('here', flush=True); sys.stdin.read()"
    run = loaded.start(("plan",), place.path, os.environ, (read, mouth, mouth), first)
    os.close(mouth)
    assert os.read(said, 100) == b"here\n"
    assert Path(f"/proc/{run.pid}").exists()
    processes.end_all()
    assert not Path(f"/proc/{run.pid}").exists()
    for one in (read, write, said):
        os.close(one)


def test_every_test_starts_its_processes_so() -> None:
    by_hand = [path for path in (ROOT / "tests").rglob("*.py") if "subprocess." + "Popen(" in path.read_text()]
    assert {str(path.relative_to(ROOT / "tests")) for path in by_hand} == LONGER
