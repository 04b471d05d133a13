"""The points of a command at which something can go wrong, counted, and what happens at one of them.

A point is a call of the operating system on a file that flowplan writes (in the working directory; the simulator's
data are below it), a request about to be sent, or an answer just received, of the cloud or of the state's server. Their
numbers are the same in every run of the same command in the same place, as long as one call to the cloud is made at a
time.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from attrs import define, field

from tests.faults.state_calls import watch_state

Kind = Literal["write", "sync", "rename", "file", "sent", "answer", "asked", "replied"]
CALLS: dict[str, Kind] = {
    "pwrite": "write",
    "fsync": "sync",
    "fdatasync": "sync",
    "replace": "rename",
    "open": "file",
    "ftruncate": "file",
    "fchmod": "file",
    "posix_fallocate": "file",
    "unlink": "file",
    "close": "file",
}
REMEMBERED = "watch.json"  # what a watch remembers: its name is made of the place
GROWS = ("pwrite", "posix_fallocate", "open")  # what a full disk refuses

Act = Literal[
    "kill",  # SIGKILL before the call, before the request, or after the request was executed
    "torn",  # SIGKILL when half of the write is done
    "power",  # what was not synced is lost, names of files too; then SIGKILL
    "ENOSPC",  # the call fails once, with this
    "EIO",
    "short",  # the write takes half, and says so
    "short, ENOSPC",  # and the next write on the same file fails
    "full",  # from here on there is no room for anything
    "reset",  # the connection breaks: before the request is executed, or after that
]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@define
class Points:
    """Counts the points of this process from `install` on; at number `at` (from 1), `act` happens."""

    root: Path
    at: int = 0
    act: Act = "kill"
    passed: list[str] = field(factory=list)  # "kind call of what", in order
    happened: bool = False
    _disk: SyncedDisk | None = None
    _broken: int | None = None  # the descriptor that is to fail at its next write
    _lock: Any = field(factory=threading.RLock)

    def install(self) -> None:
        if self.act == "power":
            self._disk = SyncedDisk(self.root)
        for name in CALLS:
            setattr(os, name, self._watched(name, getattr(os, name)))
        from flowplan.cloud.inside import Inside

        Inside.send = self._sending(Inside.send)  # type: ignore[method-assign]
        watch_state(self._act_on_state)

    # -- the calls

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(target: Any, *args: Any, **kwargs: Any) -> Any:
            path = self._ours(target)
            if path is None:
                return real(target, *args, **kwargs)
            with self._lock:
                here = self._pass(f"{CALLS[name]} {name} {_stem(path)}")
                if here or self.happened:
                    taken = self._act_on_file(name, real, target, args, here=here)
                    if taken is not None:
                        return taken
                new = name == "open" and not path.exists()
                result = real(target, *args, **kwargs)
                if self._disk is not None:
                    self._disk.follow(name, path, target, new=new)
                return result

        return call

    def _ours(self, target: Any) -> Path | None:
        """The file of ours that `target`, a path or a descriptor, is."""
        try:
            path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else Path(target).absolute()
        except OSError:
            return None
        within = path.parent in (self.root, self.root / ".flowplan" / "watch")
        return path if path == self.root or (within and path.suffix != ".yaml") else None

    def _pass(self, label: str) -> bool:
        self.passed.append(label)
        here = len(self.passed) == self.at
        self.happened = self.happened or here
        return here

    def _act_on_file(self, name: str, real: Callable[..., Any], target: Any, args: Any, *, here: bool) -> int | None:
        """Do what is to happen now; what a shortened write took, or None when the call goes on as usual."""
        if self.act == "full" and name in GROWS and not (name == "open" and _exists_or_reads(target, args)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if name == "pwrite" and target == self._broken:
            self._broken = None
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not here:
            return None
        if self.act == "power" and self._disk is not None:
            self._disk.lose()
        if self.act in ("kill", "power"):
            die()
        if self.act in ("ENOSPC", "EIO"):
            if name == "close":
                real(target)  # a failed close has closed
            number = getattr(errno, self.act)
            raise OSError(number, os.strerror(number))
        if self.act in ("torn", "short", "short, ENOSPC") and name == "pwrite":
            data, offset = args
            half = max(len(data) // 2, 1)
            taken: int = real(target, bytes(data[:half]), offset)
            if self.act == "torn":
                die()
            if self.act == "short, ENOSPC":
                self._broken = target
            return taken
        return None

    def _sending(self, real: Callable[..., Any]) -> Callable[..., Any]:
        from flowplan.cloud.http.response import LOST, Reply

        def send(wire: Any, request: Any, own_id: str, patience: Any) -> Any:
            what = f"{request.method} {'/'.join(request.url.partition('?')[0].split('/')[4:6])}"
            lost = Reply(None, {}, b"", own_id, LOST, os.strerror(errno.ECONNRESET))
            if self._resets(f"sent {what}"):
                return lost
            reply = real(wire, request, own_id, patience)
            return lost if self._resets(f"answer {what}") else reply

        return send

    def _act_on_state(self, label: str) -> None:
        if self._resets(label):
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def _resets(self, label: str) -> bool:
        """Whether the connection is to be reset here; where the process is to end, it ends."""
        with self._lock:
            if not self._pass(label):
                return False
            if self.act == "power" and self._disk is not None:
                self._disk.lose()
            if self.act in ("kill", "power"):
                die()
        return self.act == "reset"


def _stem(path: Path) -> str:
    """The name of a file without what changes from run to run."""
    if path.parent.name == "watch" and ".json.lock" not in path.name:
        return f"{REMEMBERED}{'~' if '.flowplan-tmp' in path.name else ''}"
    return path.name.partition(".flowplan-tmp")[0] + ("~" if ".flowplan-tmp" in path.name else "")


def _exists_or_reads(target: Any, args: Any) -> bool:
    return not args[0] & os.O_CREAT or Path(target).exists()


class SyncedDisk:
    """What of a directory survives when the power fails, at worst: the content that each file had at its last sync,
    and the names that the directory had at its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content: dict[int, bytes] = {path.stat().st_ino: path.read_bytes() for path in self._files()}
        self.names: dict[str, int] = self._listed()

    def _files(self) -> list[Path]:
        return [path for path in self.root.iterdir() if path.is_file()]

    def _listed(self) -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in self._files()}

    def follow(self, call: str, path: Path, target: Any, *, new: bool) -> None:
        if call == "open" and new and path.exists():
            self.content.pop(path.stat().st_ino, None)  # the number of a file that is no more, used again
        if CALLS[call] != "sync":
            return
        if path == self.root:
            self.names = self._listed()
        else:
            self.content[os.fstat(target).st_ino] = Path(f"/proc/self/fd/{target}").read_bytes()

    def lose(self) -> None:
        for path in self._files():
            kept = self.names.get(path.name)
            if kept is None or path.stat().st_ino != kept or path.read_bytes() != self.content.get(kept, b""):
                path.unlink()
        for name, inode in self.names.items():
            path = self.root / name
            if not path.exists():
                path.touch(mode=0o600)
                path.write_bytes(self.content.get(inode, b""))
