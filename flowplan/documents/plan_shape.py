"""The shape of a plan document, exactly: what `plan_json.document` makes, and nothing else. Pure.

A saved plan is held to it before anything in it is used: who reads one after that asks no field whether it is there.
Annotations are evaluated here: as text, they would not tell which keys may be missing.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, NewType, NotRequired, TypedDict, get_args, get_origin

from flowplan.model.address import Address
from flowplan.model.budget import BudgetBasis, dollars, increase
from flowplan.planning.plan import ACTIONS, Mode
from flowplan.pricing.entry import Outlook
from flowplan.state.codec import converter, reason

if TYPE_CHECKING:
    from cattrs import Converter

Amount = NewType("Amount", str)  # a decimal number as text: money, shares, times a day
Object = NewType("Object", dict[str, Any])  # a resource: its shape is its entry's type's
Cost = NewType("Cost", dict[str, Any])  # what an entry costs: likewise


class Place(TypedDict):
    file: str
    line: int
    column: int


class Project(TypedDict):
    id: str
    name: str


class Stack(TypedDict):
    name: str
    project: Project
    api_url: str
    lineage: str | None
    serial: int
    paths: list[str]
    config_sha256: str
    observed_sha256: str


# ---- resources ----------------------------------------------------------------------------------------------


class ScriptShape(TypedDict):
    sha256: str
    size: int


class MountShape(TypedDict):
    volume: str
    mount_point: str


class DiskShape(TypedDict):
    device: str
    mount_point: str


class ImageShape(TypedDict):
    image_name: str
    build_context: str | None
    run_options: str | None


class BidShape(TypedDict):
    name: str
    instance_type: str
    instance_type_name: str
    region: str
    instance_quantity: int
    limit_price: Amount
    volumes: list[str]
    ssh_keys: list[str]
    ssh_key_names: list[str]
    paused: bool
    memory_gb: int | None
    startup_script: ScriptShape | None
    mounts: list[MountShape] | None
    local_disks: list[DiskShape] | None
    container_image: ImageShape | None


class VolumeShape(TypedDict):
    name: str
    size_gb: int
    interface: Literal["Block", "File"]
    region: str
    capacity_gb: NotRequired[int]


class PairShape(TypedDict):
    external: int
    internal: int
    protocol: str


_RESOURCES: Mapping[str, Any] = {"bid": BidShape, "volume": VolumeShape, "ports": list[PairShape]}


class AfterUnknown(TypedDict, total=False):
    id: bool
    volumes: list[bool]


class ChangeShape(TypedDict):
    actions: list[str]
    before: Object | None
    after: Object | None
    after_unknown: AfterUnknown
    replace_paths: list[list[str]]


class Entry(TypedDict):
    address: str
    type: Literal["bid", "volume", "ports"]
    name: str
    id: str | None
    change: ChangeShape
    action_reason: str | None
    note: str | None
    status: str | None
    needs: list[str]
    source: Place | None
    cost: Cost | None


# ---- costs --------------------------------------------------------------------------------------------------


class BandShape(TypedDict):
    p10: Amount | None
    p50: Amount | None
    p90: Amount | None
    expected: Amount | None


class Over(BandShape):
    hours: float
    worst: Amount | None
    basis: str


class Hour(BandShape):
    now: Amount | None
    if_won: Amount | None
    worst: Amount


class BidCosts(TypedDict):
    hour: Hour
    day: Over | None
    horizon: Over | None
    month: Over | None


class Quantiles(TypedDict):
    p10: Amount | None
    p50: Amount | None
    p90: Amount | None


class Share(TypedDict):
    p10: Amount | None
    mean: Amount | None
    p90: Amount | None


class EntryPriceShape(TypedDict):
    point: Amount | None
    low: Amount | None
    high: Amount | None
    basis: str


class PerGpu(TypedDict):
    limit: Amount
    entry_price: Amount | None


class FinishShape(TypedDict):
    unit: Literal["hours"]
    work: float
    p50: Amount
    p90: Amount | None
    cost: BandShape
    seen: Amount | None


class AdviceShape(TypedDict):
    limit_for_95: Amount | None
    confidence: Amount | None
    cost_at_that_limit: Amount | None
    expected_more: Amount | None


class BidCost(TypedDict):
    unit: Literal["USD/instance-hour"]
    quantity: int
    gpus_per_instance: int | None
    limit: Amount
    reserve: Amount | None
    last_price: Amount | None
    list_price: Amount | None
    entry_price: EntryPriceShape
    per_gpu: PerGpu | None
    outlook: Outlook
    price_paid: Quantiles
    availability: Share
    preemptions_per_day: Amount | None
    cost: BidCosts
    savings_vs_limit: Amount | None
    savings_vs_list: Amount | None
    finish_time: FinishShape | None
    advice: AdviceShape | None
    warnings: list[str]
    confidence: str
    basis: str
    evidence: NotRequired[str | None]
    as_of: str | None
    market_snapshot_id: str | None
    hourlyCost: Amount | None
    monthlyCost: Amount | None


class NowAndWorst(TypedDict):
    now: Amount
    worst: Amount


class VolumeCosts(TypedDict):
    hour: NowAndWorst
    month: NowAndWorst


class VolumeCost(TypedDict):
    unit: Literal["USD/GB-month"]
    quantity: int
    price: Amount
    cost: VolumeCosts
    warnings: list[str]
    basis: str
    hourlyCost: Amount
    monthlyCost: Amount


_COSTS: Mapping[str, Any] = {"bid": BidCost, "volume": VolumeCost, "ports": None}


class TotalShape(TypedDict):
    now: Amount | None
    p50: Amount | None
    p90: Amount | None
    worst: Amount


class Part(BandShape):
    worst: Amount | None
    basis: str
    savings_vs_limit: NotRequired[Amount | None]


class Parts(TypedDict):
    current: Part
    planned: Part
    delta: Part


class Mover(TypedDict):
    address: str
    expected: Amount


class Horizon(Parts):
    hours: float
    movers: list[Mover]


class GuardShape(TypedDict):
    guard: Literal["max_hourly_cost", "max_cost_increase"]
    limit: str
    basis: BudgetBasis
    before: Amount | None
    after: Amount | None
    allowed: Amount | None
    refused: bool
    source: Place | None


class TotalsShape(TypedDict):
    unit: Literal["USD/hour"]
    current: TotalShape
    planned: TotalShape
    delta: TotalShape
    totalHourlyCost: Amount | None
    pastTotalHourlyCost: Amount | None
    diffTotalHourlyCost: Amount | None
    totalMonthlyCost: Amount | None
    pastTotalMonthlyCost: Amount | None
    diffTotalMonthlyCost: Amount | None
    horizon: Horizon | None
    month: Parts | None
    guards: list[GuardShape]


# ---- what if ------------------------------------------------------------------------------------------------


class Times(TypedDict):
    p50: Amount | None
    p90: Amount | None
    expected: Amount | None


class WorkShape(TypedDict):
    work_hours: float
    chance: Amount
    p50: Amount | None
    p90: Amount | None


class BidIf(TypedDict):
    address: str
    cost: BandShape
    runs: Amount | None
    availability: Share
    preempted: Amount | None
    preemptions_per_day: Times
    impact: Amount | None
    finish: WorkShape | None
    reason: str | None


class AuctionIf(TypedDict):
    instance_type: str
    region: str
    gpus: int | None
    room: int | None
    elasticity: Amount | None
    elasticity_from: str
    basis: str
    reason: str | None


class CostIf(BandShape):
    worst: Amount | None


Step = TypedDict("Step", {"from": Amount, "below": Amount | None, "futures": int})


class WhatIfShape(TypedDict):
    hours: float
    futures: int
    bids: list[BidIf]
    auctions: list[AuctionIf]
    storage: Amount
    cost: CostIf
    histogram: list[Step]


# ---- the whole ----------------------------------------------------------------------------------------------


class DiagnosticShape(TypedDict):
    severity: Literal["error", "warning", "note"]
    summary: str
    detail: str | None
    source: Place | None
    hint: str | None


Summary = TypedDict("Summary", dict.fromkeys(ACTIONS, int))  # type: ignore[misc]


class PlanDocument(TypedDict):
    """A sealed document, as it is saved."""

    format_version: str
    flowplan_version: str
    timestamp: str
    mode: Mode
    complete: bool
    applyable: bool
    errored: bool
    stack: Stack
    resource_changes: list[Entry]
    resource_drift: list[Entry]
    summary: Summary
    cost: TotalsShape
    outputs: dict[str, Any]
    diagnostics: list[DiagnosticShape]
    what_if: NotRequired[WhatIfShape]
    sha256: str
    hmac_sha256: NotRequired[str]


def misfit(body: Any) -> str | None:
    """In what `body` is no plan document, in one line; None: it is one."""
    try:
        _reader().structure(body, PlanDocument)
        for guard in body["cost"]["guards"]:
            (dollars if guard["guard"] == "max_hourly_cost" else increase)(guard["limit"])
    except KeyError as error:
        return f"{error} is missing"
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is no plan
        return reason(error)
    return None


@cache
def _reader() -> "Converter":
    made = converter().copy()
    made.register_structure_hook(Amount, _amount)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(float, _number)
    made.register_structure_hook_factory(_is_list, lambda kind: _list(made, kind))
    inner = made.get_structure_hook(Entry)

    def entry(value: Any, kind: Any) -> Any:
        address = Address.parse(value["address"])
        if (address.kind, address.name) != (value["type"], value["name"]):
            raise ValueError(f"{address} is not {value['type']}.{value['name']}")
        for side in ("before", "after"):
            if value["change"][side] is not None:
                made.structure(value["change"][side], _RESOURCES[address.kind])
        _hold_sides(value["change"], address)
        if value["cost"] is not None:
            made.structure(value["cost"], _COSTS[address.kind])
        return inner(value, kind)

    for opaque in (Object, Cost):
        made.register_structure_hook(opaque, lambda value, _: value)
    made.register_structure_hook(Entry, entry)
    return made


def _hold_sides(change: Mapping[str, Any], address: Address) -> None:
    """Raise ValueError for actions there are not, and for a bid or volume without what its actions are about."""
    actions = change["actions"]
    if actions not in ([*([one] for one in ACTIONS), ["delete", "create"]]):
        raise ValueError(f"{actions!r} are no actions")
    both = {"update", "no-op", "read"}.intersection(actions)
    needed = [("before", both or {"delete", "forget"}.intersection(actions))]
    needed.append(("after", both or {"create", "import"}.intersection(actions)))
    for side, needs in needed:
        if needs and address.kind != "ports" and change[side] is None:
            raise ValueError(f"{address}: {actions[0]} without {side!r}")


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list


def _list(made: "Converter", kind: Any) -> Callable[[Any, Any], Any]:
    (item,) = get_args(kind)

    def read(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise ValueError(f"expected a list, got {value!r}")
        return [made.structure(one, item) for one in value]

    return read


def _text(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a text, got {value!r}")
    value.encode()  # half of a surrogate pair is no text
    if "\0" in value:
        raise ValueError("a text holds a NUL")
    return value


def _amount(value: Any, kind: Any) -> str:
    text = _text(value, kind)
    if len(text) > 40 or not text.isascii() or not Decimal(text).is_finite():
        raise ValueError(f"{text[:40]!r} is not an amount")
    return text


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise ValueError(f"expected a number, got {value!r}")
    return float(value)
