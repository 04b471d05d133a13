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
    """A change of a resource has failed, or what --wait waits for did not come, which is called "waiting" where nothing
    else was done to the bid; a `diagnostic` says why."""

    type: Literal["apply_errored"]
    action: str


class Outputs(_Event):
    """The outputs of the stack after an apply, by their names."""

    type: Literal["outputs"]
    outputs: dict[str, OutputValue]


class WatchFinding(_Event):
    """What a round of the watch has found about an address that is other than at the round before. `over`: there is
    nothing to say about it any more, and nothing else is given. `act`: what the watch does about it, `done`: it is;
    `asks`: a person is to decide. Prices and limits in dollars per instance-hour, null where they are unknown."""

    type: Literal["watch_finding"]
    over: bool
    kind: NotRequired[str]
    said: NotRequired[str]
    act: NotRequired[str | None]
    done: NotRequired[bool]
    asks: NotRequired[bool]
    why_not: NotRequired[str | None]
    id: NotRequired[str | None]
    status: NotRequired[str | None]
    price: NotRequired[str | None]
    to_win: NotRequired[str | None]
    limit_price: NotRequired[str | None]
    new_limit_price: NotRequired[str | None]


class WatchRound(_Event):
    """The end of a round of the watch. `at`: by the server's clock, null: it did not answer. `findings`: how many of
    each kind; `acted`: the addresses of which something was done; `differs`: something is not as it is written, and
    stays so; `next_in_seconds`: until the next round, null: there is none."""

    type: Literal["watch_round"]
    at: str | None
    findings: dict[str, int]
    acted: list[str]
    differs: bool
    failed: bool
    next_in_seconds: float | None


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
    | WatchFinding
    | WatchRound
    | ApplySummary
)
