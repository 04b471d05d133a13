"""What the configuration asks for, what the cloud has, and from both what an apply must do: in a few lines, and
without flowplan's planner. Only the marker's reader is shared; it has tests of its own.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import field, frozen

from flowplan.simulator import Simulator
from flowplan.startup import marker

PLACES = (  # as written, the id of the type, the region
    ("h100.8x.SXM5.IB", "it_5ECSoHQjLBzrp5YM", "us-central1-b"),
    ("h100.8x.SXM5.IB", "it_5ECSoHQjLBzrp5YM", "us-central5-a"),
    ("a100.1x.SXM4.IB", "it_RrgkIZz6c9BZu5gi", "us-central1-b"),
)


@frozen
class Storage:
    """A volume of a task: created, or, without a size, somebody's that is attached."""

    size: int | None = 1
    shared: bool = False  # File instead of Block
    mounted: bool = True


@frozen
class Task:
    """What one task asks for."""

    price: str = "17.92"
    place: int = 0
    quantity: int = 1
    storage: Storage | None = None
    paused: bool = False
    ports: tuple[int, ...] = (8080,)
    script: int = 0

    @property
    def type_id(self) -> str:
        return PLACES[self.place][1]

    @property
    def region(self) -> str:
        return PLACES[self.place][2]

    @property
    def interface(self) -> str:
        shared = self.storage is not None and (self.storage.shared or self.quantity > 1)
        return "File" if shared else "Block"


def shared_name(region: str) -> str:
    """The volume of somebody that tasks in `region` attach."""
    return f"shared-{region}"


def volume_name(task: str) -> str:
    """The volume that a task creates. It stays with the task's first name."""
    return f"data-{task.split('-')[0]}"


def text_of(tasks: Mapping[str, Task]) -> str:
    """The tasks as flowplan.yaml."""
    return "".join(_text_of(name, task) for name, task in tasks.items())


def _text_of(name: str, task: Task) -> str:
    lines = [
        f"---\nname: {name}",
        "project_name: my-foundry-project\nssh_key_name: my-ssh-key",
        f"task_management: {{utility_threshold_price: {task.price}}}",
        f"resources_specification: {{fcp_instance: {PLACES[task.place][0]}, cluster_id: {task.region}}}",
        f"num_instances: {task.quantity}",
        f"paused: {str(task.paused).lower()}",
        f"ports: {list(task.ports)}",
        f"startup_script: echo script-{task.script}.",
    ]
    if task.storage is not None:
        mount = ", mount_point: /mnt/data" if task.storage.mounted else ""
        if task.storage.size is None:
            lines.append(
                f"persistent_storage: {{attach: {{volume_name: {shared_name(task.region)}, mount_point: /mnt/data}}}}"
            )
        else:
            lines.append(
                f"persistent_storage: {{create: {{volume_name: {volume_name(name)}, size: {task.storage.size}, "
                f"disk_interface: {task.interface}{mount}}}}}"
            )
    return "\n".join(lines) + "\n"


# ---- what is there -----------------------------------------------------------------------------------------


@frozen
class LiveBid:
    """A bid as the API shows it, and what its script says. `task`: the name in our marker, None without one."""

    id: str
    name: str
    status: str
    price: Decimal
    type_id: str
    region: str
    quantity: int
    volumes: tuple[str, ...]
    task: str | None
    lineage: str
    intent: str
    generation: int
    ports: tuple[int, ...]
    mounts: tuple[str, ...]
    script: int | None

    @property
    def live(self) -> bool:
        return self.status != "Terminated"


@frozen
class LiveVolume:
    """A volume as the API shows it."""

    id: str
    name: str
    size: int
    interface: str
    region: str
    deleted: bool


@frozen
class World:
    """Everything there is or was, at once: no lag, no fault."""

    bids: Mapping[str, LiveBid] = field(factory=dict)
    volumes: Mapping[str, LiveVolume] = field(factory=dict)

    @classmethod
    def look(cls, simulator: Simulator, project: str) -> World:
        bids: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            path = f"/v2/spot/bids?project={project}&limit=100" + (f"&next_cursor={cursor}" if cursor else "")
            page = simulator.faults.third_party("GET", path).json
            bids, cursor = [*bids, *page["data"]], page["next_cursor"]
        rows = simulator.faults.third_party("GET", f"/v2/volumes?project={project}&include_deleted=true").json
        return cls({row["fid"]: _bid(row) for row in bids}, {row["fid"]: _volume(row) for row in rows})

    def ours(self) -> dict[str, LiveBid]:
        """Live bids with a marker, by task."""
        return {bid.task: bid for bid in self.bids.values() if bid.task is not None and bid.live}

    def foreign(self) -> list[LiveBid]:
        return [bid for bid in self.bids.values() if bid.task is None and bid.live]


_SENT_AS = [base64.b64encode(f"echo script-{number}.".encode()).decode() for number in range(3)]


def _bid(row: dict[str, Any]) -> LiveBid:
    launch = row["launch_specification"]
    text = launch["startup_script"] or ""
    found = marker.read(text)
    scripts = [number for number, form in enumerate(_SENT_AS) if form in text]
    return LiveBid(
        id=row["fid"],
        name=row["name"],
        status=row["status"],
        price=Decimal(row["limit_price"].removeprefix("$")),
        type_id=row["instance_type"],
        region=row["region"],
        quantity=row["instance_quantity"],
        volumes=tuple(launch["volumes"]),
        task=found.address.name if found else None,
        lineage=found.lineage if found else "",
        intent=found.intent if found else "",
        generation=found.generation if found else 0,
        ports=tuple(pair.external for pair in found.ports) if found else (),
        mounts=tuple(str(mount.volume) for mount in found.mounts) if found else (),
        script=scripts[0] if scripts else None,
    )


def _volume(row: dict[str, Any]) -> LiveVolume:
    return LiveVolume(
        row["fid"], row["name"], row["capacity_gb"], row["interface"], row["region"], row["deleted_at"] is not None
    )


# ---- what an apply must do ---------------------------------------------------------------------------------

Call = tuple[str, str]  # method, and "bid NAME" or "volume NAME"


@frozen
class Judge:
    """What `tasks` ask for, held against what is there: `bids` by task, `volumes` by the name they were made under,
    all ours and live. `shared`: the id of the attached volume of each region."""

    tasks: Mapping[str, Task]
    bids: Mapping[str, LiveBid]
    volumes: Mapping[str, LiveVolume]
    shared: Mapping[str, str]

    def wanted_volumes(self) -> dict[str, Task]:
        """The tasks that create a volume, by its name."""
        return {volume_name(name): task for name, task in self.tasks.items() if task.storage and task.storage.size}

    def volume_fits(self, name: str) -> bool:
        found, task = self.volumes.get(name), self.wanted_volumes().get(name)
        if found is None or task is None or task.storage is None:
            return False
        return (found.size, found.interface, found.region) == (task.storage.size, task.interface, task.region)

    def uses(self, name: str) -> tuple[str, ...]:
        """The ids of the volumes of a task; "new" for one that is not there yet."""
        task = self.tasks[name]
        if task.storage is None:
            return ()
        if task.storage.size is None:
            return (self.shared[task.region],)
        created = volume_name(name)
        return (self.volumes[created].id,) if self.volume_fits(created) else ("new",)

    def mounts(self, name: str) -> tuple[str, ...]:
        storage = self.tasks[name].storage
        return self.uses(name) if storage is not None and (storage.mounted or storage.size is None) else ()

    def must_go(self, bid: LiveBid) -> bool:
        """Whether nobody wants the bid any more, or something differs that the API cannot change in place."""
        name = bid.task or ""
        task = self.tasks.get(name)
        if task is None:
            return True
        created = volume_name(name)
        renewed = self.uses(name) == ("new",) and created in self.volumes
        mounts = tuple(one for one in bid.mounts if one in self.uses(name))  # what is detached is not mounted either
        as_it_is = (bid.type_id, bid.region, bid.quantity, bid.ports, bid.script, mounts)
        wanted = (task.type_id, task.region, task.quantity, task.ports, task.script, self.mounts(name))
        return renewed or as_it_is != wanted

    def differs(self, bid: LiveBid) -> list[str]:
        """What differs, of the things that the API can change in place."""
        name = bid.task or ""
        task = self.tasks[name]
        found = [
            ("price", bid.price == Decimal(task.price)),
            ("paused", (bid.status == "Paused") == task.paused),
            ("volumes", bid.volumes == self.uses(name)),
        ]
        return [what for what, same in found if not same]

    def calls(self) -> Counter[Call]:
        """Every change that an apply has to make, each once."""
        found: Counter[Call] = Counter()
        for name in {*self.volumes, *self.wanted_volumes()}:
            if name in self.volumes and not self.volume_fits(name):
                found["DELETE", f"volume {name}"] += 1
            if name in self.wanted_volumes() and not self.volume_fits(name):
                found["POST", f"volume {name}"] += 1
        for name in {*self.bids, *self.tasks}:
            found += self._calls_of(name)
        return found

    def _calls_of(self, name: str) -> Counter[Call]:
        bid, task, what = self.bids.get(name), self.tasks.get(name), f"bid {name}"
        found: Counter[Call] = Counter()
        if bid is not None and self.must_go(bid):
            found["DELETE", what] += 1
            bid = None
        if task is None:
            return found
        if bid is None:
            found["POST", what] += 1
            found["PATCH", what] += task.paused  # a bid can only be placed running
        elif "volumes" in (differs := self.differs(bid)):
            found["PATCH", what] += 1 + (bid.status != "Paused") + (not task.paused)
        elif differs:
            found["PATCH", what] += 1
        return +found

    def satisfied(self) -> bool:
        return not self.calls()
