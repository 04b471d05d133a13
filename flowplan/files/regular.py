"""Reading files: nothing waits, and nothing is read without end, whatever stands under the name.

A FIFO would hold its reader until somebody writes, a device may never end, and a file may be larger than memory. So
every file that flowplan reads as a whole is opened here. Only what somebody names on the command line to be read from
may be a stream, which is waited for.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal


@contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """The regular file `path` (links are followed), open for reading. Raises OSError, also for anything else."""
    with _regular(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        yield file


@contextmanager
def growing(path: str | Path, mode: int) -> Iterator[BinaryIO]:
    """The same, made with `mode` where there is none, and open for adding at its end, too."""
    with _regular(
        os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, mode), "a+b"
    ) as file:
        yield file


@contextmanager
def _regular(descriptor: int, how: Literal["rb", "a+b"]) -> Iterator[BinaryIO]:
    """What was opened, if it is a regular file: to open a FIFO, too, has returned at once."""
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, how, closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_regular(path: str | Path, limit: int) -> bytes:
    """The bytes of a regular file, one more than `limit` at most: who asks says what is too much. Raises OSError."""
    with opened(path) as file:
        return file.read(limit + 1)


_AWAY = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)  # of a disk, or of a server


def how_to_read(error: OSError, otherwise: str) -> str:
    """What to do about a file that `error` kept from being read; `otherwise`: where neither permission is missing nor
    what the file is on fails."""
    if isinstance(error, PermissionError):
        return "let your user read it (chmod u+r), and search each directory above it (chmod u+x)"
    if error.errno in _AWAY:
        return "the disk, or the server, that it is on does not give it: run the same command again once it does"
    return otherwise


def is_regular(path: str | Path) -> bool:
    """Whether a regular file stands there, or a link to one: not where the name is too long, or nobody may look."""
    return os.path.isfile(path)  # noqa: PTH113 - that of Path raises OSError there


def may_be_regular(path: str | Path) -> bool:
    """The same, or nobody can tell: the file system does not let it be looked at, or does not answer."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except ValueError:
        return False
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def is_stream(path: str | Path) -> bool:
    """Whether a FIFO, a terminal or another device of characters stands there, such as /dev/stdin."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def read_stream(path: str | Path, limit: int, patience: float | None = None) -> bytes | None:
    """What a stream holds until its end, one byte more than `limit` at most. Waits until somebody writes into it and
    closes it; None: that took longer than `patience` seconds. Raises OSError."""
    waits = 0 if patience is None else os.O_NONBLOCK  # opening a FIFO returns at once
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | waits), "rb") as file:
        return file.read(limit + 1) if patience is None else _within(file.fileno(), limit, patience)


def _within(descriptor: int, limit: int, patience: float) -> bytes | None:
    until = time.monotonic() + patience
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    found = bytearray()
    while len(found) <= limit:
        if not poll.poll(max(until - time.monotonic(), 0) * 1000):
            return None
        part = os.read(descriptor, limit + 1 - len(found))
        if not part:
            break
        found += part
    return bytes(found)
