"""The local store: what survives a kill at every system call, and what is refused."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends.local import LocalStore
from flowplan.clock import Moment
from flowplan.errors import StateError
from flowplan.files import atomic as files
from flowplan.files.atomic import hold_trusted
from flowplan.model.address import Address
from flowplan.model.resources import Volume
from flowplan.state.journal import Done, Intent
from flowplan.state.state import Binding, State

V = Address("volume", "data")
BINDING = Binding(V, "vol_1", Volume("data", 1, "Block", "r"))
INTENT = Intent("i1", "create", V, 1, "data", "flowplan-i1", "", Moment(1.0, 1.0, ""), resource=BINDING.applied)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "flowplan.state.json")


def run(store: LocalStore) -> State:
    """What an apply does with the store: intent, result, snapshot."""
    loaded = store.read()
    store.prepare(loaded.state)
    store.append([INTENT])
    store.append([Done("i1", V, BINDING)])
    return store.save(store.read().state)


def test_nothing_there_is_a_fresh_start_with_a_lineage_of_its_own(store: LocalStore, tmp_path: Path) -> None:
    found = store.read()
    assert found.fresh
    assert found.state.lineage != LocalStore(tmp_path / "other.json").read().state.lineage
    assert list(tmp_path.iterdir()) == []  # reading writes nothing


def test_after_a_run_the_state_holds_what_was_made(store: LocalStore) -> None:
    saved = run(store)
    found = store.read()
    assert (found.state, found.state.serial, found.fresh) == (saved, 1, False)
    assert found.state.bindings == {V: BINDING}


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


def test_the_old_snapshot_is_the_backup(store: LocalStore) -> None:
    run(store)
    before = store.path.read_bytes()
    run(LocalStore(store.path))
    assert store.backup_path.read_bytes() == before


def test_a_symlink_is_followed_not_replaced(store: LocalStore, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    store.path.symlink_to(real / "state.json")
    run(store)
    assert store.path.is_symlink()
    assert (real / "state.json").exists()


def test_an_intent_without_result_is_in_doubt(store: LocalStore) -> None:
    store.prepare(store.read().state)
    store.append([INTENT])
    store.close()
    found = LocalStore(store.path).read()
    assert found.pending == {"i1": INTENT}
    assert not found.state.bindings


def test_the_journal_goes_on_after_a_kill(store: LocalStore) -> None:
    store.prepare(store.read().state)
    store.append([INTENT])  # and then the process dies
    again = LocalStore(store.path)
    again.prepare(again.read().state)
    again.append([Done("i1", V, BINDING)])
    found = LocalStore(store.path).read()
    assert (found.state.bindings, found.pending) == ({V: BINDING}, {})


def test_what_is_in_doubt_survives_the_snapshot(store: LocalStore) -> None:
    store.prepare(store.read().state)
    store.append([INTENT])
    store.save(store.read().state, [INTENT])
    assert LocalStore(store.path).read().pending == {"i1": INTENT}


def test_missing_with_traces_is_an_error(store: LocalStore) -> None:
    run(store)
    store.path.unlink()
    with pytest.raises(StateError, match="missing") as caught:
        LocalStore(store.path).read()
    assert "restore" in (caught.value.hint or "")


def test_an_older_snapshot_is_an_error(store: LocalStore) -> None:
    run(store)
    old = store.path.read_bytes()
    run(LocalStore(store.path))
    store.path.write_bytes(old)
    with pytest.raises(StateError, match="went back: serial 1, but 2"):
        LocalStore(store.path).read()


def test_another_stacks_journal_is_an_error(store: LocalStore, tmp_path: Path) -> None:
    run(store)
    other = LocalStore(tmp_path / "other.json")
    run(other)
    other.journal_path.replace(store.journal_path)
    with pytest.raises(StateError, match="different stacks"):
        LocalStore(store.path).read()


def test_a_snapshot_without_a_journal_is_taken_as_it_is(store: LocalStore) -> None:
    saved = run(store)
    store.journal_path.unlink()
    assert LocalStore(store.path).read().state == saved


def test_killed_between_snapshot_and_journal(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old journal still holds results that the new snapshot has: they are not folded in twice."""
    store.prepare(store.read().state)
    store.append([INTENT])
    store.append([Done("i1", V, BINDING)])
    journal = store.journal_path.read_bytes()
    store.save(store.read().state)
    store.journal_path.write_bytes(journal)
    found = LocalStore(store.path).read()
    assert (found.state.serial, found.state.bindings, found.pending) == (1, {V: BINDING}, {})


def test_what_is_recorded_after_such_a_kill_is_not_lost(store: LocalStore) -> None:
    """The journal of the run that died is renewed before anything is added to it."""
    store.prepare(store.read().state)
    store.append([INTENT])
    journal = store.journal_path.read_bytes()
    store.save(store.read().state)
    store.journal_path.write_bytes(journal)  # as if killed just before the renewal
    again = LocalStore(store.path)
    again.prepare(again.read().state)
    again.append([Done("i1", V, BINDING)])
    again.close()
    found = LocalStore(store.path).read()
    assert (found.state.bindings, found.pending) == ({V: BINDING}, {})


# ---- a fault at the n-th call, for every n ------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone at this call: nothing after it happens, not even cleaning up."""


CALLS = ("open", "pwrite", "fsync", "fdatasync", "ftruncate", "posix_fallocate", "fchmod")


class Faulty:
    """`os` whose n-th call fails: `kill` before it happens, or an OSError in its place. Afterwards, when
    killed, every further call fails too."""

    def __init__(self, at: int, errno: int | None) -> None:
        self.at, self.errno, self.calls, self.dead = at, errno, 0, False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self.wrap(real) if name in CALLS else real

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Killed
            self.calls += 1
            if self.calls == self.at:
                if self.errno is None:
                    self.dead = True
                    raise Killed
                raise OSError(self.errno, os.strerror(self.errno))
            return real(*args, **kwargs)

        return call


def faults(at: int, errno: int | None, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    from flowplan.backends import local

    faulty = Faulty(at, errno)
    for module in (files, local):
        monkeypatch.setattr(module, "os", faulty)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: faulty.wrap(lambda: replace(self, target))())
    unlink = Path.unlink

    def unlink_unless_dead(self: Path, missing_ok: bool = False) -> None:
        if not faulty.dead:
            unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_unless_dead)
    return faulty


def every_point() -> Iterator[int]:
    """A run makes fewer calls than this; the test says how many there were."""
    yield from range(1, 200)


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
        assert found.state.bindings in ({}, {V: BINDING})
        if runs_before:
            assert found.state.bindings == {V: BINDING}
        final = run(LocalStore(path))
        assert LocalStore(path).read().state == final
        assert not list(directory.glob("*tmp*"))
    assert points > 15
    print(f"{points} points, {points} recovered")


def test_after_a_failed_sync_nothing_more_is_appended(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.prepare(store.read().state)
    store.append([INTENT])
    monkeypatch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(5, "EIO")))
    with pytest.raises(StateError, match="durable"):
        store.append([INTENT])
    monkeypatch.undo()
    with pytest.raises(StateError, match="closed"):
        store.append([INTENT])


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, bytes(data)[:7], at))
    files.replace_file(tmp_path / "f", b"x" * 100)
    assert (tmp_path / "f").read_bytes() == b"x" * 100


# ---- what the journal could not take ------------------------------------------------------------------------


@pytest.fixture
def spilling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A store whose journal's disk gave out after the intent, and whose result was spilled."""
    store = LocalStore(tmp_path / "flowplan.state.json", tmp_path / "elsewhere")
    store.prepare(store.read().state)
    store.append([INTENT])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "ENOSPC")))
        with pytest.raises(StateError, match="No space left"):
            store.append([Done("i1", V, BINDING)])
    store.spill([Done("i1", V, BINDING), INTENT])
    return LocalStore(store.path, tmp_path / "elsewhere")


def spills(store: LocalStore) -> list[Path]:
    return list(store.path.parent.glob("elsewhere/*"))


def test_a_spill_is_private_and_is_read_with_the_journal(spilling: LocalStore) -> None:
    (spill,) = spills(spilling)
    assert stat.S_IMODE(spill.stat().st_mode) == 0o600
    assert stat.S_IMODE(spill.parent.stat().st_mode) == 0o700
    found = spilling.read()
    assert (found.state.bindings, found.pending, found.journaled) == ({V: BINDING}, {}, True)
    assert len(spills(spilling)) == 1  # reading moves nothing


def test_the_next_run_takes_the_spill_over(spilling: LocalStore) -> None:
    spilling.prepare(spilling.read().state)
    spilling.append([])
    assert spills(spilling) == []
    spilling.close()
    assert LocalStore(spilling.path).read().state.bindings == {V: BINDING}


def test_a_snapshot_takes_the_spill_over(spilling: LocalStore) -> None:
    spilling.save(spilling.read().state)
    assert spills(spilling) == []
    assert LocalStore(spilling.path).read().state.bindings == {V: BINDING}


def test_a_second_spill_keeps_the_first(spilling: LocalStore) -> None:
    other = Address("volume", "other")
    spilling.prepare(spilling.read().state)
    spilling.spill([Done("i2", other, Binding(other, "vol_2", Volume("other", 1, "Block", "r")))])
    assert set(spilling.read().state.bindings) == {V, other}


def test_a_copy_of_the_directory_does_not_take_the_spill(spilling: LocalStore, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / spilling.journal_path.name).write_bytes(spilling.journal_path.read_bytes())
    assert LocalStore(copy / spilling.path.name, tmp_path / "elsewhere").read().state.bindings == {}


def test_a_damaged_spill_is_an_error(spilling: LocalStore) -> None:
    (spill,) = spills(spilling)
    spill.write_bytes(spill.read_bytes()[:-3])
    with pytest.raises(StateError, match="damaged"):
        spilling.read()


def test_restoring_the_backup_counts_the_spill(spilling: LocalStore) -> None:
    store = LocalStore(spilling.path, spilling.path.parent / "elsewhere")
    other = Address("volume", "other")
    store.save(store.read().state)
    store = LocalStore(store.path, store.path.parent / "elsewhere")
    store.save(store.read().state)
    store.prepare(store.read().state)
    store.spill([Done("i2", other, Binding(other, "vol_2", Volume("other", 1, "Block", "r")))])
    store.path.write_bytes(b"")
    state = store.restore().state
    assert set(state.bindings) == {V, other}


# ---- what restore puts back ---------------------------------------------------------------------------------

OTHER = Address("volume", "other")


def two_runs(store: LocalStore, after: str = "") -> bytes:
    """Serial 2, with a backup of serial 1; returns the snapshot of serial 1. `after`: what the journal says since."""
    run(store)
    first = store.path.read_bytes()
    again = LocalStore(store.path)
    again.prepare(again.read().state)
    again.append([INTENT])
    again.save(again.read().state)
    if after:
        last = LocalStore(store.path)
        last.prepare(last.read().state)
        last.append([Done("i2", OTHER, Binding(OTHER, after, Volume("other", 1, "Block", "r")))])
        last.close()
    return first


def test_what_is_in_order_is_not_restored(store: LocalStore) -> None:
    two_runs(store)
    with pytest.raises(StateError, match="is in order: nothing is restored"):
        LocalStore(store.path).restore()


def test_a_damaged_snapshot_is_replaced_by_the_backup_and_what_the_journal_holds(store: LocalStore) -> None:
    two_runs(store, after="vol_2")
    store.path.write_bytes(b"{")
    restored = LocalStore(store.path).restore()
    assert (restored.of_backup, restored.state.serial, set(restored.state.bindings)) == (True, 3, {V, OTHER})
    [kept] = restored.damaged
    assert kept.read_bytes() == b"{"
    assert LocalStore(store.path).read().state == restored.state


def test_of_a_damaged_journal_the_snapshot_is_kept(store: LocalStore) -> None:
    """It is newer than the backup: going back to that would forget what the last run made."""
    two_runs(store)
    snapshot = LocalStore(store.path).read().state
    damaged = b"x" + store.journal_path.read_bytes()
    store.journal_path.write_bytes(damaged)
    with pytest.raises(StateError):
        LocalStore(store.path).read()
    restored = LocalStore(store.path).restore()
    assert (restored.of_backup, restored.state.serial) == (False, snapshot.serial + 1)
    assert restored.state.bindings == snapshot.bindings
    assert [path.read_bytes() for path in restored.damaged] == [damaged]
    assert LocalStore(store.path).read().state == restored.state


def test_of_a_snapshot_that_went_back_nothing_older_is_taken_for_new(store: LocalStore) -> None:
    """Its serial is higher than any that was seen, so that nothing older passes for it later."""
    first = two_runs(store, after="vol_2")
    store.path.write_bytes(first)
    with pytest.raises(StateError, match="went back"):
        LocalStore(store.path).read()
    restored = LocalStore(store.path).restore()
    assert (restored.state.serial, set(restored.state.bindings)) == (3, {V, OTHER})
    assert LocalStore(store.path).read().state == restored.state


@pytest.mark.parametrize("backup", ["none", "foreign too"])
def test_it_is_not_guessed_which_of_two_stacks_belongs_here(store: LocalStore, tmp_path: Path, backup: str) -> None:
    two_runs(store)
    other = LocalStore(tmp_path / "other.json")
    run(other)
    other.journal_path.replace(store.journal_path)
    if backup == "none":
        store.backup_path.unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StateError, match="different stacks") as found:
        LocalStore(store.path).restore()
    assert found.value.hint == "move the one that does not belong here away"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_of_two_stacks_the_one_is_taken_that_journal_and_backup_agree_on(store: LocalStore, tmp_path: Path) -> None:
    two_runs(store)
    lineage = LocalStore(store.path).read().state.lineage
    other = LocalStore(tmp_path / "other.json")
    run(other)
    other.path.replace(store.path)
    restored = LocalStore(store.path).restore()
    assert (restored.state.lineage, restored.of_backup, restored.state.serial) == (lineage, True, 3)
    assert len(restored.damaged) == 1  # the other's state is kept


@pytest.mark.parametrize("name", ["flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"])
def test_nothing_is_restored_from_a_file_that_anybody_may_write_to(store: LocalStore, name: str) -> None:
    two_runs(store)
    store.path.write_bytes(b"{")
    store.path.with_name(name).chmod(0o666)
    with pytest.raises(StateError, match=f"anybody may write to .*{name} "):
        LocalStore(store.path).restore()


def test_with_nothing_that_reads_the_remedy_is_what_is_live(store: LocalStore) -> None:
    two_runs(store)
    for path in (store.path, store.backup_path):
        path.write_bytes(b"{")
    with pytest.raises(StateError, match=r"there is no .*backup to restore") as found:
        LocalStore(store.path).restore()
    assert "flowplan recover --from-live" in (found.value.hint or "")


@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_the_first_state_can_be_restored_too(store: LocalStore, damage: bytes | None) -> None:
    saved = run(store)
    store.path.unlink() if damage is None else store.path.write_bytes(damage)
    with pytest.raises(StateError) as found:
        LocalStore(store.path).read()
    assert "flowplan state restore" in (found.value.hint or "")
    assert LocalStore(store.path).restore().state.bindings == saved.bindings


@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_no_remedy_is_named_that_is_none(store: LocalStore, damage: bytes | None) -> None:
    """Without a version that reads there is nothing to restore."""
    run(store)
    store.backup_path.unlink()
    store.path.unlink() if damage is None else store.path.write_bytes(damage)
    with pytest.raises(StateError) as found:
        LocalStore(store.path).read()
    assert "state restore" not in (found.value.hint or "")
    assert "flowplan recover --from-live" in (found.value.hint or "")


def test_what_somebody_said_is_in_the_backup_too(store: LocalStore) -> None:
    """No look at the cloud could tell it again."""
    run(store)
    store.save(store.read().state, told=True)
    store.path.write_bytes(b"{")
    assert LocalStore(store.path).restore().state.serial == 3


# ---- where others may write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_directory_that_anybody_may_write_to_is_refused(store: LocalStore, mode: int) -> None:
    run(store)
    store.path.parent.chmod(mode)
    with pytest.raises(StateError, match="anybody may write to") as found:
        store.read()
    assert found.value.hint == f"chmod o-w {store.path.parent}"
    store.path.parent.chmod(0o1777)  # like /tmp: nobody can rename what is another's
    assert store.read().state.bindings


@pytest.mark.parametrize("name", ["flowplan.state.json", "flowplan.state.journal"])
def test_a_file_that_anybody_may_write_to_is_refused(store: LocalStore, name: str) -> None:
    run(store)
    store.path.with_name(name).chmod(0o666)
    with pytest.raises(StateError, match=f"anybody may write to .*{name}"):
        store.read()


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
    store.prepare(store.read().state)
    store.append([INTENT])
    close = os.close

    def complaining(descriptor: int) -> None:
        close(descriptor)
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, "close", complaining)
    with pytest.raises(StateError, match="durable"):
        store.close()
    monkeypatch.undo()
    store.close()  # a second time does nothing


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 99])
def test_a_damaged_state_names_the_backup_that_could_replace_it(store: LocalStore, damage: bytes) -> None:
    run(store)
    run(LocalStore(store.path))
    store.path.write_bytes(damage)
    with pytest.raises(StateError) as found:
        LocalStore(store.path).read()
    assert found.value.detail is not None
    assert found.value.detail.startswith("flowplan.state.json.backup is in order: serial 1, written 20")
    store.backup_path.write_bytes(damage)
    with pytest.raises(StateError) as found:
        LocalStore(store.path).read()
    assert found.value.detail is None
