"""The event stream of an apply: one of these a line."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from flowplan.documents.shapes.common import Said
from flowplan.documents.shapes.cost import Totals
from flowplan.documents.shapes.outputs import OutputValue
from flowplan.documents.shapes.plan import Summary


class _Event(TypedDict):
    timestamp: str
    address: str | None


class Version(_Event):
    """The first line of a stream: who writes it, in which format."""

    type: Literal["version"]
    flowplan: str
    format_version: str


class PlannedChange(_Event):
    """A resource that is to be changed."""

    type: Literal["planned_change"]
    actions: list[str]
    reason: str | None
    previous_address: NotRequired[str]


class ChangeSummary(_Event):
    """The end of a plan: how many changes of each kind, and what it costs."""

    type: Literal["change_summary"]
    changes: Summary
    cost: Totals


class DiagnosticEvent(_Event, Said):
    """A problem, a warning or a note."""

    type: Literal["diagnostic"]


class Started(_Event):
    """A change of a resource has begun."""

    type: Literal["apply_start"]
    action: str


class Progressed(_Event):
    """A step that is under way; or, with `action` "waiting", a placed bid that --wait waits for: its status, its limit
    and the price of its auction, in dollars per instance-hour, null where it is unknown."""

    type: Literal["apply_progress"]
    action: str
    elapsed_seconds: float
    status: NotRequired[str]
    limit_price: NotRequired[str]
    last_price: NotRequired[str | None]


class Completed(_Event):
    """A change of a resource is done, and recorded. `id`: that of the live object."""

    type: Literal["apply_complete"]
    action: str
    id: str | None
    elapsed_seconds: float


class Errored(_Event):
    """A change of a resource has failed; a `diagnostic` says why."""

    type: Literal["apply_errored"]
    action: str


class Outputs(_Event):
    """The outputs of the stack after an apply, by their names."""

    type: Literal["outputs"]
    outputs: dict[str, OutputValue]


class ApplySummary(_Event):
    """How many resources were added, changed, destroyed, forgotten, and imported where some are; how many steps failed;
    which are unknown or were not started. It is the last event. `exit_code`: what the command ends with."""

    type: Literal["summary"]
    exit_code: int
    added: int
    changed: int
    destroyed: int
    forgotten: int
    imported: NotRequired[int]
    failed: int
    unknown: list[str]
    not_started: list[str]


Event: TypeAlias = (
    Version
    | PlannedChange
    | ChangeSummary
    | DiagnosticEvent
    | Started
    | Progressed
    | Completed
    | Errored
    | Outputs
    | ApplySummary
)
