"""The local lockfile."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import attrs
import pytest

from flowplan.backends import flock
from flowplan.backends.lock import Lock, lock_of
from flowplan.backends.processes import ci_run, this_process
from flowplan.errors import FlowplanError, Locked, StateError
from flowplan.files.atomic import WRITABLE
from flowplan.model.owner import Owner
from tests.processes import LONGEST


def me(command: str = "flowplan apply") -> Owner:
    return this_process(command, {}, "2026-01-01T00:00:00Z")


def hold(path: Path, pipe: Connection) -> None:
    """In another process: take the lock, say so, and keep it until told."""
    lock = Lock(path)
    lock.acquire(me("flowplan apply elsewhere"))
    pipe.send("held")
    if pipe.recv() == "release":
        lock.release()
        pipe.send("released")
    else:
        os._exit(9)


class Other:
    """Another process that holds the lock."""

    def __init__(self, path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=hold, args=(path, theirs))
        self.process.start()
        theirs.close()  # so that its end is heard
        assert self.pipe.recv() == "held"

    def tell(self, what: str) -> None:
        self.pipe.send(what)
        if what == "release":
            assert self.pipe.recv() == "released"
        self.process.join(LONGEST)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowplan.lock"


def test_the_file_says_who_and_is_empty_afterwards(path: Path) -> None:
    lock = Lock(path)
    lock.acquire(me())
    told = json.loads(path.read_bytes())
    assert told["pid"] == os.getpid()
    assert told["command"] == "flowplan apply"
    assert path.stat().st_mode & 0o777 == 0o600
    lock.release()
    assert path.read_bytes() == b""


def test_a_second_one_is_told_who_holds_it(path: Path) -> None:
    other = Other(path)
    with pytest.raises(Locked) as caught:
        Lock(path).acquire(me())
    assert caught.value.exit_code == 4
    assert f"process {other.process.pid}" in (caught.value.detail or "")
    assert "flowplan apply elsewhere" in (caught.value.detail or "")
    assert "--lock-timeout" in (caught.value.hint or "")
    other.tell("release")


def test_waiting_succeeds_when_it_is_freed(path: Path) -> None:
    other = Other(path)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        other.pipe.send("release")

    lock = Lock(path)
    lock.acquire(me(), timeout=LONGEST, say=say)
    other.process.join(LONGEST)
    assert f"waiting up to {LONGEST:g} s" in said[0]
    lock.release()


def test_the_lock_of_a_dead_process_is_taken_over_with_a_notice(path: Path) -> None:
    other = Other(path)
    other.tell("die")
    said: list[str] = []
    lock = Lock(path)
    lock.acquire(me(), say=said.append)
    assert "died; taking over" in said[0]
    lock.release()


def leave(path: Path, **fields: object) -> Owner:
    """A name in the file, with nobody holding the lock."""
    left = attrs.evolve(me(), **fields)
    path.write_text(json.dumps(attrs.asdict(left)))
    return left


def elsewhere(path: Path) -> Owner:
    """Left by a run on a machine that this one knows nothing of."""
    return leave(path, host="elsewhere", who="eve@elsewhere", boot="b" * 36, machine="c" * 32)


def test_the_lock_of_another_machine_is_never_taken_over(path: Path) -> None:
    left = elsewhere(path)
    with pytest.raises(Locked) as caught:
        Lock(path).acquire(me())
    assert f"force-unlock {left.id}" in (caught.value.hint or "")
    assert "cannot check whether that run is alive" in str(caught.value)
    assert json.loads(path.read_bytes())["host"] == "elsewhere"


def test_force_unlock_wants_the_right_id(path: Path) -> None:
    left = elsewhere(path)
    with pytest.raises(FlowplanError, match="it stays"):
        Lock(path).break_("wrong", me())
    Lock(path).break_(left.id, me())
    lock = Lock(path)
    lock.acquire(me())
    lock.release()


def test_force_unlock_never_breaks_a_living_one(path: Path) -> None:
    other = Other(path)
    id = json.loads(path.read_bytes())["id"]
    with pytest.raises(FlowplanError, match="alive"):
        Lock(path).break_(id, me())
    other.tell("release")


def test_how_a_holder_that_is_stopped_goes_on_is_said(path: Path) -> None:
    """Ctrl-Z: it would not hear kill -INT, and who waits for it waits for nothing."""
    other = Other(path)
    pid, id = other.process.pid, json.loads(path.read_bytes())["id"]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    remedy = f"that run is stopped (Ctrl-Z): fg in its terminal, or kill -CONT {pid}, lets it go on"
    with pytest.raises(Locked) as refused:
        Lock(path).acquire(me())
    assert refused.value.hint == remedy
    with pytest.raises(FlowplanError, match="it stays") as kept:
        Lock(path).break_(id, me())
    assert kept.value.hint == remedy
    os.kill(pid, signal.SIGCONT)
    other.tell("release")


def test_force_unlock_of_nothing(path: Path) -> None:
    with pytest.raises(FlowplanError, match="nobody"):
        Lock(path).break_("any", me())


def test_a_lock_taken_away_is_noticed(path: Path) -> None:
    lock = Lock(path)
    lock.acquire(me())
    lock.verify()
    path.write_bytes(b"")  # force-unlock on another host of a shared file system
    with pytest.raises(StateError, match="taken away"):
        lock.verify()
    lock.release()


def test_a_file_that_is_replaced_while_it_is_being_locked_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a file that has no name any more excludes nobody."""
    flock, calls = fcntl.flock, []

    def replaced(descriptor: int, how: int) -> None:
        calls.append(how)
        if len(calls) == 1:
            path.unlink()
            path.touch()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", replaced)
    lock = Lock(path)
    lock.acquire(this_process("flowplan apply", {}, "now"), timeout=LONGEST)
    lock.verify()
    lock.release()
    assert len([how for how in calls if how & fcntl.LOCK_EX]) == 2


@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
def test_a_removed_file_is_noticed(path: Path, *, is_replaced: bool) -> None:
    """Also where another one says the same in its place."""
    lock = Lock(path)
    lock.acquire(me())
    said = path.read_bytes()
    path.unlink()
    if is_replaced:
        path.write_bytes(said)
    with pytest.raises(StateError, match="taken away"):
        lock.verify()
    lock.release()


def test_garbage_in_the_file_harms_nobody(path: Path) -> None:
    path.write_bytes(b"\xff{not json")
    lock = Lock(path)
    lock.acquire(me())
    lock.release()


def test_a_symlink_is_refused(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(StateError) as refused:
        Lock(path).acquire(me())
    assert str(refused.value.hint).startswith("remove it")


def test_a_directory_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StateError, match="Is a directory") as refused:
        Lock(path).acquire(me())
    assert str(refused.value.hint).startswith("remove it")


def test_the_ci_run_is_named() -> None:
    github = {
        "GITHUB_RUN_ID": "7",
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_SERVER_URL": "https://github.com",
    }
    assert ci_run(github) == "https://github.com/a/b/actions/runs/7"
    assert ci_run({"CI_JOB_URL": "https://gitlab/x/1"}) == "https://gitlab/x/1"
    assert ci_run({}) is None


def test_a_name_written_in_pieces_is_complete(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, at: pwrite(descriptor, data[:7], at))
    lock = Lock(path)
    lock.acquire(me())
    lock.verify()
    lock.release()


def test_letting_go_never_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock(path)
    lock.acquire(me())
    close = os.close

    def complaining(descriptor: int) -> None:
        close(descriptor)
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, "close", complaining)
    lock.release()
    monkeypatch.undo()
    assert not Lock(path).held()


def test_a_fifo_is_refused_and_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path)
    lock = Lock(path)
    assert lock.holder() is None
    with pytest.raises(StateError, match="not a regular file"):
        lock.acquire(this_process("flowplan apply", {}, "2026-11-24T12:00:00Z"))


def test_a_lock_that_is_released_again_leaves_the_name_of_who_has_it_since(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C came when the kernel had just freed it; what releases it again must not touch what another run wrote."""
    first, second = Lock(path), Lock(path)
    first.acquire(me())
    free = fcntl.flock

    def interrupted(file: object, how: int) -> None:
        free(file, how)  # type: ignore[arg-type]
        if how == fcntl.LOCK_UN:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            first.release()
    second.acquire(me("flowplan destroy"))
    first.release()
    second.verify()
    second.release()


# ---- several states in one directory ------------------------------------------------------------------------


@pytest.fixture
def default(tmp_path: Path) -> Path:
    return tmp_path / "flowplan.state.json"


OPEN: list[Lock] = []


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().release()


def of(state: Path, name: str = "") -> Lock:
    OPEN.append(lock_of(state.with_name(name) if name else state, "flowplan.state.json"))
    return OPEN[-1]


def earlier(path: Path) -> Lock:
    """The lock of an earlier version, which has one for all states of a directory; it is taken."""
    lock = Lock(path)
    OPEN.append(lock)
    lock.acquire(attrs.evolve(me("flowplan apply of an earlier version"), scope=""))
    return lock


NAMES = ("flowplan.state.json", "staging.json", "flowplan.json", "staging", "flowplan.state")


@pytest.mark.parametrize("one", NAMES)
@pytest.mark.parametrize("other", NAMES)
def test_each_state_has_a_lock_of_its_own(default: Path, one: str, other: str) -> None:
    first, second = of(default, one), of(default, other)
    first.acquire(me())
    if one == other:
        with pytest.raises(Locked, match=first.path.name):
            second.acquire(me())
    else:
        second.acquire(me())
        second.verify()
    first.verify()
    assert of(default, one).held()
    for lock in (first, second):
        lock.release()
    assert not of(default, one).held()
    of(default, one).acquire(me())


@pytest.mark.parametrize("name", NAMES)
def test_an_earlier_version_keeps_every_state_locked(default: Path, path: Path, name: str) -> None:
    old = earlier(path)
    with pytest.raises(Locked, match=r"flowplan\.lock is held by") as caught:
        of(default, name).acquire(me())
    assert "of an earlier version" in (caught.value.detail or "")
    old.release()
    of(default, name).acquire(me())


@pytest.mark.parametrize("name", NAMES)
def test_an_earlier_version_is_shown_to_hold_every_state(default: Path, path: Path, name: str) -> None:
    """Also a state that no run of this version has locked yet."""
    old = earlier(path)
    holder = of(default, name).holder()
    assert holder is not None
    assert (holder.command, of(default, name).held()) == ("flowplan apply of an earlier version", True)
    old.release()
    assert (of(default, name).holder(), of(default, name).held()) == (None, False)


@pytest.mark.parametrize("name", NAMES)
def test_every_state_keeps_an_earlier_version_out(default: Path, path: Path, name: str) -> None:
    lock = of(default, name)
    lock.acquire(me())
    with pytest.raises(Locked):
        earlier(path)
    lock.verify()
    lock.release()
    earlier(path)


def test_an_earlier_version_on_a_machine_that_cannot_be_seen_keeps_every_state_locked(
    default: Path, path: Path
) -> None:
    left = leave(path, host="elsewhere", boot="b" * 36, machine="c" * 32, scope="")
    staging = of(default, "staging.json")
    with pytest.raises(Locked, match="cannot check whether that run is alive"):
        staging.acquire(me())
    staging.break_(left.id, me())
    staging.acquire(me())


def test_a_run_of_the_default_state_that_cannot_be_seen_locks_no_other_state(default: Path, path: Path) -> None:
    elsewhere(path)
    of(default, "staging.json").acquire(me())
    with pytest.raises(Locked):
        of(default).acquire(me())


@pytest.mark.parametrize("name", ["flowplan.state.json", "staging.json"])
@pytest.mark.parametrize("removed", ["flowplan.lock", "own"])
def test_each_of_its_files_that_is_removed_is_noticed(default: Path, name: str, removed: str) -> None:
    lock = of(default, name)
    lock.acquire(me())
    default.with_name(name.replace(".json", ".lock") if removed == "own" else removed).unlink()
    with pytest.raises(StateError, match="taken away"):
        lock.verify()


def test_what_is_half_taken_is_released(default: Path, path: Path) -> None:
    """The directory's lock is shared, the state's own is held: nothing stays behind."""
    staging, second = of(default, "staging.json"), of(default, "staging.json")
    staging.acquire(me())
    with pytest.raises(Locked):
        second.acquire(me())
    staging.release()
    earlier(path)


@pytest.mark.parametrize("state", ["flowplan.state.json", "staging.json"])
def test_a_name_that_cannot_be_read_is_not_nobodys(tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lock_of(tmp_path / state, "flowplan.state.json")
    monkeypatch.setattr(os, "pread", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(StateError, match="cannot be read"):
        lock.acquire(me())
    monkeypatch.undo()
    lock.acquire(me())  # nothing was left locked
    lock.release()


def test_a_lock_that_belongs_to_somebody_else_is_no_lack_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object, **__: object) -> int:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / "flowplan.lock"
    monkeypatch.setattr(flock, "FileIO", opened)
    hints = []
    for make in (lambda: None, path.touch):
        make()
        with pytest.raises(StateError, match="cannot be opened: Permission denied") as caught:
            flock.Opened.at(path)
        hints.append(caught.value.hint)
    assert hints == [WRITABLE, "make the lock's file readable and writable for you, or run as its owner"]


def test_on_a_full_disk_it_is_locked_without_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants to stop what runs needs no room for that."""
    lock, said = Lock(path), list[str]()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        lock.acquire(me(), say=said.append)
    assert said == [f"the lock {path} names nobody: No space left on device"]
    with pytest.raises(Locked, match="another process holds the lock"):
        Lock(path).acquire(me())
    lock.verify()
    path.write_text('{"id": "another"}')
    with pytest.raises(StateError, match="was taken away"):
        lock.verify()
    lock.release()
    path.write_text("")
    lock.acquire(me())  # nothing was left locked
    lock.release()
