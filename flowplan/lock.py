"""The local lockfile: one mutating command at a time in a directory.

flock excludes; the JSON inside only tells who. The file is never renamed and never removed: a second
process would then lock another inode. A dead owner's lock is free at once, because the kernel frees it.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import stat
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, fields, frozen

from flowplan.errors import FlowplanError, Locked, StateError

NAME = "flowplan.lock"
_SIZE_LIMIT = 64 * 1024
_POLL = 0.1  # seconds between tries while waiting: flock has no time limit of its own


@frozen
class Owner:
    """Who holds (or held) the lock. `since` is RFC 3339; `started` the process's start, in clock ticks."""

    id: str
    who: str
    host: str
    pid: int
    boot: str
    started: str
    command: str
    since: str
    ci: str | None = None

    def describe(self) -> str:
        lines = [
            f"  id       {self.id}",
            f"  who      {self.who}, process {self.pid}",
            f"  command  {self.command}",
            f"  since    {self.since}",
        ]
        return "\n".join([*lines, f"  ci       {self.ci}"] if self.ci else lines)


def this_process(command: str, environ: Mapping[str, str], now: str) -> Owner:
    """The owner entry of the running process."""
    host = socket.gethostname()
    return Owner(
        id=str(uuid.uuid4()),
        who=f"{_user()}@{host}",
        host=host,
        pid=os.getpid(),
        boot=boot_id(),
        started=_start_of(os.getpid()),
        command=command,
        since=now,
        ci=ci_run(environ),
    )


class Lock:
    """The lock beside the state. Use as `with Lock(path).hold(owner): ...`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._written = b""  # what we said of ourselves

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the lock, waiting up to `timeout` seconds. Raises Locked with who holds it."""
        deadline = time.monotonic() + timeout
        waiting = False
        while not self._try():
            holder = self.holder()
            if time.monotonic() >= deadline or stopped():
                raise _locked(self.path, holder)
            if not waiting:
                say(f"waiting up to {timeout:g} s for the lock held by {holder.who if holder else 'another process'}")
                waiting = True
            time.sleep(_POLL)
        self._take_over(owner, say)

    def _try(self) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise StateError(f"the lock {self.path} cannot be opened: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StateError(f"the lock {self.path} is not a regular file", hint="remove it")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, self.path):
                self._descriptor, descriptor = descriptor, -1
                return True
        except BlockingIOError:
            pass
        finally:
            if descriptor != -1:
                os.close(descriptor)
        return False

    def _take_over(self, owner: Owner, say: Callable[[str], None]) -> None:
        left = self.holder()
        if left is not None and left.host != owner.host:
            # The kernel here cannot see a process of another host on a shared file system: only a person can.
            self._drop()
            raise _locked(self.path, left)
        if left is not None:
            say(f"the run of {left.who} since {left.since} ({left.command}) died; taking over its lock")
        try:
            data = json.dumps(asdict(owner)).encode()
            self._write(data)
        except OSError as error:
            self._drop()
            raise StateError(f"the lock {self.path} cannot be written: {error.strerror}") from error
        self._written = data

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101 - a promise of the callers, not a check of input
        os.ftruncate(self._descriptor, 0)
        written = 0
        while written < len(data):  # the system may take it in pieces
            written += os.pwrite(self._descriptor, data[written:], written)

    def holder(self) -> Owner | None:
        """Who the file names, or None when it names nobody (or nobody can tell)."""
        try:
            if not self.path.is_file():
                return None  # a FIFO would hold us
            with self.path.open("rb") as file:
                data = file.read(_SIZE_LIMIT)
            told = json.loads(data) if data.strip() else None
            # A newer flowplan may say more of itself: it is somebody all the same.
            return Owner(**{one.name: told[one.name] for one in fields(Owner) if one.name in told}) if told else None
        except (OSError, ValueError, TypeError):
            return None

    def held(self) -> bool:
        """Whether some process holds the lock right now."""
        if not self.path.exists():
            return False
        free = self._try()
        if free:
            self._drop()
        return not free

    def verify(self) -> None:
        """Raise StateError unless the lock is still ours: the file in place, and our name in it."""
        if self._descriptor is None or not _same_file(self._descriptor, self.path) or not self._names_us():
            raise StateError(
                f"the lock {self.path} was taken away while this command ran; nothing more is changed",
                hint="run the same command again",
            )

    def _names_us(self) -> bool:
        """Whether the file still says what we wrote: looked at often, so its bytes are compared, not read again."""
        assert self._descriptor is not None  # noqa: S101 - a promise of the callers, not a check of input
        with contextlib.suppress(OSError):
            return self._written != b"" and os.pread(self._descriptor, _SIZE_LIMIT, 0) == self._written
        return False

    def release(self) -> None:
        """Empty the file and let go. Never raises: the work is done by then."""
        if self._descriptor is None:
            return
        try:
            if _same_file(self._descriptor, self.path):
                os.ftruncate(self._descriptor, 0)
        except OSError:  # a stale name in the file is harmless: the lock itself is flock's
            pass
        self._drop()

    def _drop(self) -> None:
        descriptor, self._descriptor, self._written = self._descriptor, None, b""
        if descriptor is not None:
            with contextlib.suppress(OSError):  # the kernel lets go of the lock even when it complains
                os.close(descriptor)

    def break_(self, id: str) -> Owner:
        """Remove the name of `id` from the file. Raises FlowplanError when another holds it, or nobody."""
        holder = self.holder()
        if holder is None:
            raise FlowplanError(f"nobody holds the lock {self.path}")
        if holder.id != id:
            raise FlowplanError(f"the lock has the id {holder.id}, not {id}; it stays", hint=None)
        if not self._try():
            raise FlowplanError(
                f"process {holder.pid} on {holder.host} is alive and holds the lock; it stays",
                hint=f"stop that process first (kill -INT {holder.pid} lets it finish cleanly)",
            )
        try:
            self._write(b"")
        finally:
            self._drop()
        return holder


def _locked(path: Path, holder: Owner | None) -> Locked:
    if holder is None:
        return Locked(f"another process holds the lock {path}", hint="wait for it, or give --lock-timeout 5m")
    elsewhere = holder.host != socket.gethostname()
    remedy = (
        f"if that run is dead, flowplan force-unlock {holder.id}" if elsewhere else "give --lock-timeout 5m to wait"
    )
    return Locked(f"the lock {path} is held by {holder.who}", detail=holder.describe(), hint=remedy)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat(follow_symlinks=False)
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def boot_id() -> str:
    """The kernel's id of this boot, or "" where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return str(os.getuid())


def ci_run(environ: Mapping[str, Any]) -> str | None:
    """The address of the CI run, for whoever finds the lock."""
    if run := environ.get("GITHUB_RUN_ID"):
        return f"{environ.get('GITHUB_SERVER_URL', '')}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
    return environ.get("CI_JOB_URL") or environ.get("BUILD_URL") or environ.get("CIRCLE_BUILD_URL") or None
