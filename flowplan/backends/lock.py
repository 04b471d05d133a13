"""The local lockfiles: one mutating command at a time for each state.

flock excludes; the JSON inside tells who, also where flock does not reach: on another machine. The files are never
renamed and never removed: a second process would then lock another inode. A dead owner's lock is free at once, because
the kernel frees it. A free lock that names somebody was left by a run that died, or it is held by one that this kernel
cannot see: `fate_of` decides, and never by the name of a host.

Two files are locked for each state: one of its own, exclusively, and `flowplan.lock`, which all states of a directory
share. Earlier versions lock `flowplan.lock` exclusively, whatever the state: they and this one keep each other out. The
name of who holds the lock of the default state stands in `flowplan.lock`, as it always did.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import asdict, fields

from flowplan.backends.flock import SIZE_LIMIT, Flock, Opened
from flowplan.backends.processes import Fate, fate_of, how_to_wake
from flowplan.backends.store import StateLock
from flowplan.errors import FlowplanError, Locked, StateError
from flowplan.files.atomic import FULL, remedy_of
from flowplan.files.regular import read_regular
from flowplan.model.owner import SCOPE, Owner

NAME = "flowplan.lock"  # of a directory
_POLL = 0.1  # seconds between tries while waiting: flock has no time limit of its own


class Lock(StateLock):
    """The lock whose holder the file at `path` names: `store.StateLock`. `also`: what is locked with it; `path` itself
    is locked exclusively, or `shared`. `state`: the file that it is for, None: no state's."""

    def __init__(
        self, path: Path, also: Flock | None = None, *, shared: bool = False, state: Path | None = None
    ) -> None:
        self.path, self._state = path, state
        self._also, self._shared = also, shared
        self._opened: Opened | None = None  # while the lock is held

    @property
    def name(self) -> str:
        return str(self.path)

    def out_of_reach(self) -> str | None:
        from flowplan.backends.room import no_room

        return no_room(self.path.absolute().parent)

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the lock, waiting up to `timeout` seconds. Raises Locked with who holds it, NoLocks where files cannot
        be locked."""
        from flowplan.backends.room import copy_named  # who only looks takes no lock
        from flowplan.backends.waiting import wait_for

        with copy_named(self._state):
            wait_for(
                lambda: self._blocked(owner, say),
                held=self._held_by,
                timeout=timeout,
                poll=_POLL,
                say=say,
                stopped=stopped,
            )

    def _held_by(self) -> str:
        holder = self.holder()
        return f"held by {holder.who if holder else 'another process'}"

    def _blocked(self, owner: Owner, say: Callable[[str], None]) -> Locked | None:
        """Take the lock; what is in the way, if it cannot be taken."""
        also = self._also
        if also is not None and not also.take():
            path = also.path if also.names else self.path
            return _held(path, holder_in(path), owner)
        opened = self._try()
        if opened is None:
            return _held(self.path, holder_in(self.path), owner)
        try:
            blocked, left = self._left_by_an_earlier_version(owner), owner_in(opened.read())
        except StateError:
            self._drop()
            raise
        if blocked is not None:
            self._drop()
            return blocked
        fate = "dead" if left is None else fate_of(left, owner)
        if left is not None and fate != "dead":
            self._drop()
            return _left(self.path, left, fate)
        if left is not None:
            say(f"the run of {left.who} since {left.since} ({left.command}) died; taking over its lock")
        self._sign(opened, owner, say)
        return None

    def _left_by_an_earlier_version(self, owner: Owner) -> Locked | None:
        """What a name in the directory's lock stands in the way of: an earlier version may have any state of it."""
        also = self._also
        left = owner_in(also.read()) if also is not None and also.names else None
        if also is None or left is None or left.scope == SCOPE:
            return None
        fate = fate_of(left, owner)
        return None if fate == "dead" else _left(also.path, left, fate)

    def _taken(self) -> Opened | None:
        """All of it, if flock gives it to us. Raises NoLocks, StateError."""
        return self._try() if self._also is None or self._also.take() else None

    def _try(self) -> Opened | None:
        """The file itself, if flock gives it to us; without it, nothing. Raises NoLocks, StateError."""
        taken = False
        try:
            opened = self._opened = Opened.at(self.path)  # known first: an interruption right after it drops it, too
            taken = opened.lock(shared=self._shared)
        finally:
            if not taken:
                self._drop()
        return opened if taken else None

    def _sign(self, opened: Opened, owner: Owner, say: Callable[[str], None]) -> None:
        """Write who we are into the file. On a full disk it is locked without a name: to stop what runs, that will do,
        and nothing is begun without room for the journal."""
        data = opened.written = json.dumps(asdict(owner)).encode()
        try:
            opened.write(data)
        except OSError as error:
            if error.errno in FULL:
                with suppress(OSError):
                    opened.written = b""
                    opened.write(b"")
                    return say(f"the lock {self.path} names nobody: {error.strerror}")
            self._drop()
            raise StateError(
                f"the lock {self.path} cannot be written: {error.strerror}",
                hint=remedy_of(error),
            ) from error

    def holder(self) -> Owner | None:
        """Who the file names, or the directory's one of an earlier version, or None when they name nobody (or nobody
        can tell)."""
        return holder_in(self.path) or self._earlier()

    def _earlier(self) -> Owner | None:
        """Who an earlier version has named in the directory's lock: it may have any state of it."""
        also = self._also
        left = holder_in(also.path) if also is not None and also.names else None
        return None if left is None or left.scope == SCOPE else left

    def held(self) -> bool:
        """Whether some process holds the lock right now."""
        if not self.path.exists() and self._earlier() is None:
            return False
        if self._taken() is None:
            return True
        self._drop()
        return False

    def verify(self) -> None:
        """Raise StateError unless the lock is still ours: the files in place, and our name in it."""
        opened, also = self._opened, self._also
        in_place = opened is not None and opened.is_in_place() and (also is None or also.is_in_place())
        if opened is None or not in_place or not opened.names_us():
            raise StateError(
                f"the lock {self.path} was taken away while this command ran; flowplan changes nothing more",
                hint="run the same command again",
            )

    def release(self) -> None:
        """Empty and release the file. Never raises an error: the work is done by then. After KeyboardInterrupt it may
        be called again, and releases what is still held."""
        opened = self._opened
        try:
            if opened is not None and opened.written and opened.is_in_place():
                os.ftruncate(opened.file.fileno(), 0)
        except (OSError, ValueError):  # a stale name in the file is harmless: the lock itself is flock's
            pass
        finally:
            self._drop()

    def _drop(self) -> None:
        """Release the lock, also where a process that was forked meanwhile has the file open too."""
        opened = self._opened
        if opened is not None:
            opened.written = b""  # first: a release again empties nothing that another run has written since
            opened.close()
        if self._also is not None:
            self._also.drop()
        self._opened = None

    def break_(self, id: str, here: Owner) -> Owner:
        """Remove the name of `id` from the file; `here`: who asks. Raises FlowplanError when another holds it, or
        nobody, or one that is alive."""
        holder, also, left = holder_in(self.path), self._also, self._earlier()
        if also is not None and left is not None and left.id == id:
            return Lock(also.path).break_(id, here)
        if holder is None:
            raise FlowplanError(f"nobody holds the lock {self.path}")
        if holder.id != id:
            raise FlowplanError(f"the lock has the id {holder.id}, not {id}; it stays", hint=None)
        taken = self._taken()
        if taken is None or fate_of(holder, here) == "alive":
            self._drop()
            raise FlowplanError(
                f"process {holder.pid} on {holder.host} is alive and holds the lock; it stays",
                hint=how_to_wake(holder) or f"stop that process first (kill -INT {holder.pid} lets it finish cleanly)",
            )
        try:
            taken.write(b"")
        except OSError as error:
            raise StateError(
                f"the lock {self.path} cannot be written: {error.strerror}", hint=remedy_of(error)
            ) from error
        finally:
            self._drop()
        return holder


def lock_of(state: Path, default: str) -> Lock:
    """The lock of the state file `state`; `default` is the name of a state that has the directory's."""
    directory, own = state.with_name(NAME), state.with_name(_own_name(state.name))
    if state.name == default:
        return Lock(directory, Flock(own, shared=False, names=False), shared=True, state=state)
    return Lock(own, Flock(directory, shared=True, names=True), state=state)


def _own_name(state: str) -> str:
    """The name of the file that only runs of the state called so lock; no two states have the same."""
    stem = state.removesuffix(".json")
    own = f"{stem}.lock" if stem != state else f"{state}-lock"
    return own if own != NAME else f"{state}-lock"


def holder_in(path: Path) -> Owner | None:
    """Who the lock in the file at `path` names; None: nobody, or it cannot be seen."""
    try:
        return owner_in(read_regular(path, SIZE_LIMIT))
    except OSError:
        return None


def owner_in(data: bytes) -> Owner | None:
    """Who `data`, the content of a lock's file, names; None: nobody, or nobody that can be known."""
    try:
        return _owner(json.loads(data)) if data.strip() else None
    except (ValueError, TypeError, RecursionError):
        return None


def _held(path: Path, holder: Owner | None, here: Owner) -> Locked:
    """Another process has the lock."""
    if holder is None:
        return Locked(f"another process holds the lock {path}", hint="wait for it, or give --lock-timeout 5m")
    near = holder.boot == here.boot
    remedy = "give --lock-timeout 5m to wait" if near else f"if that run is dead, flowplan force-unlock {holder.id}"
    hint = how_to_wake(holder) or remedy
    return Locked(f"the lock {path} is held by {holder.who}", detail=holder.describe(), hint=hint)


def _left(path: Path, left: Owner, fate: Fate) -> Locked:
    """Nobody has the lock as this machine sees it, and yet it may be held by `left`."""
    if fate == "alive":
        return Locked(
            f"process {left.pid} ({left.command}) is alive, and {path} names it",
            detail=f"{left.describe()}\nthe lock itself is free: this file system does not support locks",
            hint=how_to_wake(left)
            or "give --lock-timeout 5m to wait, and keep the state on a file system that supports locks",
        )
    return Locked(
        f"the lock {path} is held by {left.who}; this machine cannot check whether that run is alive",
        detail=left.describe(),
        hint=f"if it is dead, flowplan force-unlock {left.id}",
    )


def _owner(record: Any) -> Owner | None:
    """The owner that `record` describes; a newer flowplan may say more of itself. Raises ValueError, TypeError."""
    known = {one.name: record[one.name] for one in fields(Owner) if one.name in record}
    kinds: dict[str, Any] = {"pid": int, "ci": str | None}
    if not all(isinstance(value, kinds.get(name, str)) for name, value in known.items()):
        raise ValueError("not an owner")
    return Owner(**known)
