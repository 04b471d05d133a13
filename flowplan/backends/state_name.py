"""Which file a state is in, by what `--state` says: nothing of it is opened."""

from __future__ import annotations

import os
from pathlib import Path

from flowplan.errors import UsageProblem
from flowplan.files.atomic import hold_no_device
from flowplan.printable import shown

DEFAULT = "flowplan.state.json"


def file_of(given: str, directory: Path) -> Path:
    """The file of the state that is called `given` in `directory`. Links are followed, so that every link to a state
    takes the same lock and writes the same journal. Raises UsageProblem for a state that cannot be a file, StateError
    for a device."""
    path = directory / given
    _hold_file(path, given)
    # Of a name that is too long, islink says no, and raises nothing.
    return Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114


def _hold_file(path: Path, given: str) -> None:
    if given.endswith("/") or os.path.isdir(path):  # noqa: PTH112 - of a name that is too long it says no
        name = shown(str(Path(given) / DEFAULT))
        raise UsageProblem(f"--state {shown(given)} is a directory", hint=f"name the file in it: --state {name}")
    hold_no_device(path)  # before a lock is put beside it
    if is_lock_name(path.name) or given.endswith((".journal", "-journal", ".json.backup")):
        raise UsageProblem(
            f"--state {shown(given)}: flowplan uses this name for a lock, a journal or a backup",
            hint="choose another name",
        )


def is_lock_name(name: str) -> bool:
    """Whether a file called so may be the lock of a state."""
    return name.endswith((".lock", "-lock"))
