"""YAML text -> Config: every problem at once, each with file, line and column. Pure: texts are given.

config.py     what comes out: Config, Task, VolumeWanted
read.py       all sources -> Config: the formats, names, addresses, what tasks share
keys/         every key of a task file and a stack file: what it is for, what it takes, what people write instead
schema.py     the same as a JSON Schema
section.py    a mapping that is being read; unknown_keys.py: what is said of its keys that nobody knows
values.py     one value of it, read strictly
positions.py  where the fields of a resource are written, noted while they are read, and with which keys
task/         one document of a task file -> Task
  task.py       the whole of it
  instances.py  resources_specification, task_management
  ports.py      ports
  storage.py    persistent_storage, ephemeral_storage_config
  script.py     startup_script, startup_script_file, container_image
  guards.py     guards
  secrets.py    values that look like credentials, wherever they stand
foreign/      files of other tools: known by their shape, and converted
yaml/         YAML 1.2 text -> nodes that know where they stand
"""

from flowplan.config.config import (
    Config,
    GpuWanted,
    LimitPrice,
    Moved,
    Source,
    Task,
    VolumeUse,
    VolumeWanted,
)
from flowplan.config.keys import MEANINGS, TASK
from flowplan.config.read import read
from flowplan.model.catalogue import PRIORITIES

TASK_KEYS = TASK.every
"""The keys at the top of a task."""
EXPLAINED = frozenset((*TASK.instead, *MEANINGS))
"""What people write in place of one: the problem of such a key says what to write."""

__all__ = [
    "EXPLAINED",
    "PRIORITIES",
    "TASK_KEYS",
    "Config",
    "GpuWanted",
    "LimitPrice",
    "Moved",
    "Source",
    "Task",
    "VolumeUse",
    "VolumeWanted",
    "read",
]
