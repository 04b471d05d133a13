"""Where in the files a field stands, when somebody asks. Pure.

A run without problems never asks, so reading keeps one position for a resource; the rest is found by reading the
file again, once, and then kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from attrs import define, field

from flowplan.config.yaml import Document, Findings, Node, Scalar, Text, documents, read_text
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.diagnostics import Position

# The inner names of fields -> the keys that say so, the telling ones first.
TASK_FIELDS: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "project": ("project_name",),
    "ssh_keys": ("ssh_key_name",),
    "limit_price": (
        "task_management.utility_threshold_price",
        "task_management.utility_threshold_price_per_gpu",
        "task_management.priority",
        "task_management",
    ),
    "priority": ("task_management.priority", "task_management"),
    "instance_type": (
        "resources_specification.fcp_instance",
        "resources_specification.gpu_type",
        "resources_specification",
    ),
    "gpus": ("resources_specification.num_gpus", "resources_specification"),
    "instance_quantity": (
        "resources_specification.num_instances",
        "task_management.num_instances",
        "num_instances",
        "resources_specification",
    ),
    "region": (
        "resources_specification.cluster_id",
        "resources_specification.region",
        "resources_specification",
    ),
    "optimize": ("resources_specification.advanced.optimize", "resources_specification"),
    "estimated_hours": ("resources_specification.advanced.nearest_estimated_duration", "resources_specification"),
    "ports": ("ports",),
    "volumes": ("persistent_storage",),
    "mounts": ("persistent_storage",),
    "local_disks": ("ephemeral_storage_config",),
    "container_image": ("container_image",),
    "startup_script": ("startup_script", "startup_script_file"),
    "paused": ("paused",),
}
_ALIASES = {
    "limit_price_per_gpu": "limit_price",
    "instance_types": "instance_type",
    "gpu": "instance_type",
    "num_gpus": "gpus",
    "num_instances": "instance_quantity",
    "ssh_key_names": "ssh_keys",
    "inputs": "startup_script",
}
VOLUME_FIELDS: dict[str, tuple[str, ...]] = {
    "name": ("volume_name",),
    "size_gb": ("size",),
    "interface": ("disk_interface", "storage_type"),
    "region": ("region_id",),
    "mount_point": ("mount_point", "mount_dir"),
}


class _Source(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def data(self) -> bytes: ...


_Table = dict[Position, dict[str, Position]]  # a resource's own position -> its fields'


@define
class Places:
    """The files that were asked about, and their tables."""

    _texts: dict[str, Text | None] = field(factory=dict)
    _tables: dict[str, tuple[_Table, _Table]] = field(factory=dict)

    def of_task(self, sources: Sequence[_Source], source: Position, name: str) -> Position:
        if not name:
            return source
        return self._of(sources, source.file)[0].get(source, {}).get(_ALIASES.get(name, name), source)

    def of_volume(self, sources: Sequence[_Source], source: Position, name: str) -> Position:
        if not name:
            return source
        return self._of(sources, source.file)[1].get(source, {}).get(name, source)

    def _of(self, sources: Sequence[_Source], file: str) -> tuple[_Table, _Table]:
        if file not in self._tables:
            self._tables[file] = ({}, {})
            text = self._text(sources, file)
            for document in documents(text) if text is not None else ():
                _fill(document, *self._tables[file])
        return self._tables[file]

    def line(self, sources: Sequence[_Source], position: Position) -> str | None:
        text = self._text(sources, position.file)
        return text.line(position.line) if text is not None else None

    def _text(self, sources: Sequence[_Source], file: str) -> Text | None:
        if file not in self._texts:
            source = next((source for source in sources if source.name == file), None)
            self._texts[file] = read_text(file, source.data, Findings()) if source is not None else None
        return self._texts[file]


def _fill(document: Document, tasks: _Table, volumes: _Table) -> None:
    root = document.root
    if not isinstance(root, MappingNode):
        return
    tasks[document.position(root.get("name") or root)] = _positions(document, root, TASK_FIELDS)
    storage = root.get("persistent_storage")
    create = storage.get("create") if isinstance(storage, MappingNode) else None
    for volume in create.items if isinstance(create, SequenceNode) else [create]:
        if isinstance(volume, MappingNode):
            place = document.position(volume.get("volume_name") or volume)
            volumes[place] = _positions(document, volume, VOLUME_FIELDS)


def _positions(document: Document, mapping: MappingNode, fields: Mapping[str, tuple[str, ...]]) -> dict[str, Position]:
    found: dict[str, Position] = {}
    for name, paths in fields.items():
        node = next(_reach(mapping, paths), None)
        if node is not None:
            found[name] = document.position(node)
    return found


def _reach(mapping: MappingNode, paths: Sequence[str]) -> Iterator[Node]:
    """The nodes at those of `paths` that exist: a value, or the key of what has several lines."""
    for path in paths:
        *outer, key = path.split(".")
        node: Node | None = mapping
        for part in outer:
            node = node.get(part) if isinstance(node, MappingNode) else None
        value = node.get(key) if isinstance(node, MappingNode) else None
        if isinstance(node, MappingNode) and value is not None:
            yield value if isinstance(value, Scalar) else node.key(key)
