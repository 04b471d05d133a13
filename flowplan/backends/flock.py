"""Files that are locked by flock, exclusively or shared with others."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from io import FileIO
from pathlib import Path

from attrs import field

from flowplan.classes import define
from flowplan.errors import NoLocks, StateError
from flowplan.files.atomic import ANSWERS, NO_ROOM, WRITABLE

SIZE_LIMIT = 64 * 1024  # bytes of a name
_AWAY = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)  # of a file system that may be well again


@define
class Opened:
    """A lock's file, open; `identity`: which file it is; `written`: what this process has said of itself in it."""

    path: Path
    file: FileIO
    identity: tuple[int, int]
    written: bytes = b""

    @classmethod
    def at(cls, path: Path) -> Opened:
        """The file at `path`, made if it is not there. Raises StateError."""
        try:
            file = FileIO(path, "r+", opener=_descriptor_of)
            return cls(path, file, _identity(os.fstat(file.fileno())))
        except OSError as error:
            hint = WRITABLE if error.errno in NO_ROOM else ANSWERS if error.errno in _AWAY else None
            if error.errno in (errno.EACCES, errno.EPERM) and os.path.lexists(path):
                hint = "make the lock's file readable and writable for you, or run as its owner"
            if error.errno in (errno.ELOOP, errno.EISDIR):
                hint = "remove it: it is no file that flowplan wrote"
            raise StateError(f"the lock {path} cannot be opened: {error.strerror}", hint=hint) from error

    def lock(self, *, shared: bool) -> bool:
        """Whether flock gives it to us, and the path still leads to it. Raises NoLocks, StateError."""
        try:
            if not stat.S_ISREG(os.fstat(self.file.fileno()).st_mode):
                raise StateError(f"the lock {self.path} is not a regular file", hint="remove it")
            fcntl.flock(self.file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return self.is_in_place()
        except BlockingIOError:
            return False
        except OSError as error:
            keep = "keep the state on a file system that supports locks (--state FILE)"
            raise NoLocks(
                f"{self.path} cannot be locked: {error.strerror}; flowplan changes nothing without a lock",
                hint=f"{ANSWERS}; or {keep}" if error.errno in _AWAY else keep,
            ) from error

    def read(self) -> bytes:
        """What is in it. Raises StateError: what cannot be read may name somebody."""
        try:
            return os.pread(self.file.fileno(), SIZE_LIMIT, 0)
        except OSError as error:
            raise StateError(f"the lock {self.path} cannot be read: {error.strerror}", hint=ANSWERS) from error

    def write(self, data: bytes) -> None:
        """Make `data` all that is in it. Raises OSError."""
        descriptor = self.file.fileno()
        os.ftruncate(descriptor, 0)
        done = 0
        while done < len(data):  # the system may take it in pieces
            done += os.pwrite(descriptor, data[done:], done)

    def is_in_place(self) -> bool:
        """Whether the path still leads to it: no other file gets its number while it is open."""
        with contextlib.suppress(OSError):
            return not self.file.closed and _identity(self.path.lstat()) == self.identity
        return False

    def names_us(self) -> bool:
        """Whether it still says what we wrote, which may be nothing (a full disk): looked at often, so its bytes are
        compared, not read again."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed meanwhile
            return os.pread(self.file.fileno(), SIZE_LIMIT, 0) == self.written
        return False

    def close(self) -> None:
        """Unlock and close it; a second time does nothing. Raises no error."""
        if not self.file.closed:
            with contextlib.suppress(OSError):  # the kernel releases the lock even when it complains
                fcntl.flock(self.file, fcntl.LOCK_UN)
            with contextlib.suppress(OSError):
                self.file.close()


@define
class Flock:
    """The file at `path`, which is locked together with another one: exclusively, or `shared` with all that share it.
    `names`: it names runs of its own, for messages."""

    path: Path
    shared: bool
    names: bool
    _opened: Opened | None = field(default=None, init=False)

    def take(self) -> bool:
        """Whether flock gives it to us. Raises NoLocks, StateError."""
        taken = False
        try:
            opened = self._opened = Opened.at(self.path)
            taken = opened.lock(shared=self.shared)
        finally:
            if not taken:
                self.drop()
        return taken

    def read(self) -> bytes:
        """What is in it while it is taken. Raises StateError."""
        return b"" if self._opened is None else self._opened.read()

    def is_in_place(self) -> bool:
        """Whether what is taken still stands at `path`: nobody has removed it, or put another file there."""
        return self._opened is not None and self._opened.is_in_place()

    def drop(self) -> None:
        """Close what is opened, which gives the lock back; without one it does nothing."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _descriptor_of(path: str, flags: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
