"""The repository that a directory is in, as its files say. git is not run."""

from __future__ import annotations

import os
from pathlib import Path

from flowplan.documents.checkout import Checkout


def root_of(directory: Path) -> Path | None:
    """The top directory of the repository that `directory` is in; None: it is in none. Raises OSError."""
    here = Path(os.path.realpath(directory))
    return next((one for one in (here, *here.parents) if (one / ".git").exists()), None)


def checkout_of(directory: Path) -> Checkout:
    """How files that are named from `directory` are named from the top of its repository."""
    try:
        root = root_of(directory)
    except OSError:
        root = None
    return Checkout(os.path.realpath(directory), None if root is None else str(root))
