"""The state, as its file has it; its addresses; one resource of it."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from flowplan.documents.shapes.common import Amount, Disk, Pair


class Script(TypedDict):
    sha256: str
    size: int


class Mount(TypedDict):
    volume: str
    mount_point: str
    interface: str
    volume_name: str
    created: NotRequired[bool]


class Image(TypedDict):
    image_name: str
    build_context: str | None
    run_options: str | None


class Inputs(TypedDict):
    startup_script: Script | None
    ports: list[Pair]
    mounts: list[Mount]
    local_disks: list[Disk]
    container_image: Image | None
    given_sha256: str | None
    unordered_sha256: NotRequired[str]


class Bid(TypedDict):
    name: str
    instance_type: str
    region: str
    instance_quantity: int
    limit_price: Amount
    ssh_keys: list[str]
    volumes: list[str]
    paused: bool
    memory_gb: int | None
    inputs: Inputs | None
    instance_type_name: str
    ssh_key_names: list[str]
    gpus: int | None


class Volume(TypedDict):
    name: str
    size_gb: int
    interface: str
    region: str


class Ports(TypedDict):
    bid: str
    pairs: list[Pair]


class Bounds(TypedDict):
    """When a task ends, as the run that recorded it read it; null: no such bound."""

    max_hours: str | None
    max_cost: Amount | None
    end_at: str | None
    cancel_when_done: bool


class _Bound(TypedDict):
    address: str
    id: str
    needs: list[str]
    generation: int
    source: str
    ended: NotRequired[str]
    protected: NotRequired[str]
    lifetime: NotRequired[Bounds]


class BoundBid(_Bound):
    type: Literal["bid"]
    applied: Bid


class BoundVolume(_Bound):
    type: Literal["volume"]
    applied: Volume


class BoundPorts(_Bound):
    type: Literal["ports"]
    applied: Ports


Bound: TypeAlias = BoundBid | BoundVolume | BoundPorts


class AppliedPlan(TypedDict):
    sha256: str
    at: str
    serial: int


class Paid(TypedDict):
    """A bid that an address had. `amount`: dollars that it was billed; null: no bill was read. `at`: when the first
    bill was read (seconds since the epoch); `hours`: the instance-hours that `amount` is for, by the bill of `read_at`.
    """

    address: str
    amount: Amount | None
    at: float
    hours: NotRequired[str]
    read_at: NotRequired[float]


class StateDocument(TypedDict):
    format_version: int
    flowplan_version: str
    lineage: str
    serial: int
    stack: str
    api_url: str
    project: str
    project_name: str
    resources: list[Bound]
    outputs: dict[str, Any]
    released: NotRequired[list[str]]
    adopted: NotRequired[list[str]]
    plans: NotRequired[list[AppliedPlan]]
    put_back: NotRequired[int]
    ended: NotRequired[dict[str, float]]
    name_prefix: NotRequired[str]
    paid: NotRequired[dict[str, Paid]]
    paid_since: NotRequired[int]
    moved_to: NotRequired[str]
    moving_from: NotRequired[str]
    sha256: str


class Listed(TypedDict):
    address: str
    type: Literal["bid", "volume", "ports"]
    id: str


class AddressesDocument(TypedDict):
    format_version: str
    resources: list[Listed]


class ResourceDocument(TypedDict):
    format_version: str
    resource: Bound


class ReleasedDocument(TypedDict):
    format_version: str
    released: Listed


class Move(TypedDict):
    previous_address: str
    address: str


class MovedDocument(TypedDict):
    format_version: str
    moved: list[Move]


class PushedDocument(TypedDict):
    format_version: str
    lineage: str
    serial: int


class RekeyedDocument(TypedDict):
    """`state rekey --format json`: who can open the state now ("passphrase": with one), how many versions were
    encrypted again, and how many stay as they were because they do not read."""

    format_version: str
    serial: int
    recipients: list[str]
    versions: int
    unread: int


# `from` and `to` name the places; `serial` is that of the state now; `versions` counts those that are kept there,
# `pending` the operations in doubt; `already`: an earlier run had moved it.
MigratedDocument = TypedDict(
    "MigratedDocument",
    {
        "format_version": str,
        "from": str,
        "to": str,
        "lineage": str,
        "serial": int,
        "resources": int,
        "versions": int,
        "pending": int,
        "already": bool,
    },
)


class RestoredDocument(TypedDict):
    format_version: str
    of: Literal["backup", "state"]
    serial: int
    damaged: list[str]
    doubled: dict[str, list[str]]
