"""The local lockfile: one mutating command at a time in a directory.

flock excludes; the JSON inside tells who, also where flock does not reach: on another machine. The file is never
renamed and never removed: a second process would then lock another inode. A dead owner's lock is free at once, because
the kernel frees it. A free lock that names somebody was left by a run that died, or it is held by one that this kernel
cannot see: `fate_of` decides, and never by the name of a host.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

from attrs import asdict, define, fields

from flowplan.backends.processes import Fate, fate_of
from flowplan.errors import FlowplanError, Locked, NoLocks, StateError
from flowplan.files.regular import read_regular
from flowplan.model.owner import Owner

NAME = "flowplan.lock"
_SIZE_LIMIT = 64 * 1024
_POLL = 0.1  # seconds between tries while waiting: flock has no time limit of its own


@define
class _Opened:
    """A lock's file, open; `written`: what this process has said of itself in it."""

    path: Path
    file: FileIO
    written: bytes = b""

    def write(self, data: bytes) -> None:
        """Make `data` all that is in it. Raises OSError."""
        descriptor = self.file.fileno()
        os.ftruncate(descriptor, 0)
        done = 0
        while done < len(data):  # the system may take it in pieces
            done += os.pwrite(descriptor, data[done:], done)

    def is_in_place(self) -> bool:
        """Whether the path still leads to it."""
        try:
            there = self.path.stat(follow_symlinks=False)
            here = os.fstat(self.file.fileno())
        except (OSError, ValueError):  # ValueError: it was closed meanwhile
            return False
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

    def names_us(self) -> bool:
        """Whether it still says what we wrote: looked at often, so its bytes are compared, not read again."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed meanwhile
            return self.written != b"" and os.pread(self.file.fileno(), _SIZE_LIMIT, 0) == self.written
        return False


class Lock:
    """The lock in the file at `path`, beside the state: `store.StateLock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: _Opened | None = None  # while the lock is held

    @property
    def name(self) -> str:
        return str(self.path)

    def out_of_reach(self) -> str | None:
        if os.access(self.path.absolute().parent, os.W_OK):
            return None
        return "this directory cannot be written, so the lock is not taken"

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the lock, waiting up to `timeout` seconds. Raises Locked with who holds it, NoLocks where files cannot
        be locked."""
        deadline = time.monotonic() + timeout
        waiting = False
        while (blocked := self._blocked(owner, say)) is not None:
            if time.monotonic() >= deadline or stopped():
                raise blocked
            if not waiting:
                holder = self.holder()
                say(f"waiting up to {timeout:g} s for the lock held by {holder.who if holder else 'another process'}")
                waiting = True
            time.sleep(_POLL)

    def _blocked(self, owner: Owner, say: Callable[[str], None]) -> Locked | None:
        """Take the lock; what is in the way, if it cannot be taken."""
        opened = self._try()
        if opened is None:
            return _held(self.path, self.holder(), owner)
        left = self.holder()
        fate = "dead" if left is None else fate_of(left, owner)
        if left is not None and fate != "dead":
            self._drop()
            return _left(self.path, left, fate)
        if left is not None:
            say(f"the run of {left.who} since {left.since} ({left.command}) died; taking over its lock")
        self._sign(opened, owner)
        return None

    def _try(self) -> _Opened | None:
        """The file, if flock gives it to us. Raises NoLocks, StateError."""
        try:
            opened = self._opened = _Opened(self.path, FileIO(self.path, "r+", opener=_descriptor_of))
        except OSError as error:
            raise StateError(f"the lock {self.path} cannot be opened: {error.strerror}") from error
        taken = False
        try:
            if not stat.S_ISREG(os.fstat(opened.file.fileno()).st_mode):
                raise StateError(f"the lock {self.path} is not a regular file", hint="remove it")
            fcntl.flock(opened.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = opened.is_in_place()
        except BlockingIOError:
            pass
        except OSError as error:
            raise NoLocks(
                f"{self.path} cannot be locked: {error.strerror}; flowplan changes nothing without a lock",
                hint="keep the state on a file system that supports locks (--state FILE); for a read-only "
                "command, give --no-lock",
            ) from error
        finally:
            if not taken:
                self._drop()
        return opened if taken else None

    def _sign(self, opened: _Opened, owner: Owner) -> None:
        """Write who we are into the file."""
        data = opened.written = json.dumps(asdict(owner)).encode()
        try:
            opened.write(data)
        except OSError as error:
            self._drop()
            raise StateError(f"the lock {self.path} cannot be written: {error.strerror}") from error

    def holder(self) -> Owner | None:
        """Who the file names, or None when it names nobody (or nobody can tell)."""
        try:
            data = read_regular(self.path, _SIZE_LIMIT)
            return _owner(json.loads(data)) if data.strip() else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def held(self) -> bool:
        """Whether some process holds the lock right now."""
        if not self.path.exists():
            return False
        if self._try() is None:
            return True
        self._drop()
        return False

    def verify(self) -> None:
        """Raise StateError unless the lock is still ours: the file in place, and our name in it."""
        opened = self._opened
        if opened is None or not opened.is_in_place() or not opened.names_us():
            raise StateError(
                f"the lock {self.path} was taken away while this command ran; flowplan changes nothing more",
                hint="run the same command again",
            )

    def release(self) -> None:
        """Empty and release the file. Never raises an error: the work is done by then. After KeyboardInterrupt it may
        be called again, and releases what is still held."""
        opened = self._opened
        if opened is None:
            return
        try:
            if opened.written and opened.is_in_place():
                os.ftruncate(opened.file.fileno(), 0)
        except (OSError, ValueError):  # a stale name in the file is harmless: the lock itself is flock's
            pass
        finally:
            self._drop()

    def _drop(self) -> None:
        """Release the lock, also where a process that was forked meanwhile has the file open too."""
        opened = self._opened
        if opened is None:
            return
        opened.written = b""  # first: a release again empties nothing that another run has written since
        file = opened.file
        if not file.closed:
            with contextlib.suppress(OSError):  # the kernel releases the lock even when it complains
                fcntl.flock(file, fcntl.LOCK_UN)
            with contextlib.suppress(OSError):
                file.close()
        self._opened = None

    def break_(self, id: str, here: Owner) -> Owner:
        """Remove the name of `id` from the file; `here`: who asks. Raises FlowplanError when another holds it, or
        nobody, or one that is alive."""
        holder = self.holder()
        if holder is None:
            raise FlowplanError(f"nobody holds the lock {self.path}")
        if holder.id != id:
            raise FlowplanError(f"the lock has the id {holder.id}, not {id}; it stays", hint=None)
        taken = self._try()
        if taken is None or fate_of(holder, here) == "alive":
            self._drop()
            raise FlowplanError(
                f"process {holder.pid} on {holder.host} is alive and holds the lock; it stays",
                hint=f"stop that process first (kill -INT {holder.pid} lets it finish cleanly)",
            )
        try:
            taken.write(b"")
        except OSError as error:
            raise StateError(f"the lock {self.path} cannot be written: {error.strerror}") from error
        finally:
            self._drop()
        return holder


def _held(path: Path, holder: Owner | None, here: Owner) -> Locked:
    """Another process has the lock."""
    if holder is None:
        return Locked(f"another process holds the lock {path}", hint="wait for it, or give --lock-timeout 5m")
    near = holder.boot == here.boot
    remedy = "give --lock-timeout 5m to wait" if near else f"if that run is dead, flowplan force-unlock {holder.id}"
    return Locked(f"the lock {path} is held by {holder.who}", detail=holder.describe(), hint=remedy)


def _left(path: Path, left: Owner, fate: Fate) -> Locked:
    """Nobody has the lock as this machine sees it, and yet it may be held by `left`."""
    if fate == "alive":
        return Locked(
            f"process {left.pid} ({left.command}) is alive, and {path} names it",
            detail=f"{left.describe()}\nthe lock itself is free: this file system does not support locks",
            hint="give --lock-timeout 5m to wait, and keep the state on a file system that supports locks",
        )
    return Locked(
        f"the lock {path} is held by {left.who}; this machine cannot check whether that run is alive",
        detail=left.describe(),
        hint=f"if it is dead, flowplan force-unlock {left.id}",
    )


def _owner(record: Any) -> Owner | None:
    """The owner that `record` describes; a newer flowplan may say more of itself. Raises ValueError, TypeError."""
    known = {one.name: record[one.name] for one in fields(Owner) if one.name in record}
    kinds: dict[str, Any] = {"pid": int, "ci": str | None}
    if not all(isinstance(value, kinds.get(name, str)) for name, value in known.items()):
        raise ValueError("not an owner")
    return Owner(**known)


def _descriptor_of(path: str, flags: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
