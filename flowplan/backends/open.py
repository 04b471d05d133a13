"""Which store a state has. Today there is one kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flowplan.backends.local import DEFAULT, LocalStore
from flowplan.backends.store import Store


def state_path(directory: Path, given: str = DEFAULT) -> Path:
    """The state file that `given` names, seen from `directory`. Links are followed, so that every link to a state
    takes the same lock and writes the same journal."""
    path = directory / given
    # Of a name that is too long, islink says no, and raises nothing.
    return Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114


def open_store(path: Path, overflow: Path | None = None, hold: Callable[[], None] = lambda: None) -> Store:
    """The store of the state at `path`; nothing is read or written yet. One run uses one store: what it has read is
    what its save puts an end to.

    `overflow`: the directory for results that the journal cannot take; None: there is none. `hold` is called before
    each write, and raises StateError when the lock is not ours.
    """
    return LocalStore(path, overflow, hold)
