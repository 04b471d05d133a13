"""YAML text -> Config: every problem at once, each with file, line and column. Pure: texts are given.

reading.py    all sources -> Config: the formats, names, addresses, what tasks share
task.py       one task document -> Task
instances.py  resources_specification, task_management
ports.py      ports
storage.py    persistent_storage, ephemeral_storage_config
script.py     startup_script, container_image
values.py     one value of a mapping, read strictly
places.py     where in the files a field stands, when somebody asks
types.py      what comes out
"""

from flowplan.config.config import Config, GpuWanted, Source, Task, VolumeUse, VolumeWanted
from flowplan.config.read import read
from flowplan.config.task.instances import PRIORITIES

__all__ = ["PRIORITIES", "Config", "GpuWanted", "Source", "Task", "VolumeUse", "VolumeWanted", "read"]
