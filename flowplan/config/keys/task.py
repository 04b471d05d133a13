"""Every key of a task file: what it is for, what it takes, and what people write instead. Who reads the values is
elsewhere. Pure."""

from __future__ import annotations

from flowplan.config.keys.kinds import (
    AMOUNT,
    ANY,
    FLAG,
    NAMES,
    TEXT,
    Either,
    Key,
    Keys,
    ListOf,
    Named,
    Value,
    Within,
    one_of,
    whole,
)
from flowplan.model.bases import BASES

_PORTS = Value({"type": ["integer", "string"]})
_ONLY_CREATED = "it belongs in create; an existing volume already has it"

PRIORITY_TABLE = Keys(
    {
        "critical": Key(AMOUNT, "The limit price, in dollars per GPU-hour, of priority critical.", "14.99"),
        "high": Key(AMOUNT, "The limit price, in dollars per GPU-hour, of priority high.", "12.29"),
        "standard": Key(AMOUNT, "The limit price, in dollars per GPU-hour, of priority standard.", "4.24"),
        "low": Key(AMOUNT, "The limit price, in dollars per GPU-hour, of priority low.", "2.00"),
    },
    "priorities: {high: 9.50, low: 1.20}",
)

MANAGEMENT = Keys(
    {
        "priority": Key(
            one_of("critical", "high", "standard", "low"),
            "Stands for a limit price of $14.99, $12.29, $4.24 or $2.00 per GPU-hour.",
            "standard",
        ),
        "utility_threshold_price": Key(AMOUNT, "The limit price, in dollars per instance-hour. Wins over priority."),
        "utility_threshold_price_per_gpu": Key(AMOUNT, "The limit price, in dollars per GPU-hour. Wins over priority."),
        "num_instances": Key(whole(1, 256), "How many instances, all or none of them.", 1),
        "priorities": Key(Within(PRIORITY_TABLE, empty=True), "What priorities stand for here."),
    },
    "task_management: {priority: high}",
    {
        "limit_price": "write utility_threshold_price: dollars per instance-hour",
        "max_price": "write utility_threshold_price: dollars per instance-hour",
    },
)

ADVANCED = Keys(
    {
        "optimize": Key(
            one_of("budget", "job_completion_time"),
            "What to choose by: the lowest expected cost, or the best chance to run now. Default: the preferred order.",
        ),
        "nearest_estimated_duration": Key(AMOUNT, "How long the task runs, in hours: as far as its cost is forecast."),
    },
    "advanced: {optimize: budget}",
)

SPECIFICATION = Keys(
    {
        "fcp_instance": Key(
            NAMES, "The instance type, such as h100.8x.SXM5.IB, or a list of types in preferred order."
        ),
        "num_instances": Key(whole(1, 256), "How many instances, all or none of them.", 1),
        "num_gpus": Key(whole(1, 64), "GPUs per instance."),
        "gpu_type": Key(TEXT, "The GPU, such as H100; selects an instance type where fcp_instance names none."),
        "intranode_interconnect": Key(TEXT, "What connects the GPUs of one instance, such as SXM5."),
        "internode_interconnect": Key(TEXT, "What connects the instances, such as IB_1600."),
        "cluster_id": Key(TEXT, "The region, such as us-central1-b. Default: flowplan chooses and says why."),
        "region": Key(TEXT, "The same as cluster_id."),
        "advanced": Key(
            Within(ADVANCED, empty=True), "How to choose between instance types and regions, and for how long."
        ),
    },
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

PORT = Keys(
    {
        "external": Key(_PORTS, "The port outside, or a range such as 6006-6010: 80, 443, or 1024 to 65535."),
        "internal": Key(_PORTS, "The port of the program, or an equally long range. Default: the external one."),
        "protocol": Key(one_of("tcp"), "FCP publishes only TCP.", "tcp"),
    },
    "- {external: 8442, internal: 8002, protocol: tcp}",
    {
        "host": "write external: the port outside",
        "container": "write internal: the port of your program",
        "port": "write external",
        "published": "write external: the port outside",
        "target": "write internal: the port of your program",
    },
    required=("external",),
)

CREATE = Keys(
    {
        "volume_name": Key(TEXT, "The name of the volume in the cloud."),
        "size": Key(whole(1, 32_768), "Its size, in GB. A smaller or larger one is another volume: the data is lost."),
        "size_unit": Key(one_of("gb", "tb", "GB", "TB"), "The unit of size.", "gb"),
        "storage_type": Key(
            one_of("block", "nfs"), "The same as disk_interface: block is Block, nfs is File.", "block"
        ),
        "disk_interface": Key(one_of("Block", "File"), "Block has one writer; File is shared by many.", "Block"),
        "region_id": Key(TEXT, "The region of the volume. Default: that of the task."),
        "mount_point": Key(TEXT, "The directory where the volume is mounted, such as /mnt/data."),
        "mount_dir": Key(TEXT, "An older spelling of mount_point."),
    },
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
    required=("volume_name", "size"),
)

ATTACH = Keys(
    {
        "volume_name": Key(TEXT, "A volume that exists, by its name or id."),
        "volume": Key(TEXT, "A volume of this stack, by its name under volumes."),
        "mount_point": Key(TEXT, "The directory where the volume is mounted, such as /mnt/data."),
        "mount_dir": Key(TEXT, "An older spelling of mount_point."),
        "region_id": Key(TEXT, "The region of the volume, which is that of the task."),
    },
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

STORAGE = Keys(
    {
        "create": Key(
            ListOf(Within(CREATE), one=True, empty=True), "A volume of the stack, or a list of them: flowplan makes it."
        ),
        "attach": Key(
            ListOf(Within(ATTACH), one=True, empty=True),
            "A volume that exists, or a list of them: flowplan never changes it.",
        ),
        "mount_dir": Key(TEXT, "The directory of the only volume; an older spelling of mount_point."),
    },
    "persistent_storage: {attach: {volume_name: my-data, mount_point: /mnt/data}}",
    {"mount_point": "it belongs in create or attach", "volumes": "write create or attach"},
)

DISK = Keys(
    {
        "device": Key(TEXT, "The device, such as /dev/nvme0n1."),
        "mount_point": Key(TEXT, "The directory where it is mounted."),
    },
    "- {device: /dev/nvme0n1, mount_point: /mnt/scratch}",
    {"mount_dir": "write mount_point", "path": "write mount_point"},
    required=("device", "mount_point"),
)

LOCAL = Keys(
    {
        "type": Key(TEXT, "Has no effect: a disk is mounted as it is."),
        "mounts": Key(
            Either((Named("", TEXT), ListOf(Within(DISK)))), "Devices and their directories, as a mapping or a list."
        ),
    },
    "ephemeral_storage_config: {mounts: {/dev/nvme0n1: /mnt/scratch}}",
)

IMAGE = Keys(
    {
        "image_name": Key(TEXT, "The image, such as nvcr.io/nvidia/pytorch:24.05-py3."),
        "build_context": Key(TEXT, "A directory on the instance from which the image is built."),
        "run_options": Key(TEXT, "Options of `docker run`, as on a command line."),
    },
    "container_image: {image_name: nvcr.io/nvidia/pytorch:24.05-py3}",
    {
        "image": "write image_name",
        "name": "write image_name",
        "tag": "it is part of image_name: name:tag",
        "context": "write build_context",
        "options": "write run_options",
        "args": "write run_options",
    },
    required=("image_name",),
)

LIFECYCLE = Keys(
    {
        "prevent_destroy": Key(FLAG, "Whether a plan that deletes or replaces the resource is refused.", False),
        "ignore_changes": Key(NAMES, "Fields that may differ, such as limit_price; all: every field."),
        "create_before_destroy": Key(
            FLAG, "Whether the replacement is created before the old one is destroyed.", False
        ),
        "replace_triggered_by": Key(NAMES, "Addresses, or fields of them, whose change replaces the resource too."),
    },
    "lifecycle: {prevent_destroy: true}",
)

LIFETIME = Keys(
    {
        "max_hours": Key(AMOUNT, "Hours of running of the bid. A replacement starts again."),
        "max_cost": Key(AMOUNT, "Dollars paid for the bid, not for all bids of the task: a replacement starts again."),
        "end_at": Key(TEXT, "A moment with its time zone, such as 2026-12-01T08:00:00Z."),
        "when_done": Key(one_of("cancel"), "cancel: the bid is cancelled once its startup script has ended."),
    },
    "lifetime: {max_hours: 12, when_done: cancel}",
    {
        "max_runtime": "write max_hours",
        "hours": "write max_hours",
        "budget": "write max_cost: dollars paid for the bid of this task; a replacement starts again",
        "until": "write end_at: '2026-12-01T08:00:00Z'",
    },
)

GUARDS = Keys(
    {
        "max_hourly_cost": Key(AMOUNT, "What the whole stack may cost, in dollars per hour."),
        "max_cost_increase": Key(
            AMOUNT, "By how much a plan may raise the hourly cost: dollars, or a percentage such as 20%."
        ),
        "max_changes": Key(
            AMOUNT, "How many resources a plan may update, replace and delete: a number, or a share such as 30%."
        ),
        "budget_basis": Key(one_of(*BASES), "Which cost is checked: every limit price paid, or a forecast.", "worst"),
    },
    "guards: {max_hourly_cost: 60}",
    {
        "basis": "write budget_basis: worst, p90 or p50",
        "max_cost": "write max_hourly_cost: dollars per hour for the whole stack",
    },
)

TASK = Keys(
    {
        "name": Key(
            TEXT,
            "The name of the bid, unique in the project. Default: the name of the file, in a stack that of the task.",
        ),
        "project_name": Key(TEXT, "The project, by its name or id."),
        "ssh_key_name": Key(NAMES, "The SSH key that opens the instances, or a list of them, by name or id."),
        "task_management": Key(Within(MANAGEMENT, empty=True), "What you bid: a priority or a limit price."),
        "resources_specification": Key(Within(SPECIFICATION, empty=True), "Which instances, how many, and where."),
        "num_instances": Key(whole(1, 256), "How many instances, all or none of them.", 1),
        "ports": Key(
            ListOf(Either((Value({"type": ["integer", "string"]}), Within(PORT))), least=0, empty=True),
            'What is published: 8080, "6006-6010", "8441:8001" (external:internal), or a mapping of both.',
        ),
        "persistent_storage": Key(Within(STORAGE, empty=True), "Volumes: created with the task, or attached to it."),
        "ephemeral_storage_config": Key(Within(LOCAL, empty=True), "Disks of the instance itself, lost with it."),
        "container_image": Key(Within(IMAGE, empty=True), "The container image that the instance runs."),
        "startup_script": Key(
            TEXT, "The script that the instance runs at its first boot, as root. Nothing in it is substituted."
        ),
        "startup_script_file": Key(TEXT, "A file with that script, relative to this one."),
        "paused": Key(FLAG, "Whether the bid is paused: it keeps its volumes and runs nothing.", False),
        "lifecycle": Key(Within(LIFECYCLE, empty=True), "Which changes flowplan makes to the bid, and how."),
        "lifetime": Key(Within(LIFETIME, empty=True), "When the task ends, whichever of these comes first."),
        "guards": Key(Within(GUARDS, empty=True), "What the whole stack may cost; a plan above it is refused."),
        "version": Key(one_of(1, 1.1, 1.2, "1", "1.1", "1.2"), "The format of a task file; a stack file has 2.", 1.2),
        "networking": Key(ANY, "Has no effect: FCP has no such setting."),
        "resources": Key(ANY, "Has no effect: FCP has no such setting."),
    },
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
        "budget": "write lifetime: {max_cost: 200}, dollars in all; guards: {max_hourly_cost: 60} limits an hour",
        "max_hourly_cost": "write guards: {max_hourly_cost: 60}",
    },
    required=("resources_specification",),
)

STACK_VERSION = "2"  # what `version` says in a stack file

# The mappings by the names that messages give them; a key's first home is where people are sent to.
MAPPINGS: dict[str, Keys] = {
    "": TASK,
    "resources_specification": SPECIFICATION,
    "resources_specification.advanced": ADVANCED,
    "task_management": MANAGEMENT,
    "task_management.priorities": PRIORITY_TABLE,
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
SECTIONS = frozenset(
    [
        *filter(None, MAPPINGS),
        "ports",
        *("variables", "defaults", "volumes", "tasks", "outputs", "moved", "removed", "import"),  # of a stack
    ]
)
