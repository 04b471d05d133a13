"""Values of variables from a pipe or stdin: read once, whole, up to a limit, and for as long as nobody stops it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from flowplan.cli import variables
from tests.cli.running import read_until, start
from tests.conftest import Place

STACK = """version: 2
variables: {token: {sensitive: true}}
tasks:
  train:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 17.92}
    container_image: {image_name: x, run_options: "-e T=${var.token}"}
"""


@pytest.fixture
def stack(place: Place) -> Place:
    place.write(STACK)
    return place


def written(path: Path, data: bytes) -> threading.Thread:
    """Somebody makes the FIFO `path` and writes `data` into it once it is read, as `<(...)` does."""
    os.mkfifo(path)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as file:  # the reader has had enough
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_a_pipe_gives_a_secret_that_is_in_no_file(stack: Place) -> None:
    thread = written(stack.path / "pipe", b"token: pst1234567\n")
    applied = stack.run("apply", "--auto-approve", "--var-file", "pipe")
    thread.join()
    assert applied.code == 0, applied
    (row,) = json.loads(stack.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    assert "pst1234567" in row["launch_specification"]["startup_script"]
    kept = [path for path in stack.path.rglob("*") if path.is_file() and path.name != "simulator.db"]
    assert not [path for path in kept if b"pst1234567" in path.read_bytes()]


def test_files_are_valid_without_a_secret_and_nothing_is_placed_without_it(stack: Place) -> None:
    """As of a pull request from a fork. What a plan is made of has no stand-in."""
    checked = stack.run("validate")
    assert (checked.code, "variable token has no value" in checked.err) == (0, True), checked
    for command in (("plan",), ("plan", "--out", "p"), ("apply", "--auto-approve")):
        refused = stack.run(*command)
        assert (refused.code, "error: variable token has no value" in refused.err) == (65, True), refused
    assert stack.ledger() == []


def test_a_dash_is_stdin_and_a_problem_in_it_has_its_place(stack: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, code, said in (("token: pst1234567\n", 0, ""), ("token: pst1234567\nnone: 1\n", 65, "at stdin:2:1")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        result = stack.run("plan", "--var-file", "-")
        assert (result.code, said in result.err, "pst1234567" in result.err) == (code, True, False), result


def test_a_device_without_content_gives_no_values(stack: Place) -> None:
    said = " ".join(stack.run("validate", "--var-file", "/dev/null").err.split())
    assert "variable token has no value" in said
    assert "hint: FLOWPLAN_VAR_token, or a line `token: VALUE` in a --var-file that you keep out of Git" in said, (
        "it is sensitive: neither a default in the file, nor an option that every process sees"
    )


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "large"])
def test_what_is_too_large_is_refused_and_not_cut(stack: Place, name: str) -> None:
    thread = written(stack.path / "pipe", b"#" * 1_000_001) if name == "pipe" else None
    (stack.path / "large").write_bytes(b"token: x\n" + b"#" * 1_000_000)
    refused = stack.run("validate", "--var-file", name)
    if thread is not None:
        thread.join()
    assert (refused.code, f"--var-file {name} is larger than 1 MB" in refused.err) == (64, True), refused


def test_a_directory_is_no_file_of_variables(stack: Place) -> None:
    refused = stack.run("validate", "--var-file", ".")
    assert (refused.code, "Is a directory" in refused.err) == (64, True)


def test_a_pipe_into_which_nobody_writes_is_named_and_can_be_stopped(stack: Place) -> None:
    os.mkfifo(stack.path / "pipe")
    with start(stack, "validate", "--var-file", "pipe") as process:
        read_until(process, lambda line: "reading variables from pipe..." in line)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, "interrupted; nothing was changed" in err) == (130, True)


@pytest.mark.parametrize("begun", [False, True])
def test_what_ends_things_does_without_values_that_do_not_come(
    stack: Place, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """Nobody writes into it, or who does never ends; what they pay for is no reason to wait."""
    stack.ok("apply", "--auto-approve", "--var", "token=pst1234567")
    os.mkfifo(stack.path / "pipe")
    held = os.open(stack.path / "pipe", os.O_RDWR) if begun else None
    if held is not None:
        os.write(held, b"token: pst")
    monkeypatch.setattr(variables, "PATIENCE", 0.1)
    ended = stack.run("destroy", "--auto-approve", "--var-file", "pipe")
    if held is not None:
        os.close(held)
    assert (ended.code, "bid.train: destroyed" in ended.err) == (0, True), ended
    (row,) = json.loads(stack.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    assert row["status"] == "Terminated"


def test_values_that_come_in_time_count_where_things_end(stack: Place) -> None:
    stack.ok("apply", "--auto-approve", "--var", "token=pst1234567")
    thread = written(stack.path / "pipe", b"token: pst1234567\n")
    ended = stack.run("destroy", "--auto-approve", "--var-file", "pipe")
    thread.join()
    assert (ended.code, "variable token" in ended.err) == (0, False), ended
