"""The state, as its file has it; its addresses; one resource of it."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from flowplan.documents.shapes.common import Amount, Disk, Pair


class Script(TypedDict):
    """A startup script: its digest, and its size in bytes. Its text is not kept."""

    sha256: str
    size: int


class Mount(TypedDict):
    """A volume that an instance mounts; `created`: the task's file makes it."""

    volume: str
    mount_point: str
    interface: str
    volume_name: str
    created: NotRequired[bool]


class Image(TypedDict):
    """The container image of a task, as its file said it."""

    image_name: str
    build_context: str | None
    run_options: str | None


class Ends(TypedDict):
    """When the instances of a bid shut themselves down: once they have run for `minutes`, at `moment` (seconds since
    the epoch), and, `when_done`, once the startup script has ended. null: not by that."""

    minutes: int | None
    moment: int | None
    when_done: bool


class Inputs(TypedDict):
    """What the instances of a bid were given when it was placed."""

    startup_script: Script | None
    ports: list[Pair]
    mounts: list[Mount]
    local_disks: list[Disk]
    container_image: Image | None
    given_sha256: str | None
    unordered_sha256: NotRequired[str]
    ends: NotRequired[Ends]


class Bid(TypedDict):
    """A bid as it was applied. `limit_price`: dollars per instance-hour. `untold`: the fields that the API did not
    report when it was imported or found again, and of which the state knows nothing, whatever stands there."""

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
    untold: NotRequired[list[str]]


class Volume(TypedDict):
    """A volume as it was applied; `size_gb`: GB that were asked for. `capacity_gb`: GB that are paid for, where the API
    rounded that up. `untold`: as of a bid."""

    name: str
    size_gb: int
    interface: str
    region: str
    capacity_gb: NotRequired[int]
    untold: NotRequired[list[str]]


class Ports(TypedDict):
    """The port mappings of a bid as they were applied."""

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
    protected_by: NotRequired[str]
    triggers: NotRequired[dict[str, str]]
    lifetime: NotRequired[Bounds]


class BoundBid(_Bound):
    """A bid that flowplan made. `raised_from`: the limit price, in dollars per instance-hour, from which the watch has
    raised the applied one; `moving`: it has begun to place the bid elsewhere."""

    type: Literal["bid"]
    raised_from: NotRequired[Amount]
    moving: NotRequired[bool]
    applied: Bid


class BoundVolume(_Bound):
    """A volume that flowplan made."""

    type: Literal["volume"]
    applied: Volume


class BoundPorts(_Bound):
    """The port mappings that flowplan made."""

    type: Literal["ports"]
    applied: Ports


Bound: TypeAlias = BoundBid | BoundVolume | BoundPorts


class AppliedPlan(TypedDict):
    """A saved plan that was begun: when, and the serial of the state then. `completed`: all of it was done; absent: it
    is not known."""

    sha256: str
    at: str
    serial: int
    completed: NotRequired[bool]


class Paid(TypedDict):
    """A bid that an address had. `amount`: dollars that it was billed; null: no bill was read. `at`: when the first
    bill was read (seconds since the epoch); `hours`: the instance-hours that `amount` is for, by the bill of `read_at`.
    """

    address: str
    amount: Amount | None
    at: float
    hours: NotRequired[str]
    read_at: NotRequired[float]


class Moment(TypedDict):
    """A moment by every clock that was known, in seconds: this machine's, its time since the boot of this id ("": it
    has none), and the API's (null: it did not say)."""

    wall: float
    since_boot: float
    boot_id: str
    server: float | None


class StateDocument(TypedDict):
    """A state, as it is in its file. `serial` grows by one with each save; `sha256` is the digest of the rest."""

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
    placed: NotRequired[dict[str, float]]
    placed_by: NotRequired[dict[str, Moment]]
    placed_at: NotRequired[float]
    name_prefix: NotRequired[str]
    applied_as: NotRequired[str]
    paid: NotRequired[dict[str, Paid]]
    paid_since: NotRequired[int]
    moved_to: NotRequired[str]
    moving_from: NotRequired[str]
    moved_as: NotRequired[str]
    sha256: str


class Listed(TypedDict):
    """An address, and the id of its live object."""

    address: str
    type: Literal["bid", "volume", "ports"]
    id: str


class AddressesDocument(TypedDict):
    """The addresses of a state."""

    format_version: str
    resources: list[Listed]


class ResourceDocument(TypedDict):
    """A resource of a state."""

    format_version: str
    resource: Bound


Ending: TypeAlias = Literal["terminated", "lifetime", "cancelled"]


class ReleasedDocument(TypedDict):
    """A resource that the state knows no longer; its object stays as it is. `ended`: how the state said that it had
    ended; null: it did not."""

    format_version: str
    released: Listed
    ended: Ending | None


class Move(TypedDict):
    """An address that changed."""

    previous_address: str
    address: str


class MovedDocument(TypedDict):
    """The addresses that changed."""

    format_version: str
    moved: list[Move]


class PushedDocument(TypedDict):
    """The state that was written. `forgotten`: what the state before held and this one does not; `over`: what the file
    holds and this stack has ended since, which is left out."""

    format_version: str
    lineage: str
    serial: int
    forgotten: list[Listed]
    over: list[Listed]


class RecoveredDocument(TypedDict):
    """`recover --format json`: what the state holds now that nothing is in doubt; `rebuilt`: it was lost, and is made
    of what is live. `cancelled`: the bids of --cancel; `not_created`: what an interrupted run asked for and did not
    get, which the next apply creates."""

    format_version: str
    lineage: str
    serial: int
    rebuilt: bool
    cancelled: list[Listed]
    not_created: list[str]
    resources: list[Listed]


class RekeyedDocument(TypedDict):
    """`state rekey --format json`: who can open the state now ("passphrase": with one; nobody is listed where it is in
    the clear), how many versions were written again, and the serials of those that do not read, and stay as they were,
    and of those that are kept no more because there is no room for them."""

    format_version: str
    serial: int
    recipients: list[str]
    versions: int
    unread: list[int]
    dropped: list[int]


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
    """What was put back, as which `serial`. `damaged`: where what it replaces is kept; `doubled`: ids that several
    addresses had."""

    format_version: str
    of: Literal["backup", "state"]
    serial: int
    damaged: list[str]
    doubled: dict[str, list[str]]
