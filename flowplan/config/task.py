"""One task document -> one Task and the volumes it creates. Pure."""

from __future__ import annotations

import re

from attrs import frozen

from flowplan.config.instances import (
    MANAGEMENT_KEYS,
    SPECIFICATION_KEYS,
    Wanted,
    read_price,
    read_quantity,
    read_specification,
)
from flowplan.config.ports import PORT_KEYS, read_ports
from flowplan.config.script import IMAGE_KEYS, ReadFile, read_image, read_script
from flowplan.config.storage import (
    ATTACH_KEYS,
    CREATE_KEYS,
    LOCAL_KEYS,
    STORAGE_KEYS,
    Around,
    Storage,
    read_local_disks,
    read_volumes,
)
from flowplan.config.types import Task, VolumeWanted
from flowplan.config.values import HOMES, Grammar, Keys, Section, flag, open_section, text, texts
from flowplan.document import Document
from flowplan.errors import Position
from flowplan.resources import BID_NAME, Address

NAME = Grammar(
    BID_NAME,
    re.compile(r"[A-Za-z0-9._-]", re.ASCII),
    "letters, digits and . _ - beginning with a letter or a digit",
)
# What exists in the cloud already may be called anything that can be typed.
_CLOUD_NAME = Grammar(re.compile(r"[!-~](?:[ -~]*[!-~])?", re.ASCII), re.compile(r"[ -~]", re.ASCII), "printable ASCII")

TASK_KEYS = Keys(
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
    },
)
IGNORED = ("networking", "resources")

# A key's first home wins; the task's own come last, where nothing else has them.
for _title, _keys in (
    ("resources_specification", SPECIFICATION_KEYS),
    ("task_management", MANAGEMENT_KEYS),
    ("persistent_storage", STORAGE_KEYS),
    ("persistent_storage.create", CREATE_KEYS),
    ("persistent_storage.attach", ATTACH_KEYS),
    ("resources_specification.advanced", Keys(("optimize", "nearest_estimated_duration"), "")),
    ("ephemeral_storage_config", LOCAL_KEYS),
    ("container_image", IMAGE_KEYS),
    ("ports", PORT_KEYS),
    ("", TASK_KEYS),
):
    for _key in _keys.known:
        HOMES.setdefault(_key, _title)


@frozen
class Part:
    """What one document adds. `named`: whether the task's name is written in it."""

    document: Document
    tasks: tuple[Task, ...] = ()
    volumes: tuple[VolumeWanted, ...] = ()
    named: bool = True


def read_task(document: Document, fallback: str, read_file: ReadFile) -> Part:
    """The task of `document`; its name is `fallback` when it gives none. Problems are reported to the document;
    a task that has some is still returned, so that what tasks share can be checked, too."""
    task = open_section(document, document.root, "", TASK_KEYS)
    if task is None:
        return Part(document)
    _warn_of_ignored(task)
    wanted, quantity, storage = _instances(task)
    name = text(task, "name", NAME)
    if name is None and task.has("name"):
        return Part(document)
    return _part(task, name or fallback, wanted, quantity, storage, read_file, named=name is not None)


def _instances(task: Section) -> tuple[Wanted, tuple[int, Section | None], Storage]:
    raise NotImplementedError


def _warn_of_ignored(task: Section) -> None:
    for key in IGNORED:
        if task.has(key):
            summary = f"{key} has no effect: FCP has no such setting"
            task.document.problem(task.node.key(key), summary, "delete it", code="ignored", severity="warning")


def source_of(document: Document, task: Section) -> Position:
    """Where a task is: at its name, else at its first key."""
    return document.position(task.at("name"))
