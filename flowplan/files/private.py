"""Directories: whether there is one, and those that only the user may enter. The only place that makes one."""

from __future__ import annotations

import stat
from pathlib import Path

MODE = 0o700


def make_directory(path: Path) -> None:
    """Make `path` and what is missing above it, each of mode 0700. What exists stays as it is. Raises OSError."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=MODE, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(path))


def is_absent(path: Path) -> bool:
    """Whether there is proved to be nothing at `path`; what cannot be looked at may be there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_missing(directory: Path) -> bool:
    """Whether that is proved to be no directory; one that cannot be looked at may be one."""
    try:
        return not stat.S_ISDIR(directory.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
