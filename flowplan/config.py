"""YAML text -> Config: every problem at once, each with file, line and column. Pure: texts are given."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from attrs import frozen

from flowplan.errors import Position
from flowplan.resources import Address, ContainerImage, Interface, LocalDisk, PortPair, Script


@frozen
class GpuWanted:
    """A type selected by properties instead of by name: `gpu_type` by whole word, the others equal ignoring case."""

    gpu_type: str | None = None
    gpus: int | None = None
    intranode_interconnect: str | None = None  # the socket: SXM5, PCIe
    internode_interconnect: str | None = None  # the network: InfiniBand, IB_1600


@frozen
class VolumeUse:
    """A volume a task uses. `volume`: the address of one created in this configuration; else the name or
    id of one that exists."""

    volume: Address | str
    mount_point: str | None
    source: Position


@frozen
class VolumeWanted:
    """A volume to create. `region` None: that of the task."""

    address: Address
    name: str
    size_gb: int
    interface: Interface
    region: str | None
    mount_point: str | None
    source: Position


@frozen
class Task:
    """One task as the user wrote it, normalised; names of types, projects and keys are not looked up yet.

    `limit_price` in dollars per instance-hour, or else `limit_price_per_gpu` in dollars per GPU-hour
    (from `utility_threshold_price_per_gpu` or the priority).
    """

    address: Address
    name: str
    source: Position
    project: str | None
    ssh_keys: tuple[str, ...]
    priority: str
    limit_price: Decimal | None
    limit_price_per_gpu: Decimal | None
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


@frozen
class Config:
    tasks: Mapping[Address, Task]
    volumes: Mapping[Address, VolumeWanted]
