"""Which process this is, and whether one that left its name in a lock is alive."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowplan.masking import without_userinfo
from flowplan.model.owner import SCOPE, Owner

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_PROCESSES = "/proc"
_EXITING = 0x4  # PF_EXITING of the kernel, among the flags of a process
_CONTAINED = ("/.dockerenv", "/run/.containerenv")  # where the machine's id is that of an image, and many have it


def this_process(command: str, environ: Mapping[str, str], now: str) -> Owner:
    """The owner entry of the running process."""
    import socket  # what who takes a lock pays

    host = socket.gethostname()
    return Owner(
        id=str(uuid.uuid4()),
        who=f"{_user()}@{host}",
        host=host,
        pid=os.getpid(),
        boot=boot_id(),
        started=_start_of(os.getpid()),
        command=command,
        since=now,
        ci=without_userinfo(ci_run(environ) or "") or None,
        machine=_machine_id(environ),
        scope=SCOPE,
    )


Fate: TypeAlias = Literal["dead", "alive", "unknown"]


def fate_of(left: Owner, here: Owner) -> Fate:
    """What has become of `left`, whose flock is free as seen by `here`.

    One boot is one kernel, whatever its containers call themselves: who ran in it and has no flock is dead, unless the
    process is there to be seen (a file system that keeps no locks between its clients). A boot that is over took its
    processes with it; which machine it was of, its id and its name must both say. Anything else is not known.
    """
    if not left.boot or not here.boot:
        return "unknown"
    if left.boot == here.boot:
        itself = (left.pid, left.started) == (here.pid, here.started)
        return "alive" if left.started and not itself and _start_of(left.pid) == left.started else "dead"
    same = left.machine != "" and (left.machine, left.host) == (here.machine, here.host)
    return "dead" if same else "unknown"


def how_to_wake(left: Owner) -> str | None:
    """What to type to let a process of this machine go on that somebody has stopped, as Ctrl-Z does; None: it is not.
    It holds its lock until then, and obeys no signal that would end it cleanly."""
    if not left.started or left.boot != boot_id() or _stat_of(left.pid) != ("T", left.started):
        return None
    return f"that run is stopped (Ctrl-Z): fg in its terminal, or kill -CONT {left.pid}, lets it go on"


def boot_id() -> str:
    """The kernel's id of this boot, or "" where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """What tells the numbers of this process's namespace from those of others under the same kernel; "" where there is
    none."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _machine_id(environ: Mapping[str, str]) -> str:
    """The id of this machine, the same after a boot; "" where there is none that is its own."""
    if any(map(os.path.exists, _CONTAINED)) or environ.get("KUBERNETES_SERVICE_HOST") or environ.get("container"):
        return ""
    for name in _MACHINE_IDS:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found = Path(name).read_text().strip()
            if re.fullmatch("[0-9a-f]{32}", found):  # not "uninitialized", as an image has it
                return found
    return ""


def _start_of(pid: int) -> str:
    """When a process started, in clock ticks since the boot; "": it is not there, or has ended (a zombie)."""
    state, started = _stat_of(pid)
    return started if state not in ("Z", "X") else ""


def _stat_of(pid: int) -> tuple[str, str]:
    """The state of a process, a letter, and when it started; "" and "": it is not there."""
    try:
        numbers = Path(f"{_PROCESSES}/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    # One that was killed gives its flock back a moment before it is a zombie, and looks as if it ran until then.
    is_ending = int(numbers[6]) & _EXITING
    return "X" if is_ending else numbers[0], numbers[19]


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return str(os.getuid())


def ci_run(environ: Mapping[str, Any]) -> str | None:
    """The address of the CI run, for those who find the lock."""
    if run := environ.get("GITHUB_RUN_ID"):
        return f"{environ.get('GITHUB_SERVER_URL', '')}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
    return environ.get("CI_JOB_URL") or environ.get("BUILD_URL") or environ.get("CIRCLE_BUILD_URL") or None
