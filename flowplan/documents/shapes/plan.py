"""A plan, as it is printed and saved."""

from typing import Generic, Literal, NotRequired, TypeAlias, TypedDict, TypeVar, final

from flowplan.documents.shapes.common import Amount, Disk, Image, Mount, Pair, Place, Said, Stack
from flowplan.documents.shapes.cost import BidCost, Totals, VolumeCost
from flowplan.documents.shapes.offers import Candidate
from flowplan.documents.shapes.outputs import PlannedOutput
from flowplan.documents.shapes.what_if import WhatIf
from flowplan.planning.plan import Mode

R = TypeVar("R")


class PlannedStack(Stack):
    """The stack that a plan is for. `paths`: what the plan was made of."""

    serial: int
    paths: list[str]
    config_sha256: str
    state: NotRequired[str]  # where it is, for any other place than the file in the directory


class SealedStack(PlannedStack):
    """With the digest of all that the plan was made from, live objects included."""

    observed_sha256: str


class Script(TypedDict):
    """The user's startup script. `text`: with --show-scripts, without what looks like a credential."""

    sha256: str
    size: int
    text: NotRequired[str]


Running: TypeAlias = Literal["new", "none", "same", "differs", "rewritten", "unknown"]


class ScriptShown(TypedDict):
    """The startup script of a bid that is placed, with --show-scripts. `running`: beside what ran before: nothing did
    (`new`), it had no script (`none`), the same one, one that differs, or so much that only the new one is shown
    (`rewritten`); `unknown`: the API does not show it. `lines`: as in a unified diff, each begins with "+", "-", " " or
    "@@"."""

    running: Running
    lines: list[str]


class Given(TypedDict):
    """What an instance is given; null where it is not known."""

    startup_script: Script | None
    mounts: list[Mount] | None
    local_disks: list[Disk] | None
    container_image: Image | None


class Bid(Given):
    """A bid as it is or is to be. `limit_price`: dollars per instance-hour, null where the API does not report it, as
    `instance_quantity`; `memory_gb`: GB of each instance."""

    name: str
    instance_type: str
    instance_type_name: str
    region: str
    instance_quantity: int | None
    limit_price: Amount | None
    volumes: list[str]
    ssh_keys: list[str]
    ssh_key_names: list[str]
    paused: bool
    memory_gb: int | None


class Volume(TypedDict):
    """A volume as it is or is to be. `size_gb` null: the API does not report it. `capacity_gb`: GB that are paid for,
    where they differ."""

    name: str
    size_gb: int | None
    interface: Literal["Block", "File"]
    region: str
    capacity_gb: NotRequired[int]


Ports: TypeAlias = list[Pair]


class AfterUnknown(TypedDict, total=False):
    """What is known only once the change is done."""

    id: bool
    volumes: list[bool]


class Change(TypedDict, Generic[R]):
    """What happens to a resource: its `actions` as Terraform names them, and how it is before and after.
    `replace_paths`: the fields because of which it is replaced."""

    actions: list[str]
    before: R | None
    after: R | None
    after_unknown: AfterUnknown
    replace_paths: list[list[str]]


class WaitsFor(TypedDict):
    """How far another task must be before this one is placed."""

    address: str
    until: str


class Lifetime(TypedDict):
    """When a task ends, whichever comes first; null: no such bound. `worst`: what `max_hours` cost at the limit;
    `shuts_down`: whether its instances shut themselves down at these bounds, but for `max_cost`. `kept_by`: what keeps
    it from ending the bid, for people; absent: nothing."""

    max_hours: str | None
    max_cost: Amount | None
    end_at: str | None
    when_done: str | None
    worst: Amount | None
    shuts_down: NotRequired[bool]
    kept_by: NotRequired[str]


class Ending(TypedDict, total=False):
    """Where a task could go, when it ends, and what it waits for."""

    candidates: list[Candidate]  # the best first; absent: nothing was to choose
    lifetime: Lifetime  # absent: it runs until somebody cancels it
    waits_for: list[WaitsFor]  # absent: it waits for no task


class _Entry(Ending):
    address: str
    name: str
    id: str | None
    action_reason: str | None
    note: str | None
    status: str | None
    needs: list[str]
    source: Place | None
    previous_address: NotRequired[str]


class BidEntry(_Entry):
    """`script`: with --show-scripts, of a bid that is placed. `raised_from`: the limit price in the files, in dollars
    per instance-hour, where `after` has one that the watch has raised. `cost`: as planned; of a bid that goes, what it
    costs as it is."""

    type: Literal["bid"]
    raised_from: NotRequired[Amount]
    script: NotRequired[ScriptShown]
    change: Change[Bid]
    cost: BidCost | None


class VolumeEntry(_Entry):
    """A volume of the plan."""

    type: Literal["volume"]
    change: Change[Volume]
    cost: VolumeCost | None


class PortsEntry(_Entry):
    """The port mappings of a bid in the plan. They cost nothing."""

    type: Literal["ports"]
    change: Change[Ports]
    cost: None


Entry: TypeAlias = BidEntry | VolumeEntry | PortsEntry

Summary = TypedDict(
    "Summary",
    {
        "create": int,
        "update": int,
        "replace": int,
        "delete": int,
        "no-op": int,
        "read": int,
        "forget": int,
        "import": int,
    },
)


class Selection(TypedDict):
    """Which part of the stack a plan covers, as it was asked for; `left_out`: what else would change."""

    target: list[str]
    exclude: list[str]
    left_out: list[str]


class VariableGiven(TypedDict):
    """The value of a variable that was given, as --var takes it; null: it is sensitive, and kept nowhere."""

    value: str | None
    sensitive: bool


class SensitiveValues(TypedDict):
    """Keyed digests of the values of sensitive variables; `key`: by which the key is known."""

    key: str
    variables: dict[str, str]


class _LeftAlone(TypedDict):
    """A live resource of which no file was given. `file` null: none is known to have named it; `file_exists` false: it
    is gone."""

    address: str
    id: str
    status: str | None
    file: str | None
    file_exists: bool


class BidLeftAlone(_LeftAlone):
    """A bid that the plan leaves alone; it keeps costing money."""

    type: Literal["bid"]
    cost: BidCost | None


class VolumeLeftAlone(_LeftAlone):
    """A volume that the plan leaves alone; it keeps costing money."""

    type: Literal["volume"]
    cost: VolumeCost


ResourceLeftAlone: TypeAlias = BidLeftAlone | VolumeLeftAlone


class HourOf(TypedDict):
    """Dollars an hour; null: a price is unknown."""

    now: Amount | None
    worst: Amount | None


class LeftAlone(TypedDict):
    """What a plan leaves alone, and what is paid with that in all: `hour` for it alone, `current` and `planned` with
    what the plan is about."""

    resources: list[ResourceLeftAlone]
    hour: HourOf
    current: HourOf
    planned: HourOf


class ChangeGuard(TypedDict):
    """A limit on how much of what is `there` a plan may update, replace and delete."""

    guard: Literal["max_changes"]
    limit: str
    changed: int
    there: int
    refused: bool
    source: Place | None


class PastPrices(TypedDict):
    """The price changes of an auction in which bids of the plan are, the oldest first; each holds until the next, the
    last one `until` the server's now. `complete`: none is left out."""

    instance_type: str
    instance_type_name: str
    region: str
    reserve: Amount | None
    complete: bool
    until: str
    timestamps: list[str]
    spot_prices: list[Amount]


class _Verdict(TypedDict):
    format_version: str
    flowplan_version: str
    timestamp: str
    complete: bool
    applyable: bool
    errored: bool
    diagnostics: list[Said]


@final
class FailedPlan(_Verdict):
    """Of a plan that did not come about. `exit_code`: what the command ends with."""

    exit_code: int


class PlanBody(_Verdict):
    """What a plan has whether its digests are there or not: all that people are shown. `exit_code`: what a command ends
    with that is refused this plan; absent, where nothing refuses it. `policies`: files of rules given beside the
    configuration, with their texts: an apply of the saved plan is held to them, too."""

    exit_code: NotRequired[int]
    mode: Mode
    resource_changes: list[Entry]
    resource_drift: list[Entry]
    summary: Summary
    cost: Totals
    outputs: dict[str, PlannedOutput]
    variables: NotRequired[dict[str, VariableGiven]]
    sensitive: NotRequired[SensitiveValues]
    what_if: NotRequired[WhatIf]
    price_history: NotRequired[list[PastPrices]]
    selection: NotRequired[Selection]
    guards: NotRequired[list[ChangeGuard]]
    left_alone: NotRequired[LeftAlone]
    policies: NotRequired[dict[str, str]]


@final
class PlanDocument(PlanBody):
    """A plan without its digests."""

    stack: PlannedStack


@final
class SealedPlan(PlanBody):
    """A plan as a program reads it, and as it is saved: `stack` has the digest of what was seen."""

    stack: SealedStack
    sha256: str
    hmac_sha256: NotRequired[str]
