"""An output that is cut short never looks as if all were well: a full disk, a closed stdout."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cli.lines import UNENDING, commands, formats, ready
from tests.cli.running import FULL, into_broken_pipe, into_full_disk
from tests.conftest import FLOWPLAN, Place
from tests.processes import LONGEST, Process
from tests.texts import task_text

LOST = "not all of the output could be written to stdout: No space left on device"


LINES = [
    pytest.param(name, form, id=f"{name} {form}".strip())
    for name, command in commands().items()
    if name not in UNENDING
    for form in formats(command) or [""]
]


@pytest.mark.parametrize(("command", "form"), LINES)
def test_a_full_disk_ends_every_command_with_1(place: Place, command: str, form: str) -> None:
    words = [*ready(place, command), *(("--format", form) if form else ())]
    code, said = into_full_disk(place, *words)
    assert code == 1
    assert LOST in said or command == "fmt"  # which ends with 1 anyway: a file would change
    assert "Traceback" not in said and "internal error" not in said


@pytest.mark.parametrize("command", [name for name in commands() if name not in UNENDING])
def test_a_reader_that_is_gone_changes_the_end_of_no_command(place: Place, command: str) -> None:
    code, said = into_broken_pipe(place, *ready(place, command))
    assert code == {"fmt": 1, "watch": 2}.get(command, 0), said  # what differs is for a person
    assert "Traceback" not in said and "written to stdout" not in said


@pytest.mark.parametrize(
    "line", ["--help", "--no-color --version", "plan --help", "plan --out p", "show", "apply --json"]
)
def test_a_full_disk_ends_what_else_is_printed_with_1(place: Place, line: str) -> None:
    place.write(task_text("train"))
    more = ["--auto-approve"] if line.endswith("--json") else []
    code, said = into_full_disk(place, *line.split(), *more)
    assert (code, LOST in said) == (1, True)


def test_changes_that_are_pending_are_not_all_that_is_to_say(place: Place) -> None:
    place.write(task_text("train"))
    assert place.run("plan", "--detailed-exitcode").code == 2
    assert into_full_disk(place, "plan", "--detailed-exitcode")[0] == 1


def test_a_failure_keeps_its_own_code(place: Place) -> None:
    place.write("name: 1\n")
    code, said = into_full_disk(place, "plan", "--format", "json")
    assert code == 65
    assert LOST not in said


def test_what_was_to_be_done_is_done(place: Place) -> None:
    place.write(task_text("train"))
    assert into_full_disk(place, "apply", "--auto-approve")[0] == 1
    assert place.ok("state", "list") == "bid.train\n"
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("line", ["--version", "--help", "status", "apply --auto-approve"])
def test_a_closed_stdout_is_as_bad_and_a_reader_that_is_gone_is_not(place: Place, line: str) -> None:
    place.write(task_text("train"))
    for redirect, code in ((">&-", 1), (f"> {FULL}", 1), ("| true; exit ${PIPESTATUS[0]}", 0)):
        command = ["bash", "-c", f'"$@" {redirect}', "-", *FLOWPLAN, *line.split()]
        done = subprocess.run(command, cwd=place.path, capture_output=True, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), (redirect, done)
        assert ("written to stdout: " in " ".join(done.stderr.split())) == bool(code), done.stderr


def test_nobody_is_asked_to_approve_a_plan_that_could_not_be_shown(place: Place) -> None:
    """Somebody sits at the terminal, and stdout is a full disk."""
    place.write(task_text("train"))
    ear, mouth = pty.openpty()
    with Path(FULL).open("w") as full:
        process = Process([*FLOWPLAN, "apply"], cwd=place.path, stdin=mouth, stdout=full, stderr=mouth)
    os.close(mouth)
    os.write(ear, b"yes\n")
    assert process.wait(LONGEST) == 1
    said = os.read(ear, 65536).decode()
    os.close(ear)
    assert "Apply this plan?" not in said
    assert "the plan could not be shown: No space left on device; nothing was changed" in " ".join(said.split())
    assert place.ledger() == []
