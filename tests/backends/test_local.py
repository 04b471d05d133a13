"""The local store: what survives a kill at every system call, and what is refused."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends import state_files
from flowplan.backends.local import LocalStore
from flowplan.backends.open_journal import OpenJournal
from flowplan.backends.room import RESERVED
from flowplan.errors import StateError
from flowplan.files import atomic as files
from flowplan.files.atomic import hold_trusted
from flowplan.model.address import Address
from flowplan.state.records import Done
from flowplan.state.state import State
from tests.backends.faulty import Killed, every_point, faults
from tests.builders import DATA, bound, create_of, volume
from tests.runs import Run

BINDING = bound(DATA, "vol_1", volume())
INTENT = create_of(DATA, BINDING.applied)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "flowplan.state.json")


def run(store: LocalStore) -> State:
    """What an apply does with the store: intent, result, snapshot."""
    begun = Run.of(store)
    begun.append([INTENT])
    begun.append([Done("i-1", DATA, BINDING)])
    return begun.save(begun.read().state)


def test_everything_is_private(store: LocalStore, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        run(store)
        run(LocalStore(store.path))
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert len(modes) == 3


def test_a_symlink_is_followed_not_replaced(store: LocalStore, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    store.path.symlink_to(real / "state.json")
    run(store)
    assert store.path.is_symlink()
    assert (real / "state.json").exists()


def test_a_snapshot_without_a_journal_is_taken_as_it_is(store: LocalStore) -> None:
    saved = run(store)
    store.journal_path.unlink()
    assert LocalStore(store.path).read().state == saved


# ---- a fault at the n-th call, for every n ------------------------------------------------------------------


@pytest.mark.parametrize("errno", [None, 28, 5], ids=["SIGKILL", "ENOSPC", "EIO"])
@pytest.mark.parametrize("runs_before", [0, 1], ids=["first run", "second run"])
def test_a_fault_at_every_call_leaves_a_state_that_reads(in_memory: Path, errno: int | None, runs_before: int) -> None:
    points = 0
    for at in every_point():
        directory = in_memory / str(at)
        directory.mkdir()
        path = directory / "flowplan.state.json"
        for _ in range(runs_before):
            run(LocalStore(path))
        with pytest.MonkeyPatch.context() as patch:
            faulty = faults(at, errno, patch)
            try:
                run(LocalStore(path))
            except Killed:
                assert errno is None
            except StateError:
                assert errno is not None
        if faulty.calls < at:
            break
        points += 1
        found = LocalStore(path).read()
        assert found.state.bindings in ({}, {DATA: BINDING})
        if runs_before:
            assert found.state.bindings == {DATA: BINDING}
        final = run(LocalStore(path))
        assert LocalStore(path).read().state == final
        assert not list(directory.glob("*tmp*"))
    assert points > 15
    print(f"{points} points, {points} recovered")


def test_after_a_failed_sync_nothing_more_is_appended(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = store.prepare(store.read().state)
    journal.append([INTENT])
    monkeypatch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(5, "EIO")))
    with pytest.raises(StateError, match="durable"):
        journal.append([INTENT])
    monkeypatch.undo()
    with pytest.raises(StateError, match="closed"):
        journal.append([INTENT])


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, bytes(data)[:7], at))
    files.replace_file(tmp_path / "f", b"x" * 100)
    assert (tmp_path / "f").read_bytes() == b"x" * 100


# ---- file systems that can less -----------------------------------------------------------------------------


def unable(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_links_a_new_file_is_written_where_nothing_is_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As on exFAT, and in the folders of a virtual machine."""
    path = tmp_path / "flowplan.yaml"
    monkeypatch.setattr(os, "link", unable(number))
    assert files.create_file(path, b"first")
    assert not files.create_file(path, b"second")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"first", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_without_links_a_new_file_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", unable(errno.EPERM))
    monkeypatch.setattr(Path, "replace", unable(errno.EIO))
    with pytest.raises(StateError):
        files.create_file(tmp_path / "flowplan.yaml", b"first")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_permissions_a_state_is_saved(store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """An apply there would make everything, and find at its end that it cannot save that."""
    monkeypatch.setattr(os, "fchmod", unable(number))
    begun = Run.of(store)
    begun.append([INTENT, Done("i-1", DATA, BINDING)])
    begun.save(begun.read().state)
    assert store.read().state.bindings == {DATA: BINDING}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_state_is_saved_where_directories_are_not_synced(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As in the folders of a virtual machine: no apply began there. A disk that fails is something else."""
    sync = os.fsync

    def refused(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refused)
    begun = Run.of(store)
    if number == errno.EIO:
        with pytest.raises(StateError, match="could not be made durable"):
            begun.append([INTENT])
        return
    begun.append([INTENT, Done("i-1", DATA, BINDING)])
    begun.save(begun.read().state)
    assert store.read().state.bindings == {DATA: BINDING}


def test_permissions_that_cannot_be_set_for_another_reason_are_no_saved_state(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", unable(errno.EIO))
    with pytest.raises(StateError, match="could not be made durable"):
        files.replace_file(store.path, b"{}")
    assert not store.path.exists()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_room_for_a_journal_that_the_system_does_not_allocate_is_written(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """musl (Alpine) allocates nothing where the file system does not: FUSE, NFS 4.1."""
    monkeypatch.setattr(os, "posix_fallocate", unable(number))
    begun = Run.of(store)
    begun.append([INTENT])
    assert store.journal_path.stat().st_size >= RESERVED
    begun.append([Done("i-1", DATA, BINDING)])
    begun.save(begun.read().state)
    assert store.journal_path.stat().st_size < 1000
    assert store.read().state.bindings == {DATA: BINDING}


def test_room_that_is_written_takes_nothing_from_a_run_that_went_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Allocated room never changes a byte: who lost the lock meanwhile finds what its successor wrote, and stops."""
    path = tmp_path / "journal"
    late, successor = OpenJournal(path, 0), OpenJournal(path, 0)
    successor.write(b"of the successor")
    monkeypatch.setattr(os, "posix_fallocate", unable(errno.EOPNOTSUPP))
    with pytest.raises(StateError, match="was written by another run"):
        late.reserve(RESERVED)
    assert path.read_bytes() == b"of the successor"


def test_room_for_a_journal_that_is_not_there_is_missed_before_anything_is_recorded(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", unable(errno.EOPNOTSUPP))
    monkeypatch.setattr(os, "pwrite", unable(errno.ENOSPC))
    with pytest.raises(StateError, match="No space left"):
        Run.of(store).append([INTENT])
    assert store.journal_path.read_bytes().strip(b"\0") == b""


# ---- what the journal could not take ------------------------------------------------------------------------


@pytest.fixture
def overflowing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A store whose journal's disk gave out after the intent, and whose result went to the overflow."""
    store = LocalStore(tmp_path / "flowplan.state.json", tmp_path / "elsewhere")
    journal = store.prepare(store.read().state)
    journal.append([INTENT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "ENOSPC")))
        with pytest.raises(StateError, match="No space left"):
            journal.append([Done("i-1", DATA, BINDING)])
    journal.overflow([Done("i-1", DATA, BINDING), INTENT])
    return LocalStore(store.path, tmp_path / "elsewhere")


def overflows(store: LocalStore) -> list[Path]:
    return list(store.path.parent.glob("elsewhere/*"))


def test_an_overflow_is_private_and_is_read_with_the_journal(overflowing: LocalStore) -> None:
    (overflow,) = overflows(overflowing)
    assert stat.S_IMODE(overflow.stat().st_mode) == 0o600
    assert stat.S_IMODE(overflow.parent.stat().st_mode) == 0o700
    found = overflowing.read()
    assert (found.state.bindings, found.pending, found.journaled) == ({DATA: BINDING}, {}, True)
    assert len(overflows(overflowing)) == 1  # reading moves nothing


def test_a_copy_of_the_directory_does_not_take_the_overflow(overflowing: LocalStore, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / overflowing.journal_path.name).write_bytes(overflowing.journal_path.read_bytes())
    assert LocalStore(copy / overflowing.path.name, tmp_path / "elsewhere").read().state.bindings == {}


def test_a_damaged_overflow_is_an_error(overflowing: LocalStore) -> None:
    (overflow,) = overflows(overflowing)
    overflow.write_bytes(overflow.read_bytes()[:-3])
    with pytest.raises(StateError, match="damaged"):
        overflowing.read()


# ---- what restore puts back ---------------------------------------------------------------------------------

OTHER = Address("volume", "other")


def two_runs(store: LocalStore, after: str = "") -> bytes:
    """Serial 2, with a backup of serial 1; returns the snapshot of serial 1. `after`: what the journal says since."""
    run(store)
    first = store.path.read_bytes()
    again = Run.of(LocalStore(store.path))
    again.append([INTENT])
    again.save(again.read().state)
    if after:
        last = Run.of(LocalStore(store.path))
        last.append([Done("i2", OTHER, bound(OTHER, after, volume("other")))])
        last.close()
    return first


@pytest.mark.parametrize("name", ["flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"])
def test_nothing_is_restored_from_a_file_that_anybody_may_write_to(store: LocalStore, name: str) -> None:
    two_runs(store)
    store.path.write_bytes(b"{")
    store.path.with_name(name).chmod(0o666)
    with pytest.raises(StateError, match=f"anyone can write to .*{name} "):
        LocalStore(store.path).restore()


def failing(name: str, number: int) -> Callable[[Path, int], bytes]:
    """Reads files, but for the `number`-th time that it is `name`."""
    left = iter(range(number - 1, -1, -1))

    def read(path: Path, limit: int) -> bytes:
        data = path.read_bytes()  # or it is not there
        if path.name == name and next(left, -1) == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    return read


@pytest.mark.parametrize("name", ["flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"])
def test_what_cannot_be_read_for_once_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whichever read of a file fails: what is put back is what is put back where none does, or nothing is."""
    refused = 0
    for number in range(1, 10):
        store = LocalStore(tmp_path / str(number) / "flowplan.state.json")
        store.path.parent.mkdir(mode=0o700)
        two_runs(store, after="vol_2")
        store.path.write_bytes(b"{")
        before = {path: path.read_bytes() for path in store.path.parent.iterdir()}
        with monkeypatch.context() as patch:
            patch.setattr(state_files, "read_regular", failing(name, number))
            try:
                LocalStore(store.path).restore()
            except StateError as error:
                refused += 1
                assert f"{name} cannot be read: Input/output error" in str(error)
                assert "run the same command again" in (error.hint or "")
                assert {path: path.read_bytes() for path in store.path.parent.iterdir()} == before
                continue
        loaded = LocalStore(store.path).read()
        assert (set(loaded.state.bindings), loaded.state.serial) == ({DATA, OTHER}, 3)
    assert 1 <= refused < 9


# ---- where others may write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_directory_that_anybody_may_write_to_is_refused(store: LocalStore, mode: int) -> None:
    run(store)
    store.path.parent.chmod(mode)
    with pytest.raises(StateError, match="anyone can write to") as found:
        store.read()
    assert (found.value.hint or "").startswith(
        f"chmod o-w {store.path.parent}; if its mode stays as it is, its file system"
    )
    store.path.parent.chmod(0o1777)  # like /tmp: nobody can rename what is another's
    assert store.read().state.bindings


@pytest.mark.parametrize("name", ["flowplan.state.json", "flowplan.state.journal"])
def test_a_file_that_anybody_may_write_to_is_refused(store: LocalStore, name: str) -> None:
    run(store)
    store.path.with_name(name).chmod(0o666)
    with pytest.raises(StateError, match=f"anyone can write to .*{name}"):
        store.read()


def test_a_state_with_a_hard_link_is_read_but_not_changed(tmp_path: Path) -> None:
    """Each name has a lock of its own, and a save parts them: two runs would buy the same."""
    first = run(LocalStore(tmp_path / "s.json"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "s.json").hardlink_to(tmp_path / "s.json")
    for path in (tmp_path / "s.json", tmp_path / "other" / "s.json"):
        other = LocalStore(path)
        assert other.read().state == first
        with pytest.raises(StateError, match="one of 2 hard links") as refused:
            other.prepare(first)
        with pytest.raises(StateError, match="hard links"):
            other.save(first)
        assert "cp -p" in str(refused.value.hint)


def test_a_backup_by_hard_link_in_the_middle_of_a_run_loses_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "s.json")
    first = run(store)
    store.prepare(first)
    (tmp_path / "backup").hardlink_to(tmp_path / "s.json")
    assert store.save(first).serial == first.serial + 1


@pytest.mark.parametrize(
    ("me", "owner", "passes"), [(1000, 1001, False), (1000, 1000, True), (1000, 0, True), (0, 7, True)]
)
def test_a_state_of_another_user_is_refused(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, me: int, owner: int, passes: bool
) -> None:
    """Root's own passes, and root may read what it is given."""
    run(store)
    real = Path.stat
    monkeypatch.setattr(os, "geteuid", lambda: me)

    def stat(path: Path, **how: Any) -> os.stat_result:
        found = list(real(path, **how))
        found[4] = owner
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", stat)
    if passes:
        hold_trusted(store.path)
    else:
        with pytest.raises(StateError, match=f"belongs to another user .uid {owner}"):
            store.read()


@pytest.mark.parametrize("which", ["path", "backup_path", "journal_path"])
def test_what_a_killed_run_left_half_written_is_swept(store: LocalStore, which: str) -> None:
    run(store)
    target = getattr(store, which)
    left = target.with_name(f"{target.name}.flowplan-tmp.1")
    left.write_bytes(b"half")
    LocalStore(store.path).save(store.read().state)
    assert not left.exists()


def test_who_is_interrupted_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.replace_file(tmp_path / "file", b"old")

    def fsync(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        files.replace_file(tmp_path / "file", b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize(("number", "tries"), [(errno.EIO, 2), (errno.ENOSPC, 1)])
def test_where_the_device_failed_a_second_file_is_written_and_it_is_an_error_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, tries: int
) -> None:
    path = tmp_path / "file"
    files.replace_file(path, b"old")
    real, synced = os.fsync, []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 1:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StateError, match="could not be made durable"):
        files.replace_file(path, b"new")
    assert path.read_bytes() == (b"new" if tries == 2 else b"old")
    assert len(synced) == 2 * tries - 1  # each new file, and the directory of the one that became it
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_second_file_that_reads_otherwise_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.replace_file(path, b"old")
    failures = iter([OSError(errno.EIO, "EIO")])
    real = os.fsync

    def fsync(descriptor: int) -> None:
        for failure in failures:
            raise failure
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"rot")
    with pytest.raises(StateError):
        files.replace_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_close_that_fails_is_not_durable(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems tell of a failed write only when the file is closed."""
    store.prepare(store.read().state).append([INTENT])
    close = os.close

    def complaining(descriptor: int) -> None:
        close(descriptor)
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, "close", complaining)
    with pytest.raises(StateError, match="durable"):
        store.close()
    monkeypatch.undo()
    store.close()  # a second time does nothing
