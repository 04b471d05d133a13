"""Writing files that are complete or not there at all, whatever happens in between.

Every error of the operating system becomes a StateError: what could not be made durable did not happen.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowplan.errors import NoRoom, StateError, Unwritten
from flowplan.patterns import regex

PRIVATE = 0o600
_TEMPORARY = ".flowplan-tmp"
WRITABLE = "free some space, or make the directory writable, and run the same command again"
ANSWERS = "look whether the disk, or the server of this file system, answers, and run the same command again"
SHORTER = "give it a shorter name: some files beside it have longer ones"
MOUNTED = "something is mounted at this file itself: mount its directory instead"
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM = (*FULL, errno.EACCES, errno.EROFS, errno.EPERM)  # against which WRITABLE helps
# Of a link, or of permissions, where the file system has none: exFAT, CIFS, the folder of a virtual machine.
_HAS_NONE = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
# Of the sync of a directory, where the file system has none: vboxsf and older CIFS, 9P, gocryptfs. A rename there is as
# durable as that file system makes it.
_NO_DIRECTORY_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_IN_THE_WAY = (errno.EBUSY, errno.EXDEV)  # of a rename: a mount
_ESCAPED = regex(rb"[ \t\n\\#]")
_LIMITS = (errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.ENOMEM)


def replace_file(path: Path, data: bytes, *, through_link: bool = True, mode: int = PRIVATE) -> None:
    """Make `path` hold exactly `data`, with the permissions `mode` where the file system has any, durably; a reader
    sees all of the old or all of the new.

    The temporary file stands beside the target, so that the rename stays within one file system. A symlink is
    followed, not replaced, if it leads to a file or to nothing; without `through_link` it is replaced itself: no file
    of flowplan's own is a link, and what somebody made one leads to is not flowplan's. When the device fails (EIO), a
    second file is written and read back, once, since after a failed sync nothing written before is to be trusted; it
    is an error anyway. Raises StateError.
    """
    target = Path(os.path.realpath(path)) if through_link else path
    with durable(path):
        _hold_replaceable(path, target)
        try:
            _replace(target, data, mode)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            _replace(target, data, mode, proven=True)
            raise


def create_file(path: Path, data: bytes) -> bool:
    """Make `path`, which is not there yet, hold exactly `data`, durably. False: there is something, which stays as it
    is. Raises StateError."""
    temporary = _temporary(path)
    with durable(path):
        try:
            _write_new(temporary, data, PRIVATE)
            take_name(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(path.parent)
    return True


def take_name(complete: Path, path: Path) -> None:
    """Give the file `complete` the name `path`; afterwards it may have its own, too. Where there are no links, `path`
    is an empty file for a moment, and stays one after a kill in it. Raises FileExistsError where there is something,
    which stays as it is, and OSError."""
    try:
        os.link(complete, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _HAS_NONE:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        try:
            complete.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _hold_replaceable(path: Path, target: Path) -> None:
    """Raise StateError for a device, which a rename would take away from the whole machine, and for anything but a file
    at the end of a link."""
    with suppress(FileNotFoundError):
        mode = target.stat(follow_symlinks=False).st_mode
        if is_device(mode) or (path.is_symlink() and target != path and not stat.S_ISREG(mode)):
            raise StateError(
                f"{path} leads to {target}, which is not a regular file; flowplan leaves it alone", hint=None
            )


def _replace(target: Path, data: bytes, mode: int, *, proven: bool = False) -> None:
    temporary = _temporary(target)
    try:
        _write_new(temporary, data, mode)
        if proven and temporary.read_bytes() != data:
            raise OSError(errno.EIO, "the file reads back differently")
        temporary.replace(target)
    except BaseException:  # an interruption, too: whoever looks here next may write nothing, and so sweep nothing
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def _temporary(target: Path) -> Path:
    """What is written first, to take the place of `target`."""
    return target.with_name(f"{target.name}{_TEMPORARY}.{os.getpid()}")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, PRIVATE)
    except FileExistsError:  # left by a run that died with our pid; ours to remove, under the lock
        path.unlink()
        descriptor = os.open(path, flags, PRIVATE)
    try:
        _set_mode(descriptor, mode)
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_mode(descriptor: int, mode: int) -> None:
    """Set the permissions of a file that has just been made. Raises OSError."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in _HAS_NONE:
            raise


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`: the system may take it in pieces. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        if written == 0:
            raise OSError(errno.EIO, "the system wrote nothing")
        view, offset = view[written:], offset + written


def sync_directory(path: Path) -> None:
    """Make renames in `path` durable, as far as its file system can. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(descriptor)


def hold_trusted(path: Path) -> None:
    """Raise StateError when `path` is another user's, or anybody on this machine may replace it: by writing it, or
    into its directory. Root's files, and whatever root is given to work with, pass."""
    with suppress(OSError):  # what is not there nobody has tampered with
        owner = path.stat().st_uid
        if owner not in (os.geteuid(), 0) and os.geteuid() != 0:
            raise StateError(
                f"{path} belongs to another user (uid {owner}): flowplan does not trust somebody else's state",
                hint="run flowplan as that user, or copy the file",
            )
    hold_no_device(path)
    for one, mode in ((path, stat.S_IWOTH), (path.absolute().parent, stat.S_IWOTH | stat.S_ISVTX)):
        try:
            found = one.stat().st_mode
        except OSError:  # what is not there nobody has tampered with
            continue
        if found & mode == stat.S_IWOTH:
            raise StateError(
                f"anyone can write to {one} (mode {stat.S_IMODE(found):04o}): flowplan does not trust a state there",
                hint=f"chmod o-w {one}; if its mode stays as it is, its file system has no permissions: mount that "
                "with umask=022, or keep the state on another one",
            )


def hold_not_mounted(*paths: Path) -> None:
    """Raise NoRoom where something is mounted at one of these files itself, as far as the system tells: it can be
    written, and not replaced."""
    with suppress(OSError):
        mounts = {line.split(b" ", 5)[4] for line in Path("/proc/self/mountinfo").read_bytes().splitlines()}
        for path in paths:
            name = _ESCAPED.sub(lambda found: b"\\%03o" % ord(found[0]), os.fsencode(os.path.realpath(path)))
            if name in mounts:
                raise NoRoom(f"{path} could not be replaced: {os.strerror(errno.EBUSY)}", hint=MOUNTED)


def hold_short(*paths: Path) -> None:
    """Raise StateError where the name of one of these files is too long for its file system, or leaves no room for that
    of the temporary file by which it is replaced."""
    for path in paths:
        with durable(path), suppress(FileNotFoundError):
            _temporary(Path(os.path.realpath(path))).lstat()


def hold_no_device(path: Path) -> None:
    """Raise StateError when `path` is a device, or a link to one."""
    with suppress(OSError):
        if is_device(path.stat().st_mode):
            raise StateError(f"{path} is a device, not a regular file", hint="name another file, or move it away")


def is_device(mode: int) -> bool:
    """Whether a file of this `st_mode` is a device."""
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def sweep(directory: Path, name: str | None) -> None:
    """Remove temporary files that killed runs left for `name`; None: for any. Only under the lock."""
    which = "*" if name is None else glob.escape(name)
    for left in directory.glob(f"{which}{_TEMPORARY}.*"):
        left.unlink(missing_ok=True)


@contextmanager
def durable(path: Path) -> Iterator[None]:
    """Turn an OSError inside into a StateError that names `path`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        said = f"{path} could not be made durable: {reason}"
        hint = MOUNTED if error.errno in _IN_THE_WAY else remedy_of(error)
        kind = NoRoom if error.errno in (*NO_ROOM, *_IN_THE_WAY, *_LIMITS) else Unwritten
        raise kind(said, hint=hint) from error


def remedy_of(error: OSError) -> str | None:
    """What helps against `error` of a file that is written; None: who tells of it knows."""
    if error.errno in _LIMITS:
        return None
    if error.errno == errno.ENAMETOOLONG:
        return SHORTER
    return WRITABLE if error.errno in NO_ROOM else ANSWERS


def room_in(directory: Path) -> int | None:
    """The bytes that this process can still write in `directory`; 0 also where no file can be made any more. None: that
    is not known, also where quotas count."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    if found.f_files and not found.f_favail:
        return 0
    return found.f_frsize * (found.f_bavail if os.geteuid() else found.f_bfree)
