"""What an apply needs of its surroundings: journal, listeners, options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from attrs import frozen

from flowplan.apply.lookup import SETTLE_WINDOW
from flowplan.errors import FlowplanError
from flowplan.model.live import Marker
from flowplan.model.resources import Bid
from flowplan.planning.plan import Change
from flowplan.planning.steps import Step
from flowplan.state.journal import Record


class Journal(Protocol):
    """Where intents and results become durable (backends/); `spill`: results that could not, in another place, which
    it returns (None: nothing had to be kept there). Both raise StateError."""

    def append(self, records: Iterable[Record]) -> None: ...
    def spill(self, records: Iterable[Record]) -> Path | None: ...


class Events(Protocol):
    """Told what happens, after it is durable. Must not raise: reports decide nothing."""

    def started(self, step: Step, change: Change) -> None: ...
    def progress(self, step: Step, change: Change, seconds: float) -> None: ...
    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None: ...
    def failed(self, step: Step, change: Change, error: FlowplanError) -> None: ...
    def note(self, text: str) -> None: ...


Render: TypeAlias = Callable[[Bid, Marker], str | None]


@frozen
class Options:
    """`settle_window` in seconds; `on_unknown` "stop" never sends a create a second time."""

    parallelism: int = 10
    settle_window: float = SETTLE_WINDOW
    on_unknown: Literal["retry", "stop"] = "retry"
    endpoint: str = ""
    timeout: float = 1800.0  # seconds for a removal, or for what --wait waits for
