"""Every key of a task file, and what people write instead. A table to read; who reads the values is elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Keys:
    """The keys a mapping may have, and what people write instead of them. `example`: how the mapping looks."""

    known: tuple[str, ...]
    example: str
    instead: Mapping[str, str] = field(factory=dict)
    every: frozenset[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "every", frozenset(self.known))


TASK = Keys(
    (
        "name",
        "project_name",
        "ssh_key_name",
        "task_management",
        "resources_specification",
        "num_instances",
        "ports",
        "persistent_storage",
        "ephemeral_storage_config",
        "container_image",
        "startup_script",
        "startup_script_file",
        "paused",
        "lifecycle",
        "lifetime",
        "guards",
        "version",
        "networking",
        "resources",
    ),
    "name: my-task",
    {
        "project": "write project_name",
        "ssh_key": "write ssh_key_name",
        "ssh_keys": "write ssh_key_name: it takes a list",
        "image": "write container_image: {image_name: ...}",
        "script": "write startup_script",
        "command": "write startup_script",
        "storage": "write persistent_storage",
        "instance_type": "write resources_specification: {fcp_instance: ...}",
        "create": "it belongs in persistent_storage",
        "attach": "it belongs in persistent_storage",
        "budget": "write guards: {max_hourly_cost: 60}",
        "max_hourly_cost": "write guards: {max_hourly_cost: 60}",
    },
)

MANAGEMENT = Keys(
    ("priority", "utility_threshold_price", "utility_threshold_price_per_gpu", "num_instances"),
    "task_management: {priority: high}",
    {
        "limit_price": "write utility_threshold_price: dollars per instance-hour",
        "max_price": "write utility_threshold_price: dollars per instance-hour",
    },
)

SPECIFICATION = Keys(
    (
        "fcp_instance",
        "num_instances",
        "num_gpus",
        "gpu_type",
        "intranode_interconnect",
        "internode_interconnect",
        "cluster_id",
        "region",
        "advanced",
    ),
    "resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}",
    {
        "instance_type": "write fcp_instance",
        "instance": "write fcp_instance",
        "instance_quantity": "write num_instances",
        "gpus": "write num_gpus",
        "region_id": "write cluster_id",
        "zone": "write cluster_id",
    },
)

ADVANCED = Keys(("optimize", "nearest_estimated_duration"), "advanced: {optimize: budget}")

PORT = Keys(
    ("external", "internal", "protocol"),
    "- {external: 8442, internal: 8002, protocol: tcp}",
    {
        "host": "write external: the port outside",
        "container": "write internal: the port of your program",
        "port": "write external",
        "published": "write external: the port outside",
        "target": "write internal: the port of your program",
    },
)

STORAGE = Keys(
    ("create", "attach", "mount_dir"),
    "persistent_storage: {attach: {volume_name: my-data, mount_point: /mnt/data}}",
    {"mount_point": "it belongs in create or attach", "volumes": "write create or attach"},
)

CREATE = Keys(
    (
        "volume_name",
        "size",
        "size_unit",
        "storage_type",
        "disk_interface",
        "region_id",
        "mount_point",
        "mount_dir",
    ),
    "create: {volume_name: my-data, size: 100, disk_interface: Block, mount_point: /mnt/data}",
    {
        "name": "write volume_name",
        "size_gb": "write size: it is in GB",
        "interface": "write disk_interface: Block or File",
        "region": "write region_id",
        "cluster_id": "write region_id",
        "path": "write mount_point",
        "mount_path": "write mount_point",
    },
)

_ONLY_CREATED = "it belongs in create; an existing volume already has it"
ATTACH = Keys(
    ("volume_name", "volume", "mount_point", "mount_dir", "region_id"),
    "attach: {volume_name: my-data, mount_point: /mnt/data}",
    {
        "name": "write volume_name",
        "id": "write volume_name: it takes a name or an id",
        "volume_id": "write volume_name: it takes a name or an id",
        "region": "write region_id",
        "cluster_id": "write region_id",
        "path": "write mount_point",
        "mount_path": "write mount_point",
        **dict.fromkeys(("size", "size_unit", "storage_type", "disk_interface"), _ONLY_CREATED),
    },
)

LOCAL = Keys(("type", "mounts"), "ephemeral_storage_config: {mounts: {/dev/nvme0n1: /mnt/scratch}}")

DISK = Keys(
    ("device", "mount_point"),
    "- {device: /dev/nvme0n1, mount_point: /mnt/scratch}",
    {"mount_dir": "write mount_point", "path": "write mount_point"},
)

IMAGE = Keys(
    ("image_name", "build_context", "run_options"),
    "container_image: {image_name: nvcr.io/nvidia/pytorch:24.05-py3}",
    {
        "image": "write image_name",
        "name": "write image_name",
        "tag": "it is part of image_name: name:tag",
        "context": "write build_context",
        "options": "write run_options",
        "args": "write run_options",
    },
)

LIFECYCLE = Keys(
    ("prevent_destroy", "ignore_changes", "create_before_destroy", "replace_triggered_by"),
    "lifecycle: {prevent_destroy: true}",
)

LIFETIME = Keys(
    ("max_hours", "max_cost", "end_at", "when_done"),
    "lifetime: {max_hours: 12, when_done: cancel}",
    {
        "max_runtime": "write max_hours",
        "hours": "write max_hours",
        "budget": "write max_cost: dollars paid for this task",
        "until": "write end_at: '2026-12-01T08:00:00Z'",
    },
)

AFTER = Keys(("task", "until"), "depends_on: [{task: preprocess, until: terminated}]")

GUARDS = Keys(
    ("max_hourly_cost", "max_cost_increase", "budget_basis"),
    "guards: {max_hourly_cost: 60}",
    {
        "basis": "write budget_basis: worst, p90 or p50",
        "max_cost": "write max_hourly_cost: dollars per hour for the whole stack",
        "max_changes": "this flowplan has no guard on the number of changes yet",
    },
)

# The mappings by the names that messages give them; a key's first home is where people are sent to.
MAPPINGS: dict[str, Keys] = {
    "": TASK,
    "resources_specification": SPECIFICATION,
    "resources_specification.advanced": ADVANCED,
    "task_management": MANAGEMENT,
    "persistent_storage": STORAGE,
    "persistent_storage.create": CREATE,
    "persistent_storage.attach": ATTACH,
    "ephemeral_storage_config": LOCAL,
    "container_image": IMAGE,
    "lifecycle": LIFECYCLE,
    "lifetime": LIFETIME,
    "ports": PORT,
    "guards": GUARDS,
}
HOMES: dict[str, str] = {}
for _title, _keys in reversed(MAPPINGS.items()):
    HOMES.update(dict.fromkeys(_keys.known, _title))

# Sections that may be written without anything in them (`ports:`), and are then absent.
SECTIONS = frozenset([*filter(None, MAPPINGS), "ports"])

# ---- a stack file ---------------------------------------------------------------------------------------------

STACK_FILE = Keys(
    (
        "version",
        "name",
        "name_prefix",
        "project_name",
        "ssh_key_name",
        "variables",
        "defaults",
        "volumes",
        "tasks",
        "outputs",
        "guards",
        "moved",
        "removed",
        "import",
    ),
    "tasks: {train: {resources_specification: {fcp_instance: h100.8x.SXM5.IB}}}",
    {
        "project": "write project_name",
        "ssh_key": "write ssh_key_name",
        "ssh_keys": "write ssh_key_name: it takes a list",
        "vars": "write variables",
        "task": "write tasks: {NAME: {...}}",
        "jobs": "write tasks: {NAME: {...}}",
        "bids": "write tasks: {NAME: {...}}",
        "volume": "write volumes: {NAME: {...}}",
        "locals": "write variables, with a default",
        "imports": "write import",
        "max_hourly_cost": "write guards: {max_hourly_cost: 60}",
    },
)
# Of a task in a stack: what a task file has, but for its format and its limits, and what makes several of one.
STACK_TASK = Keys(
    (*(one for one in TASK.known if one not in ("version", "guards")), "for_each", "depends_on"),
    TASK.example,
    {**TASK.instead, "guards": "it belongs at the top of the stack"},
)
STACK_VOLUME = Keys(
    ("volume_name", "size", "size_unit", "storage_type", "disk_interface", "region_id", "lifecycle", "for_each"),
    "volumes: {data: {size: 100, disk_interface: File}}",
    {
        **CREATE.instead,
        "mount_point": "it belongs where a task attaches the volume",
        "mount_dir": "it belongs where a task attaches the volume, as mount_point",
    },
)
VARIABLE = Keys(
    ("type", "default", "description", "sensitive"),
    "variables: {checkpoint_gb: {type: int, default: 500}}",
    {"value": "write default; a value is given with --var, --var-file or FLOWPLAN_VAR_NAME"},
)
MOVED = Keys(("from", "to"), "moved: [{from: task.old, to: task.train}]")
REMOVED = Keys(("address", "destroy"), "removed: [{address: volume.scratch, destroy: false}]")
IMPORT = Keys(("address", "id"), "import: [{address: volume.data, id: vol_123}]")
OUTPUT = Keys(
    ("value", "description", "sensitive"),
    "outputs: {ssh: {value: '${task.train.ssh}', description: How to log in}}",
)

# Keys of a stack file, which a task file has no use for.
STACK = frozenset([*STACK_FILE.known, *STACK_TASK.known]) - frozenset(TASK.known)
