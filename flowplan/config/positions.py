"""Where the fields of a resource are written, noted while they are read, and with which keys. Pure.

A run without problems asks for hardly any of them, and ten thousand tasks have two hundred thousand: so a place is one
number in an array, and the names of the fields are shared by all resources that have the same ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from functools import lru_cache

from attrs import field

from flowplan.classes import define
from flowplan.config.yaml import Mark
from flowplan.diagnostics import Position
from flowplan.model.address import Kind

_NONE: Mapping[str, str] = {}  # never written to; a read-only view could not be copied
_COLUMN_BITS = 24  # a file has at most 10,000,000 characters
# What people write -> the inner name of the field.
WRITTEN = {
    "cluster_id": "region",
    "disk_interface": "interface",
    "fcp_instance": "instance_type",
    "image": "container_image",
    "num_instances": "instance_quantity",
    "priority": "limit_price",
    "region_id": "region",
    "size": "size_gb",
    "ssh_key_name": "ssh_keys",
    "startup_script_file": "startup_script",
    "utility_threshold_price": "limit_price",
    "utility_threshold_price_per_gpu": "limit_price",
}
# The inner name of a field -> what people write, where that is another word: of a task, and of a volume.
_KEYS = {
    "bid": {
        "inputs": "startup_script or container_image",
        "instance_quantity": "num_instances",
        "instance_type": "fcp_instance",
        "limit_price": "utility_threshold_price",
        "local_disks": "ephemeral_storage_config",
        "mounts": "mount_point",
        "region": "cluster_id",
        "ssh_keys": "ssh_key_name",
        "volumes": "persistent_storage",
    },
    "ports": {"pairs": "ports"},
    "volume": {"interface": "disk_interface", "region": "region_id", "size_gb": "size"},
}


@define(eq=False)
class Notes:
    """What is noted of one resource that is being read."""

    places: dict[str, int] = field(factory=dict)
    elsewhere: dict[str, str] = field(factory=dict)  # fields that are written in another file: which one

    def add(self, name: str, mark: Mark, file: str | None = None) -> None:
        """The field `name` is written at `mark`, of the resource's own file or of `file`."""
        self.places[name] = mark.line << _COLUMN_BITS | mark.column
        if file is not None:
            self.elsewhere[name] = file


class Positions:
    """Where the fields of one resource are written, in its file."""

    __slots__ = ("_elsewhere", "_names", "_places")

    def __init__(self, places: Mapping[str, int], elsewhere: Mapping[str, str] | None = None) -> None:
        self._names = _shared(tuple(places))
        self._places = array("Q", places.values())
        self._elsewhere = elsewhere or _NONE  # most resources are written in one file

    def of(self, name: str, file: str) -> Position | None:
        """Where `name` is written: in `file`, which is the resource's, or in another one that it was noted with; None:
        nowhere."""
        if name not in self._names:
            return None
        place = self._places[self._names.index(name)]
        line, column = place >> _COLUMN_BITS, place & (1 << _COLUMN_BITS) - 1
        return Position(self._elsewhere.get(name, file), line + 1, column + 1)


@lru_cache(maxsize=1_000)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


NOWHERE = Positions({})


def key_of(kind: Kind, field: str) -> str:
    """The key of a file that says `field` of a resource, for a message to who writes one."""
    return _KEYS[kind].get(field, field)
