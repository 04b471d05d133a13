"""An open journal, of one run: it is written to only where this run left it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from attrs import field

from flowplan.classes import define
from flowplan.errors import StateError
from flowplan.files.atomic import PRIVATE, write_all

_CLOSED = -1  # no descriptor: what asks the system with it fails
# Of an allocation on a file system without them (NFS 4.1, FUSE): glibc then writes by itself, musl (Alpine) does not.
_NO_ALLOCATING = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_SIGHT = 64  # bytes looked at on either side of the end


@define
class OpenJournal:
    """The file at `path`, open, with complete frames up to `end` (bytes).

    A run that lost its lock may find a journal that its successor continues: an end that has moved, or
    another file. And a file whose directory was removed takes writes that nobody will ever read.
    """

    path: Path
    end: int
    _descriptor: int = field(init=False)
    _tail: bytes = field(init=False)  # what stands before the end

    def __attrs_post_init__(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, PRIVATE)
        try:
            os.ftruncate(self._descriptor, self.end)  # whatever was torn, or allocated ahead
            self._tail = os.pread(self._descriptor, _SIGHT, max(self.end - _SIGHT, 0))
        except OSError:
            self.close()
            raise

    def reserve(self, size: int) -> None:
        """Allocate `size` bytes after the end, or write that many where the system allocates none there. Raises
        OSError, and StateError where another run has written there since."""
        try:
            os.posix_fallocate(self._descriptor, self.end, size)
        except OSError as error:
            if error.errno not in _NO_ALLOCATING:
                raise
            self._hold_as_left(self._descriptor)  # unlike an allocation, zeros take away what is there
            write_all(self._descriptor, bytes(size), self.end)

    def write(self, data: bytes) -> None:
        """Add `data`; it is durable, and found at `path`, when this returns. Raises OSError and StateError, and then
        takes nothing any more: after a failed sync the kernel may have dropped the pages."""
        descriptor = self._descriptor
        if descriptor == _CLOSED:
            raise StateError(f"{self.path} is closed after an error")
        try:
            self._hold_as_left(descriptor)
            write_all(descriptor, data, self.end)
            os.fdatasync(descriptor)
            self._hold_there(descriptor)
        except (OSError, StateError):
            self.close()
            raise
        self.end += len(data)
        self._tail = (self._tail + data)[-_SIGHT:]

    def _hold_as_left(self, descriptor: int) -> None:
        self._hold_there(descriptor)
        seen = os.pread(descriptor, 2 * _SIGHT, self.end - len(self._tail))
        if not seen.startswith(self._tail) or seen[len(self._tail) :].strip(b"\0"):
            raise StateError(f"{self.path} was written by another run while this command ran; flowplan leaves it alone")

    def _hold_there(self, descriptor: int) -> None:
        """Raise StateError unless `path` leads to what is open."""
        here = os.fstat(descriptor)
        try:
            there = self.path.stat(follow_symlinks=False)
        except OSError as error:
            raise StateError(f"{self.path} was removed while this command ran: {error.strerror}") from error
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise StateError(f"{self.path} was replaced while this command ran; flowplan leaves it alone")

    def give_back(self) -> None:
        """Give back what is allocated after the end, unless somebody else has written there. Raises OSError."""
        if self._descriptor != _CLOSED:
            with suppress(StateError):
                self._hold_as_left(self._descriptor)
                os.ftruncate(self._descriptor, self.end)

    def close(self) -> None:
        """Close it; a second time does nothing. Raises OSError when the system says only now that a write failed."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)
