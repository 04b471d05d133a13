"""Directories that only the user may enter. The only place that makes one."""

from __future__ import annotations

from pathlib import Path

MODE = 0o700


def make_directory(path: Path) -> None:
    """Make `path` and what is missing above it, each of mode 0700. What exists stays as it is. Raises OSError."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=MODE, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(path))
