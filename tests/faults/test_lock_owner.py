"""Whose a lock is that nobody has, where there are no locks, and what a signal leaves of one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.backends import processes
from flowplan.backends.lock import Lock
from flowplan.backends.processes import fate_of, this_process
from flowplan.errors import FlowplanError, Locked, NoLocks
from flowplan.model.owner import Owner
from tests.conftest import FLOWPLAN, Place, live_ids, thinned
from tests.processes import LONGEST, Process, until

HERE = attrs.evolve(this_process("flowplan apply", {}, "2026-01-01T00:00:00Z"), machine="a" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowplan.lock"


@pytest.fixture
def living() -> Iterator[Owner]:
    """Another process that lives, as it would sign."""
    with Process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        yield attrs.evolve(HERE, id="living", pid=process.pid, started=started)
        process.kill()


def owner(**fields: Any) -> Owner:
    return attrs.evolve(HERE, **{"id": "left", "pid": 2**22 + 1, **fields})


@pytest.mark.parametrize(
    ("left", "fate"),
    [
        (owner(), "dead"),  # killed, in this boot
        (owner(host="3f2a9c1b7d55", who="root@3f2a9c1b7d55"), "dead"),  # a killed container of this machine
        (owner(machine=""), "dead"),  # the same, where it could not know the machine
        (owner(pid=1, started="999999999"), "dead"),  # its pid is another process by now
        (owner(boot="b" * 36), "dead"),  # this machine was started again since
        (owner(boot="b" * 36, machine="c" * 32), "unknown"),  # another machine of the same name
        (owner(boot="b" * 36, machine=""), "unknown"),  # of the same name, and nothing else is known
        (owner(boot="b" * 36, host="elsewhere"), "unknown"),  # a copy of this machine's image
        (owner(boot="", machine=""), "unknown"),
        (owner(boot=""), "unknown"),
        (attrs.evolve(HERE, id="left"), "dead"),  # this very process, by an earlier command
    ],
)
def test_what_has_become_of_whoever_a_free_lock_names(left: Owner, fate: str) -> None:
    assert fate_of(left, HERE) == fate


def test_without_a_boot_of_our_own_nothing_is_known() -> None:
    assert fate_of(owner(boot=""), attrs.evolve(HERE, boot="")) == "unknown"


def test_a_process_that_lives_is_not_taken_for_dead_where_locks_do_not_hold(path: Path, living: Owner) -> None:
    assert fate_of(living, HERE) == "alive"
    path.write_text(json.dumps(attrs.asdict(living)))
    with pytest.raises(Locked, match="is alive"):
        Lock(path).acquire(HERE)
    with pytest.raises(FlowplanError, match="alive and holds the lock; it stays"):
        Lock(path).break_("living", HERE)
    assert json.loads(path.read_bytes())["id"] == "living"


def test_a_zombie_is_dead() -> None:
    process = Process([sys.executable, "-c", "pass"])
    stat = Path(f"/proc/{process.pid}/stat")
    while (told := stat.read_text().rpartition(")")[2].split())[0] != "Z":
        os.sched_yield()
    assert fate_of(attrs.evolve(HERE, id="left", pid=process.pid, started=told[19]), HERE) == "dead"
    process.wait()


def test_who_is_killed_is_dead_before_it_is_a_zombie(
    living: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel frees its lock first: who comes right then would be told that it runs, and its locks do not hold."""
    name, _, numbers = Path(f"/proc/{living.pid}/stat").read_text().rpartition(")")
    told = tmp_path / str(living.pid) / "stat"
    told.parent.mkdir()
    monkeypatch.setattr(processes, "_PROCESSES", str(tmp_path))
    for more, fate in ((0, "alive"), (0x4, "dead")):
        fields = numbers.split()
        fields[6] = str(int(fields[6]) | more)
        told.write_text(f"{name}) {' '.join(fields)}")
        assert fate_of(living, HERE) == fate


def test_the_machine_of_a_container_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id, mark = tmp_path / "machine-id", tmp_path / ".dockerenv"
    id.write_text("c" * 32 + "\n")
    monkeypatch.setattr(processes, "_MACHINE_IDS", (str(id),))
    monkeypatch.setattr(processes, "_CONTAINED", (str(mark),))
    assert this_process("", {}, "now").machine == "c" * 32
    assert this_process("", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "now").machine == ""
    assert this_process("", {"container": "podman"}, "now").machine == ""
    mark.touch()
    assert this_process("", {}, "now").machine == ""


def test_waiting_also_waits_for_what_cannot_be_seen(path: Path) -> None:
    path.write_text(json.dumps(attrs.asdict(owner(boot="b" * 36, machine="c" * 32))))
    lock, said = Lock(path), []

    def say(text: str) -> None:
        said.append(text)
        path.write_bytes(b"")  # the run elsewhere ends

    lock.acquire(HERE, timeout=60, say=say)
    assert "waiting up to 60 s" in said[0]
    lock.release()


@pytest.mark.parametrize("told", ['{"id": 7}', "[]", "7", '{"pid": "x"}', "null"])
def test_what_is_no_owner_names_nobody(path: Path, told: str) -> None:
    path.write_text(told)
    assert Lock(path).holder() is None
    odd = json.dumps(attrs.asdict(owner()) | {"pid": "12", "who": ["x"]})
    path.write_text(odd)
    assert Lock(path).holder() is None


# ---- no locks ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL", "EIO"])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    number = getattr(errno, request.param)

    def refuse(descriptor: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("without_locks")
def test_nothing_is_changed_where_there_are_no_locks(example: Place) -> None:
    for words in (("apply", "--auto-approve"), ("destroy", "--auto-approve"), ("recover",), ("state", "rm", "bid.x")):
        result = example.run(*words)
        assert result.code == 5, (words, result)
        assert "cannot be locked" in result.err
        assert "--state FILE" in result.err
    assert example.ledger() == []


@pytest.mark.usefixtures("without_locks")
def test_what_runs_where_there_are_no_locks_is_stopped_with_a_copy(
    example: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as well:
        well.setattr(fcntl, "flock", lambda descriptor, how: None)
        example.ok("apply", "--auto-approve")
    said = " ".join(example.run("destroy", "--auto-approve").err.split())
    assert "nothing was changed: anything that runs goes on, and costs money" in said
    assert "while nobody else uses it, cp flowplan.state* DIR, give --state DIR/flowplan.state.json" in said
    for path in example.path.glob("flowplan.state*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, how: None)
    example.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*", "--state", f"{tmp_path}/flowplan.state.json")
    assert live_ids(example) == []


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
@pytest.mark.parametrize("call", ["pread", "pwrite", "ftruncate", "fsync"])
def test_a_file_system_that_does_not_answer_is_named_with_what_helps(
    example: Place, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """As NFS: what was stopped is known to the next run, and what was not is stopped by it."""
    example.ok("apply", "--auto-approve")

    def fails(*given: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        result = example.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    said = " ".join(result.err.split())
    assert result.code == 5, result
    assert os.strerror(number) in said
    assert "look whether the disk, or the server of this file system, answers" in said
    assert "free some space" not in said
    example.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert live_ids(example) == []


@pytest.mark.usefixtures("without_locks")
def test_looking_needs_no_locks(example: Place) -> None:
    said = example.run("plan")
    assert (said.code, "lock" in said.err) == (0, False), said
    example.ok("plan", "--no-lock")
    example.ok("lock", "show")


@pytest.mark.usefixtures("without_locks")
def test_who_stands_in_the_file_is_shown_without_locks_too(example: Place) -> None:
    (example.path / "flowplan.lock").write_text(json.dumps(attrs.asdict(owner(who="eve@elsewhere"))))
    assert "eve@elsewhere" in example.ok("lock", "show")


def test_the_error_of_a_lock_is_one_of_the_state(path: Path, without_locks: None) -> None:
    with pytest.raises(NoLocks) as caught:
        Lock(path).acquire(HERE)
    assert caught.value.exit_code == 5
    opened = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
    assert str(path) not in opened  # its descriptor is closed


# ---- signals ----------------------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def signed(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@pytest.mark.parametrize(
    ("verb", "name"), thinned(4, product(("apply", "destroy", "recover"), ("SIGTERM", "SIGHUP", "SIGINT")))
)
def test_a_signal_before_a_plan_stands_leaves_no_name_in_the_lock(
    example: Place, silent: str, verb: str, name: str
) -> None:
    command = [verb] if verb == "recover" else [verb, "--auto-approve"]
    number = signal.Signals[name]
    lock = example.path / "flowplan.lock"
    environ = {**os.environ, "FLOWPLAN_API_URL": silent, "FLOWPLAN_API_KEY": "fkey_0123456789abcdef"}
    with Process([*FLOWPLAN, *command], env=environ, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: signed(lock) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
        _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == (130 if name == "SIGINT" else 143), err
    assert lock.read_bytes() == b""
    assert "nothing was changed" in err
    assert name == "SIGINT" or name in err


@pytest.mark.parametrize("command", ["plan", "orphans", "init new"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_look_that_has_no_lock(example: Place, command: str, number: int, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(LONGEST)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        environ = {**os.environ, "FLOWPLAN_API_URL": url, "FLOWPLAN_API_KEY": "fkey_0123456789abcdef"}
        process = Process([*FLOWPLAN, *command.split()], env=environ, stderr=subprocess.PIPE, text=True)
        with process, listening.accept()[0]:
            process.send_signal(number)
            _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == code, err
    ended = "ended by SIGTERM" if number == signal.SIGTERM else "interrupted"
    assert f"{ended}; nothing was {'written' if 'init' in command else 'changed'}" in err
    assert not (example.path / "flowplan.lock").exists()


def test_an_error_on_the_way_leaves_no_name_in_the_lock(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_0123456789abcdef")
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert example.run("apply", "--auto-approve").code != 0
    assert (example.path / "flowplan.lock").read_bytes() == b""
