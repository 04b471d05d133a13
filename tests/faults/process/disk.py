"""Disks that are full, read-only, or fail."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends import open_journal
from flowplan.backends.local import LocalStore
from flowplan.files import atomic as files
from tests.faults.process.rows import cell
from tests.faults.world import STATE, World


class Disk:
    """`os` as the backends see it, with calls that fail: the named ones with `number`, from the n-th on (`times`)."""

    def __init__(self, number: int, *names: str, nth: int = 1, times: int = 1 << 30) -> None:
        self.number, self.names, self.nth, self.times = number, names, nth, times
        self.calls: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._failing(name, real) if name in self.names else real

    def _failing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments[0] if isinstance(arguments[0], int) else -1))
            if self.nth <= len(self.calls) < self.nth + self.times:
                raise OSError(self.number, os.strerror(self.number))
            return real(*arguments, **options)

        return call


@contextlib.contextmanager
def failing(disk: Disk, *modules: Any) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(module, "os", disk)
        yield disk


@cell("enospc", "plan", variants={"enospc": errno.ENOSPC})
@cell("other-errnos", "plan", variants={"edquot": errno.EDQUOT})
def a_plan_is_shown_and_the_file_is_all_or_nothing(world: World, command: str, number: int) -> None:
    world.fresh()
    with failing(Disk(number, "pwrite"), files, open_journal):
        assert world.run("plan").code == 0
        told = world.run("plan", "--out", "saved.plan")
    assert told.code == 1, told
    assert os.strerror(number) in told.said
    assert [path.name for path in world.path.glob("saved.plan*")] == []


@cell("enospc", "apply", variants={"before-the-first-call": errno.ENOSPC})
@cell("other-errnos", "apply", variants={"edquot": errno.EDQUOT})
def a_full_disk_is_met_before_anything_is_done(world: World, command: str, number: int) -> None:
    world.begin(command)
    before = world.state_files()
    with failing(Disk(number, "posix_fallocate"), open_journal):
        told = world.do(command)
    assert told.code == 5, told
    assert not told.mutations
    after = world.state_files()
    assert {name: data.rstrip(b"\0") for name, data in after.items() if data} == before


@cell(
    "enospc",
    "destroy",
    variants={"before-the-first-call": (errno.ENOSPC, "posix_fallocate"), "mid-run": (errno.ENOSPC, "fdatasync")},
)
@cell("eio", "destroy", variants={"journal": (errno.EIO, "fdatasync")})
@cell("other-errnos", "destroy", variants={"emfile-at-the-journal": (errno.EMFILE, "open")})
def what_only_stops_goes_on_without_its_journal(world: World, command: str, fault: tuple[int, str]) -> None:
    number, call = fault
    world.begin(command)
    with failing(Disk(number, call, nth=2 if call == "fdatasync" else 1), open_journal) as disk:
        told = world.do(command, "--parallelism", "1")
    assert told.code == 0, told
    assert "what only stops goes on without it" in " ".join(told.said.split())
    assert len(disk.calls) == disk.nth  # it is not tried again
    assert LocalStore(world.path / STATE).read().state.bindings == {}


@cell("other-errnos", "destroy", variants={"edquot": "home", "edquot-nowhere-to-keep": "nowhere"})
def and_without_the_state(world: World, command: str, home: str) -> None:
    """Nothing that costs money runs on for want of room to write down that it has ended."""
    world.begin(command)
    if home == "nowhere":
        world.environ(XDG_STATE_HOME="/dev/null/nowhere")
    with failing(Disk(errno.EDQUOT, "posix_fallocate"), open_journal), pytest.MonkeyPatch.context() as patch:
        replace = os.replace

        def replaced(source: Path, target: Path) -> None:
            if Path(target).name.startswith(STATE):
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
            replace(source, target)

        patch.setattr(os, "replace", replaced)
        told = world.do(command)
    assert told.code == 0, told
    assert f"what was stopped is {'kept in' if home == 'home' else 'recorded nowhere'}" in " ".join(told.said.split())
    again = world.do(command)
    assert again.code == 0, again
    assert not [one for one in again.mutations if one.method == "POST"]
    assert LocalStore(world.path / STATE).read().state.bindings == {}


@cell("enospc", "apply", variants={"mid-run": errno.ENOSPC})
@cell("eio", "apply", variants={"journal": errno.EIO})
def what_the_journal_cannot_take_is_overflowed_and_merged(world: World, command: str, number: int) -> None:
    world.begin(command)
    with failing(Disk(number, "fdatasync", nth=3), open_journal) as disk:
        told = world.do(command, "--parallelism", "1")
    assert told.code == 5, told
    assert len(told.mutations) == len(world.executed())
    failed = disk.calls[disk.nth - 1 :]
    assert len(failed) == 1  # never synced again
    (overflow,) = (world.path.parent / "xdg" / "flowplan").iterdir()
    assert overflow.stat().st_mode & 0o777 == 0o600
    assert str(overflow) in told.said
    world.damaged = True  # until the next run, what was done is in the overflow
    world.hold_invariants()
    again = world.do(command)
    assert again.code == 0, again
    assert not overflow.exists()
    assert len(world.executed("POST")) == 4


@cell("enospc", "apply", variants={"nowhere-to-keep": errno.ENOSPC})
def as_a_last_resort_ids_are_told(world: World, command: str, number: int) -> None:
    world.begin(command)
    world.environ(XDG_STATE_HOME="/dev/null/nowhere")
    with failing(Disk(number, "fdatasync", nth=3), open_journal):
        told = world.do(command, "--parallelism", "1")
    assert told.code == 5, told
    (made,) = world.executed("POST")
    assert made.subject in told.err
    assert "made: volume.vol-00" in told.err


@cell("enospc", "apply", "destroy", variants={"at-the-snapshot": errno.ENOSPC})
@cell("eio", "apply", "destroy", variants={"snapshot": errno.EIO})
def a_snapshot_that_cannot_be_written_leaves_the_journal(world: World, command: str, number: int) -> None:
    world.begin(command)
    with failing(Disk(number, "fsync", nth=2), files) as disk:  # the first is that of the journal's directory
        told = world.do(command)
    stopped = command == "destroy" and number == errno.ENOSPC  # to stop paying, the journal is enough
    assert told.code == (0 if stopped else 5), told
    assert "could not be made durable" in told.said
    # what failed to sync is not synced again; when the device fails, a second file is tried, once
    assert len(disk.calls) == 2 + (number == errno.EIO)
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.state.bindings) == (6 if command == "apply" else 0)


def frozen_directory(patch: pytest.MonkeyPatch) -> None:
    """The working directory can be read only: what flowplan keeps there cannot be opened for writing."""
    real, access = os.open, os.access

    def opens(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and Path(os.fsdecode(path)).name.startswith("flowplan."):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *more, **options)

    patch.setattr(os, "open", opens)
    patch.setattr(os, "access", lambda path, mode, **more: not mode & os.W_OK and access(path, mode, **more))


@cell("read-only", "plan")
def a_plan_needs_to_write_nothing(world: World, command: str) -> None:
    world.applied(changed=True)
    with pytest.MonkeyPatch.context() as patch:
        frozen_directory(patch)
        told = world.do(command)
    assert told.code == 0, told
    assert "lock" not in told.said
    assert "2 to change" in told.out


@cell("read-only", "apply", "destroy")
def nothing_is_done_where_nothing_can_be_written(world: World, command: str) -> None:
    world.begin(command)
    before = world.state_files()
    with pytest.MonkeyPatch.context() as patch:
        frozen_directory(patch)
        told = world.do(command)
    assert told.code == 5, told
    assert not told.mutations
    assert world.state_files() == before


@cell("other-errnos", "plan", "apply", "destroy", variants={"emfile": errno.EMFILE})
def no_more_files_is_a_failure_before_anything(world: World, command: str, number: int) -> None:
    world.begin(command)
    with pytest.MonkeyPatch.context() as patch:
        real = os.open

        def opens(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if Path(os.fsdecode(path)).name.startswith("flowplan."):
                raise OSError(number, os.strerror(number))
            return real(path, flags, *more, **options)

        patch.setattr(os, "open", opens)
        told = world.do(command)
    assert told.code in (1, 5, 65), told
    assert os.strerror(number) in told.said
    assert not told.mutations


@cell("other-errnos", "plan", "apply", "destroy", variants={"enametoolong": "n" * 300})
def a_name_that_is_too_long_is_a_failure_before_anything(world: World, command: str, name: str) -> None:
    world.begin(command)
    options = {"plan": ("--out", name)}.get(command, ("--state", name))
    told = world.do(command, *options)
    assert told.code in (1, 5, 64), told
    assert "name too long" in told.said.lower()
    assert not told.mutations
