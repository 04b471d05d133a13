"""What people write who come from another tool, or guess: a key that no mapping has -> what to write. Pure.

Looked up wherever the key stands; what a mapping says of it itself (`Keys.instead`) comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_TYPE = "write resources_specification: {fcp_instance: 8xh100}; it takes a name, an id, or a list of them"
_LIMIT = (
    "write task_management: {utility_threshold_price: 17.92}: dollars per instance-hour; "
    "utility_threshold_price_per_gpu takes dollars per GPU-hour"
)
_COUNT = "write num_instances"
_GPUS = "write resources_specification: {num_gpus: 8, gpu_type: H100}, or {fcp_instance: 8xh100}"
_PLACE = "write resources_specification: {cluster_id: us-central1-b}"
_SCRIPT = "write startup_script"
_LIFETIME = "write lifetime: {max_hours: 12}"
_IMAGE = "write container_image: {image_name: ...}"
_SPOT = "delete it: flowplan places spot bids, and nothing else"
_FILES = "flowplan copies no files: fetch them in startup_script, or from a volume"
_VARIABLES = "export them in startup_script; in a stack file, values from outside are `variables`"
_VOLUME = "write persistent_storage: {create: ...} for a volume to be made, {attach: ...} for one that exists"
_NO_SETTING = "delete it: FCP has no such setting"

MEANINGS: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("instance_type", "instance_type_id", "instance_types", "instance", "machine_type"), _TYPE),
    **dict.fromkeys(("node_type", "flavor", "sku"), _TYPE),
    **dict.fromkeys(("max_price_per_hour", "max_price", "limit_price", "price", "bid_price", "limit"), _LIMIT),
    **dict.fromkeys(("bid", "max_bid", "price_limit", "spot_price", "max_cost_per_hour", "hourly_price"), _LIMIT),
    **dict.fromkeys(("num_nodes", "nodes", "replicas", "count", "instance_count", "instances"), _COUNT),
    **dict.fromkeys(("quantity", "instance_quantity", "node_count", "num_workers", "workers"), _COUNT),
    **dict.fromkeys(("gpu", "gpus", "gpu_count", "accelerators", "accelerator"), _GPUS),
    **dict.fromkeys(("zone", "zones", "regions", "location", "availability_zone", "cluster", "infra"), _PLACE),
    **dict.fromkeys(("run", "setup", "cmd", "command", "commands", "entrypoint", "script", "args"), _SCRIPT),
    **dict.fromkeys(("user_data", "cloud_init", "launch_script", "startup", "init_script"), _SCRIPT),
    **dict.fromkeys(("max_run_time_hours", "max_runtime", "max_duration", "timeout", "time_limit", "ttl"), _LIFETIME),
    "duration": "write advanced: {nearest_estimated_duration: 36}: hours; lifetime: {max_hours: 36} ends the task then",
    **dict.fromkeys(("image", "image_id", "docker_image", "docker", "container"), _IMAGE),
    **dict.fromkeys(("spot", "use_spot", "preemptible", "reservation", "reservation_id", "on_demand"), _SPOT),
    **dict.fromkeys(("upload_code", "workdir", "working_dir", "file_mounts"), _FILES),
    **dict.fromkeys(("env", "envs", "environment", "env_vars"), _VARIABLES),
    **dict.fromkeys(("disk", "disks", "disk_size", "storage_gb", "persistent_volume", "persistent_disk"), _VOLUME),
    **dict.fromkeys(("tags", "labels", "memory", "cpus", "cpu", "vcpus", "network", "vpc"), _NO_SETTING),
    **dict.fromkeys(("ssh", "ssh_key_id", "ssh_key_names", "key_name", "keypair"), "write ssh_key_name"),
    **dict.fromkeys(("expose", "open_ports", "port_forwarding", "forward"), "write ports"),
})  # fmt: skip
