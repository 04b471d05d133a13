"""A store whose calls fail, or are the last of their process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends import open_journal
from flowplan.files import atomic as files


class Killed(BaseException):
    """The process is gone at this call: nothing after it happens, not even cleaning up."""


CALLS = ("open", "pwrite", "fsync", "fdatasync", "ftruncate", "posix_fallocate", "fchmod")


class Faulty:
    """`os` whose n-th call fails: `kill` before it happens, or an OSError in its place. Afterwards, when
    killed, every further call fails too."""

    def __init__(self, at: int, errno: int | None) -> None:
        self.at, self.errno, self.calls, self.dead = at, errno, 0, False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self.wrap(real) if name in CALLS else real

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Killed
            self.calls += 1
            if self.calls == self.at:
                if self.errno is None:
                    self.dead = True
                    raise Killed
                raise OSError(self.errno, os.strerror(self.errno))
            return real(*args, **kwargs)

        return call


def faults(at: int, errno: int | None, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    faulty = Faulty(at, errno)
    for module in (files, open_journal):
        monkeypatch.setattr(module, "os", faulty)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: faulty.wrap(lambda: replace(self, target))())
    unlink = Path.unlink

    def unlink_unless_dead(self: Path, missing_ok: bool = False) -> None:
        if not faulty.dead:
            unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_unless_dead)
    return faulty


def every_point() -> Iterator[int]:
    """A run makes fewer calls than this; the test says how many there were."""
    yield from range(1, 200)
