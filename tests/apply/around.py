"""The surroundings of a run whose parts are tried one by one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import define, field

from flowplan.apply.interfaces import Surroundings
from flowplan.apply.working_state import WorkingState
from flowplan.apply.works import Works
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Transport
from flowplan.errors import FlowplanError
from flowplan.planning.actions import Change
from flowplan.planning.steps import Step
from flowplan.startup import script
from flowplan.state.records import Intent, Record

NOW = 2000.0  # seconds, by every clock


@define
class Memory:
    """A journal, and somebody who listens, that both end with the test."""

    records: list[Record] = field(factory=list)
    heard: list[str] = field(factory=list)

    def append(self, records: Iterable[Record]) -> None:
        self.records += records

    def overflow(self, records: Iterable[Record]) -> Path | None:
        self.records += records
        return None

    def started(self, step: Step, change: Change) -> None:
        self.heard.append(f"started {step}")

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        self.heard.append(f"{step} goes on")

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        self.heard.append(f"done {step} {id}")

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        self.heard.append(f"failed {step}: {error}")

    def note(self, text: str) -> None:
        self.heard.append(text)


def nowhere() -> Fcp:
    """A cloud that makes requests and never sends one."""
    return Fcp(Transport("https://api.example.test", None, environ={}))


def around(cloud: Fcp | None = None, memory: Memory | None = None) -> Surroundings:
    """Time stands still, and no wait takes any."""
    memory = memory or Memory()
    return Surroundings(
        cloud=cloud or nowhere(),
        journal=memory,
        render=script.render,
        events=memory,
        clock=Clock(lambda: NOW, lambda: NOW, lambda _: None, boot_id="boot"),
        hold_lock=lambda: None,
    )


def works(working: WorkingState, *absent: Intent, cloud: Fcp | None = None) -> Works:
    """The works of a run in which `absent` was proved not to have happened."""
    return Works(around(cloud), working, timeout=60.0, endpoint="https://api", announce=lambda _: None, absent=absent)
