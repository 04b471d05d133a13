"""What a PATH means on the disk: which names are those of configuration files, and which lead to one and the same."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

DEFAULT = "flowplan.yaml"
SUFFIXES = (".yaml", ".yml")
CASES = (".test.yaml", ".test.yml")  # what `flowplan test` runs, beside the stack that it is about


def without_file(name: str) -> str:
    """What a source is called that is no file, but the task `name` of a program."""
    return f"<task {name}>"


def has_no_file(entry: str) -> bool:
    """Whether it is such a source, below any directory."""
    return re.fullmatch(r"<task [^/]+>", os.path.basename(entry)) is not None  # noqa: PTH119


def plain(path: str, here: Path) -> str:
    """One spelling of a path, as messages have it."""
    whole = here / path
    # `link/..` is beside what the link leads to, not beside the link.
    there = Path(entry_of(str(whole)) if ".." in whole.parent.parts else os.path.normpath(whole))
    if whole.name == "..":
        there = Path(os.path.realpath(whole))
    return str(there.relative_to(here)) if there.is_relative_to(here) else str(there)


def is_directory(path: Path) -> bool:
    """Whether a directory is there, or a link to one; what cannot be looked at is none."""
    try:
        return path.is_dir()
    except OSError:  # a name that is too long: reading it says so
        return False


def in_directory(path: str, directory: Path) -> list[str]:
    """The configuration files directly in the directory `path`, which stands in `directory`, in order. Raises
    OSError."""
    entries = [entry.name for entry in (directory / path).iterdir()]
    found = [
        Path(path) / name for name in entries if name.endswith(SUFFIXES) and not name.endswith(CASES) and name[0] != "."
    ]
    return sorted(map(str, found))


def entry_of(path: str) -> str:
    """`path` in its real directory; of a link it is the link itself, which may lead elsewhere tomorrow."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118


def leads_to(path: str) -> frozenset[str]:
    """What `path` leads to: the real path, and the number of a file that has several names."""
    real = os.path.realpath(path)
    with suppress(OSError):
        found = os.stat(real)  # noqa: PTH116
        if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
            return frozenset((real, f"{found.st_dev}:{found.st_ino}"))
    return frozenset((real,))
