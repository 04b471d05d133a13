"""Which tool a document is for, by its keys, or whether flowplan wrote it for itself. Pure."""

from __future__ import annotations

import shlex

from flowplan.classes import frozen
from flowplan.config.yaml import Document, Mapping, Node, Sequence
from flowplan.patterns import regex


@frozen
class Tool:
    """A tool whose files people have. `a_file`: what a message calls one; `converts`: `flowplan convert` reads it."""

    name: str
    a_file: str
    converts: bool = False


KUBERNETES = Tool("kubernetes", "a Kubernetes manifest")
COMPOSE = Tool("compose", "a docker compose file")
CONDA = Tool("conda", "a conda environment")
GITHUB = Tool("github", "a GitHub workflow")
OPENAPI = Tool("openapi", "an OpenAPI description")
PRE_COMMIT = Tool("pre-commit", "a pre-commit configuration")
SKYPILOT = Tool("skypilot", "a SkyPilot task", converts=True)
FLOW = Tool("flow", "a task of the flow SDK", converts=True)

# Whoever has one of these means flowplan, whatever else is wrong.
_OURS = frozenset((
    *("resources_specification", "task_management", "persistent_storage", "ephemeral_storage_config"),
    *("container_image", "startup_script", "startup_script_file", "project_name", "ssh_key_name", "tasks"),
))  # fmt: skip
_OF_SKYPILOT = frozenset(("run", "setup", "envs", "file_mounts", "num_nodes", "workdir"))
_OF_RESOURCES = frozenset((
    *("accelerators", "infra", "cloud", "any_of", "ordered", "use_spot", "image_id", "disk_size", "cpus", "memory"),
    "instance_type",
))  # fmt: skip
_OF_FLOW = frozenset((
    *("instance_type", "command", "max_price_per_hour", "max_run_time_hours", "upload_code", "min_gpu_memory_gb"),
    *("upload_strategy", "working_dir", "data_mounts", "allocation_mode"),
))  # fmt: skip
_BESIDE_FLOW = frozenset(("name", "env", "image", "region", "priority", "ssh_keys", "volumes", "num_instances"))


def tool_of(root: Node) -> Tool | None:
    """The tool that the document `root` is for, if it is not flowplan and its shape is known."""
    if not isinstance(root, Mapping) or not _OURS.isdisjoint(root.entries):
        return None
    there = frozenset(root.entries)
    if {"apiVersion", "kind"} <= there:
        return KUBERNETES
    if {"on", "jobs"} <= there:
        return GITHUB
    if "paths" in there and not there.isdisjoint(("openapi", "swagger")):
        return OPENAPI
    if isinstance(root.get("repos"), Sequence):
        return PRE_COMMIT
    if isinstance(root.get("services"), Mapping):
        return COMPOSE
    if isinstance(root.get("dependencies"), Sequence) and not there.isdisjoint(("channels", "name", "prefix")):
        return CONDA
    resources = root.get("resources")
    asked = frozenset(resources.entries) if isinstance(resources, Mapping) else frozenset()
    if (there & _OF_SKYPILOT and not there & _OF_FLOW) or asked & _OF_RESOURCES:
        return SKYPILOT
    of_flow = there & _OF_FLOW
    return FLOW if len(of_flow) > 1 or (of_flow and there & _BESIDE_FLOW) else None


def is_kept(document: Document) -> bool:
    """Whether `document` is one that flowplan writes for itself, a saved plan or a state, which is reported."""
    root = document.root
    if not isinstance(root, Mapping) or not {"format_version", "flowplan_version"} <= root.entries.keys():
        return False
    name = shlex.quote(document.text.file)
    if {"lineage", "serial"} <= root.entries.keys():
        what, hint = "a state", f"flowplan --state {name} show"
    elif not root.entries.keys().isdisjoint(("resource_changes", "sealed")):
        what, hint = "a saved plan", f"flowplan show {name}, or flowplan apply {name}"
    else:
        return False
    summary = f"{document.text.file} is {what}, not a file that says what you want"
    document.problem(root, summary, hint, code="foreign-file")
    return True


# What no other tool's file says, at whatever depth: nearly every file of flowplan is known by it, unread.
_ONLY_OURS = regex(
    rb"\b(resources?_specification|task_management|fcp_instance|persistent_storage|utility_threshold_price|"
    rb"startup_script|ssh_key_name|project_name)\b"
)


def is_plainly_ours(data: bytes) -> bool:
    """Whether a file says what only those of flowplan do."""
    return _ONLY_OURS.search(data) is not None
