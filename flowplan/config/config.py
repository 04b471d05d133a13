"""What reading a configuration gives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from attrs import field

from flowplan.classes import frozen
from flowplan.config.positions import NOWHERE, Positions
from flowplan.config.yaml import Findings, Text, read_text
from flowplan.diagnostics import Diagnostic, Position, Severity
from flowplan.model.address import Address, Ref
from flowplan.model.digest import LEFT_OUT, digest, material, named
from flowplan.model.lifecycle import DEFAULT, After, Lifecycle, Lifetime

if TYPE_CHECKING:
    from flowplan.model.budget import Budget
    from flowplan.model.given import GivenValue
    from flowplan.model.hooks import Hook
    from flowplan.model.policy import Policies
    from flowplan.model.resources import ContainerImage, Interface, LocalDisk, PortPair, Script
    from flowplan.model.watch import Watching


@frozen
class Source:
    """A file: its path as shown to users, and its bytes."""

    name: str
    data: bytes = field(repr=False)


@frozen
class StatePlace:
    """Where a stack file says that the state is: a file, whose name starts from that file, or a URL."""

    text: str
    position: Position = field(eq=False)


@frozen
class GpuWanted:
    """A type selected by properties instead of by name: `gpu_type` by whole word, the others equal ignoring case."""

    gpu_type: str | None = None
    gpus: int | None = None
    intranode_interconnect: str | None = None  # the socket: SXM5, PCIe
    internode_interconnect: str | None = None  # the network: InfiniBand, IB_1600


@frozen
class LimitPrice:
    """The most that is paid an hour: `amount` dollars for each instance, or for each of its GPUs."""

    amount: Decimal
    per: Literal["instance", "gpu"]

    def of_instance(self, gpus: int) -> Decimal:
        """Dollars per instance-hour. What has no GPU counts as one."""
        return self.amount * max(gpus, 1) if self.per == "gpu" else self.amount

    @property
    def digested(self) -> dict[str, Any]:
        """As digests have it: saved plans hold them."""
        amount = material(self.amount)
        of_instance = self.per == "instance"
        return {
            "limit_price": amount if of_instance else None,
            "limit_price_per_gpu": None if of_instance else amount,
        }


@frozen
class VolumeUse:
    """A volume a task uses. `volume`: the address of one created in this configuration; else the name or
    id of one that exists. `mount_point` None: attached only. `region`: where it must be, if the file says so."""

    volume: Address | str
    mount_point: str | None
    source: Position = field(eq=False)
    region: str | None = field(default=None, metadata=LEFT_OUT)


@frozen
class VolumeWanted:
    """A volume to create. `region` None: that of the task."""

    address: Address = field(metadata=LEFT_OUT)
    name: str
    size_gb: int
    interface: Interface
    region: str | None
    mount_point: str | None = field(metadata=LEFT_OUT)  # the task's use of it says the same
    source: Position = field(eq=False)
    positions: Positions = field(default=NOWHERE, eq=False, repr=False)
    lifecycle: Lifecycle = field(default=DEFAULT, metadata=LEFT_OUT)  # `Config.sha256` has those that say something
    named: bool = field(default=False, metadata=LEFT_OUT)  # whether `name` is written in a stack, which has addresses


@frozen
class Task:
    """One task as the user wrote it, normalised; names of types, projects and keys are not looked up yet.

    `limit_price`: from `utility_threshold_price`, `utility_threshold_price_per_gpu` or the priority.
    """

    address: Address = field(metadata=LEFT_OUT)
    name: str
    source: Position = field(eq=False)
    project: str | None
    ssh_keys: tuple[str, ...]
    priority: str = field(metadata=LEFT_OUT)  # the limit price says it
    limit_price: LimitPrice = field(metadata=LEFT_OUT)  # it takes part as `digested`
    instance_types: tuple[str, ...]
    gpu: GpuWanted
    instance_quantity: int
    region: str | None
    optimize: Literal["budget", "job_completion_time"] | None
    estimated_hours: Decimal | None
    ports: tuple[PortPair, ...]
    volumes: tuple[VolumeUse, ...]
    local_disks: tuple[LocalDisk, ...]
    container_image: ContainerImage | None
    startup_script: Script | None
    paused: bool = False
    positions: Positions = field(default=NOWHERE, eq=False, repr=False)
    lifecycle: Lifecycle = field(default=DEFAULT, metadata=LEFT_OUT)  # `Config.sha256` has what these three say
    depends_on: tuple[After, ...] = field(default=(), metadata=LEFT_OUT)
    lifetime: Lifetime | None = field(default=None, metadata=LEFT_OUT)
    named: bool = field(default=False, metadata=LEFT_OUT)  # whether `name` is written in a stack, which has addresses


@frozen
class OutputWanted:
    """A value that a stack reports. `template`: its text with the `${...}` of what is known only later left in it."""

    name: str
    template: str = field(repr=False)  # it may hold a sensitive value
    description: str
    sensitive: bool
    source: Position = field(eq=False)


@frozen
class Moved:
    """That the resource at `old` is the one at `new`: the object and its name in the cloud stay as they are."""

    old: Address
    new: Address
    source: Position = field(eq=False)


@frozen
class Removed:
    """That a resource is configured no longer. `destroy` False: the object stays, and is managed no longer."""

    address: Address
    destroy: bool
    source: Position = field(eq=False)


@frozen
class Import:
    """That the live object `id` is the resource at `address`."""

    address: Address
    id: str
    source: Position = field(eq=False)


@frozen
class Config:
    """Everything the sources ask for, in their order. `budgets`: what they allow to be spent, each on the whole.

    Of a stack file: `stack`, its name ("": it has none, and the state decides), and what it says of outputs and of
    addresses that change hands."""

    tasks: Mapping[Address, Task]
    volumes: Mapping[Address, VolumeWanted]
    warnings: tuple[Diagnostic, ...] = ()
    sources: tuple[Source, ...] = field(default=(), repr=False, eq=False)
    budgets: tuple[Budget, ...] = ()
    is_stack: bool = False
    stack: str = ""
    name_prefix: str = ""
    state: StatePlace | None = field(default=None, eq=False)
    outputs: Mapping[str, OutputWanted] = field(factory=dict)
    empty: frozenset[Address] = field(default=frozenset(), eq=False)  # what has a for_each that holds nothing
    moved: tuple[Moved, ...] = ()
    removed: tuple[Removed, ...] = ()
    imports: tuple[Import, ...] = ()
    variables: Mapping[str, GivenValue] = field(factory=dict, eq=False)  # those that were given
    secrets: frozenset[str] = field(default=frozenset(), repr=False, eq=False)  # values that nothing may show
    sensitive: Mapping[str, str] = field(factory=dict, repr=False, eq=False)  # those variables, as --var has them
    policies: tuple[Policies, ...] = field(default=(), eq=False)  # what plans are held to
    hooks: tuple[Hook, ...] = field(default=(), eq=False)  # what is run afterwards
    watch: Watching | None = field(default=None, eq=False)  # what `flowplan watch` may do; None: nothing is said of it
    _texts: dict[str, Text | None] = field(init=False, repr=False, eq=False, factory=dict)  # those that were shown

    @property
    def sha256(self) -> str:
        """The digest of what is asked for: not of key order, comments, positions or file names, but of the
        scripts' content, nor of budgets, which are checked again. A saved plan fits as long as it is the same."""
        tasks = {str(address): named(task) | task.limit_price.digested for address, task in self.tasks.items()}
        volumes = {str(address): material(volume) for address, volume in self.volumes.items()}
        return digest({"tasks": tasks, "volumes": volumes, **self._said_besides()})

    def _said_besides(self) -> dict[str, object]:
        """What is asked for beside the resources themselves; nothing where nothing is."""
        said = {
            "lifecycle": {str(address): named(one) for address, one in self.lifecycles().items()},
            "depends_on": {str(a): material(task.depends_on) for a, task in self.tasks.items() if task.depends_on},
            "lifetime": {str(a): named(task.lifetime) for a, task in self.tasks.items() if task.lifetime},
            "outputs": {name: named(one) for name, one in self.outputs.items()},
            "moved": material(self.moved),
            "removed": material(self.removed),
            "import": material(self.imports),
        }
        return {what: one for what, one in said.items() if one}

    def lifecycles(self) -> dict[Address, Lifecycle]:
        """How resources are to be treated: of those of which it is said."""
        resources: Mapping[Address, Task | VolumeWanted] = {**self.tasks, **self.volumes}
        return {address: one.lifecycle for address, one in resources.items() if one.lifecycle != DEFAULT}

    def needs(self) -> dict[Address, tuple[Ref, ...]]:
        """Every resource with what it needs: addresses, and names or ids of volumes that are only attached. The plan
        orders its steps by the same."""
        found: dict[Address, tuple[Ref, ...]] = dict.fromkeys(self.volumes, ())
        for address, task in self.tasks.items():
            found[address] = tuple(use.volume for use in task.volumes)
            if task.ports:
                found[Address("ports", address.name)] = (address,)
        return found

    def position_of(self, address: Address, field: str = "") -> Position:
        """Where `field` of a resource is written (`limit_price`, `region`, `size_gb`: the inner names), else
        where the resource is. An item of a list is a field of its own, `ssh_keys.mine`, or where the list is. Raises
        KeyError for an address that is not here."""
        if address.kind == "ports" and not field:
            field = "ports"
        resource = self.volumes[address] if address.kind == "volume" else self.tasks[Address("bid", address.name)]
        places, file = resource.positions, resource.source.file
        return places.of(field, file) or places.of(field.partition(".")[0], file) or resource.source

    def source_line(self, position: Position) -> str | None:
        """The text of the line at `position`, fit to be printed; None when there is none."""
        if position.file not in self._texts:
            source = next((source for source in self.sources if source.name == position.file), None)
            found = read_text(source.name, source.data, Findings()) if source is not None else None
            self._texts[position.file] = found
        text = self._texts[position.file]
        return text.line(position.line) if text is not None else None

    def problem(
        self,
        address: Address,
        field: str,
        summary: str,
        hint: str | None = None,
        *,
        code: str,
        detail: str | None = None,
        severity: Severity = "error",
    ) -> Diagnostic:
        """A problem of `field` (or "") of a resource, for stages that know more than the text tells."""
        position = self.position_of(address, field)
        source = self.source_line(position)
        return Diagnostic(
            code,
            summary,
            hint,
            detail=detail,
            severity=severity,
            position=position,
            source=source,
            about=str(address),
        )
