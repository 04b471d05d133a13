"""Disks on which there is no room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.scenarios import STATE

WAYS_IN = (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount"))


@contextmanager
def full(*, journal: bool = False) -> Iterator[None]:
    """The state cannot be written, nor its journal, unless there is room for a `journal`; and there is no other place
    for results."""
    replace, number = os.replace, errno.ENOSPC

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def replaced(source: Path, target: Path) -> None:
        (refused if Path(target).name.startswith(STATE) else replace)(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", "/dev/null/nowhere")
        if not journal:
            patch.setattr(os, "posix_fallocate", refused)
        patch.setattr(os, "replace", replaced)
        yield
