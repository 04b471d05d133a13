"""What a run does to the outside, point by point, and what is left of it when the process or the machine goes.

`Points.watch()` wraps the calls by which flowplan changes files and asks the cloud. At the n-th of them it does what
it was told: kill the process, cut the power, or send a signal. A power cut is worse than a kill: what was written and
not synced is gone, and so are files that were made or renamed in a directory that was not synced.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import define, field, frozen

Way = Literal["kill", "power", "power, names kept", "power, last name kept", "signal"]
WAYS: tuple[Way, ...] = get_args(Way)
_CHANGES = ("pwrite", "ftruncate", "posix_fallocate")
_SYNCS = ("fsync", "fdatasync")
_replace, _open = os.replace, os.open


@frozen
class Cut:
    """What happens at the `at`-th point, counted from 1."""

    way: Way
    at: int


@define
class Disk:
    """What would be lost: contents since the last sync of each file, and names since the last of each directory."""

    contents: dict[Path, bytes] = field(factory=dict)  # of files with unsynced writes: as they were last synced
    names: list[tuple[Path, bytes | None]] = field(factory=list)  # a name, and what it named before; oldest first

    def opens(self, name: str | Path, flags: int) -> None:
        path = Path(name).resolve()
        if flags & os.O_CREAT and not path.exists():
            self.names.append((path, None))
            self.contents[path] = b""

    def changes(self, descriptor: int) -> None:
        path = _path_of(descriptor)
        if path not in self.contents:
            self.contents[path] = path.read_bytes()

    def syncs(self, descriptor: int) -> None:
        path = _path_of(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self.names = [(name, before) for name, before in self.names if name.parent != path]
        else:
            self.contents.pop(path, None)

    def renames(self, source: str | Path, target: str | Path) -> None:
        source, target = Path(source).resolve(), Path(target).resolve()
        before = self.contents.pop(target, None)
        if before is None and target.exists():
            before = target.read_bytes()
        self.names.append((target, before))
        if source in self.contents:
            self.contents[target] = self.contents.pop(source)

    def lose(self, way: Way) -> None:
        """Contents go that were not synced; and of the names all, none, or all but each directory's last: a file
        system keeps their order only where it was told to."""
        for path, content in self.contents.items():
            if path.exists():
                path.write_bytes(content)
        if way == "power, names kept":
            return
        last = {name.parent: at for at, (name, _) in enumerate(self.names)} if way == "power, last name kept" else {}
        lost = [one for at, one in enumerate(self.names) if at not in last.values()]
        for path, before in reversed(lost):
            if before is not None:
                path.write_bytes(before)
            else:
                path.unlink(missing_ok=True)


class Points:
    """Counts the points of this process from `watch()` on; `cut` happens at one of them."""

    def __init__(self, cut: Cut | None) -> None:
        self.cut, self.count, self.disk = cut, 0, Disk()
        self._lock = threading.RLock()

    def watch(self) -> None:
        """For good: this is for a process that ends with the run."""
        from flowplan.cloud.inside import Inside

        for name in _CHANGES:
            self._wrap(name, lambda descriptor, *_: self.disk.changes(descriptor))
        for name in _SYNCS:
            self._wrap(name, after=lambda descriptor: self.disk.syncs(descriptor))
        self._wrap("replace", lambda source, target, **_: self.disk.renames(source, target))
        self._wrap("open", lambda path, flags, *_, **__: self.disk.opens(path, flags), point=False)
        send = Inside.send

        def sent(wire: Inside, *args: Any, **kwargs: Any) -> Any:
            self.point()
            try:
                return send(wire, *args, **kwargs)
            finally:
                self.point()

        Inside.send = sent  # type: ignore[method-assign, assignment]

    def _wrap(
        self,
        name: str,
        before: Callable[..., None] = lambda *_, **__: None,
        after: Callable[..., None] = lambda *_, **__: None,
        *,
        point: bool = True,
    ) -> None:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                if point:
                    self.point()
                before(*args, **kwargs)
                result = real(*args, **kwargs)
                after(*args, **kwargs)
                return result

        setattr(os, name, call)

    def ends(self) -> None:
        """The last point: all is said and done, and the machine goes all the same."""
        if self.cut is not None and self.cut.way != "signal":
            sys.stdout.flush()
            sys.stderr.flush()
            self.point()

    def point(self) -> None:
        with self._lock:
            self.count += 1
            if self.cut is None or self.count != self.cut.at:
                return
            if self.cut.way == "signal":
                os.kill(os.getpid(), signal.SIGINT)
                return
            if self.cut.way != "kill":
                os.replace, os.open = _replace, _open
                self.disk.lose(self.cut.way)
            os.kill(os.getpid(), signal.SIGKILL)


def _path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()
