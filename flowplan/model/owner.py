"""Who holds a lock."""

from __future__ import annotations

from flowplan.classes import frozen
from flowplan.printable import shown

SCOPE = "state"  # what a lock of this version is about; earlier ones had one for all states of a directory


@frozen
class Owner:
    """Who holds (or held) the lock. `since` is RFC 3339; `boot` the id of the kernel's boot, `started` the process's
    start within it, in clock ticks; `machine` the id that outlives boots; `scope` is SCOPE. "" and process 0:
    not known, or of an earlier version."""

    id: str
    who: str
    host: str
    pid: int
    boot: str
    started: str
    command: str
    since: str
    ci: str | None = None
    machine: str = ""
    scope: str = ""

    def describe(self) -> str:
        """Lines that say who it is, fit to be printed: id, who and process, command, since when, and the CI job, each
        if it is known."""
        lines = [
            *([f"  id       {shown(self.id)}"] if self.id else []),
            f"  who      {shown(self.who)}{f', process {shown(str(self.pid))}' if self.pid else ''}",
            *([f"  command  {shown(self.command, 400)}"] if self.command else []),
            *([f"  since    {shown(self.since)}"] if self.since else []),
        ]
        return "\n".join([*lines, f"  ci       {shown(self.ci, 200)}"] if self.ci else lines)
