"""One task document -> one Task and the volumes it creates. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.config import keys
from flowplan.config.config import Task, VolumeWanted
from flowplan.config.positions import Positions
from flowplan.config.section import Section, open_section
from flowplan.config.task.guards import read_guards
from flowplan.config.task.instances import read_price, read_quantity, read_specification
from flowplan.config.task.lifecycle import read_lifecycle, read_lifetime
from flowplan.config.task.ports import read_ports
from flowplan.config.task.script import ReadFile, read_image, read_script
from flowplan.config.task.storage import Around, Storage, read_local_disks, read_volumes
from flowplan.config.values import Grammar, flag, text, texts
from flowplan.config.yaml import Document
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.model.address import Address
from flowplan.model.resources import BID_NAME
from flowplan.patterns import regex

if TYPE_CHECKING:
    from flowplan.model.budget import Budget

NAME = Grammar(
    BID_NAME,
    regex(r"[A-Za-z0-9._-]", re.ASCII),
    "letters, digits and . _ - beginning with a letter or a digit",
)
# What exists in the cloud already may be called anything that can be typed: what is seen, with spaces between.
_SEEN = r"[^\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
_CLOUD_NAME = Grammar(regex(f"(?! ){_SEEN}+(?<! )"), regex(_SEEN), "a name in visible characters")
_IGNORED = ("networking", "resources")
# Fields -> the keys at the top of a task that say them; what stands deeper is noted where it is read.
_WRITTEN = {
    "name": ("name",),
    "project": ("project_name",),
    "ssh_keys": ("ssh_key_name",),
    "ports": ("ports",),
    "volumes": ("persistent_storage",),
    "mounts": ("persistent_storage",),
    "local_disks": ("ephemeral_storage_config",),
    "container_image": ("container_image",),
    "startup_script": ("startup_script", "startup_script_file"),
    "paused": ("paused",),
}


@frozen
class Part:
    """What one document adds. `unnamed`: the document of a task whose name is the fallback (a document is
    large, and not kept otherwise)."""

    tasks: tuple[Task, ...] = ()
    volumes: tuple[VolumeWanted, ...] = ()
    unnamed: Document | None = None
    budget: Budget | None = None


def read_task(document: Document, fallback: str, read_file: ReadFile) -> Part:
    """The task of `document`, named `fallback` when it gives no name. Problems are reported to the document;
    a task that has some is still returned, so that what tasks share is checked, too."""
    task = open_section(document, document.root, "", keys.TASK)
    return Part() if task is None else read_section(task, fallback, read_file)


def read_section(task: Section, fallback: str, read_file: ReadFile, address: Address | None = None) -> Part:
    """The same of the mapping `task`. `address`: the one it has whatever its name, in a stack."""
    document = task.document
    _warn_of_ignored(task)
    specification = _section(task, "resources_specification")
    management = _section(task, "task_management")
    wanted = read_specification(task, specification)
    price = read_price(management)
    quantity, quantity_node = read_quantity(document, [specification, management, task])
    storage = Storage()
    around = Around(wanted.region, wanted.region_node, quantity, quantity_node)
    read_volumes(_section(task, "persistent_storage"), around, storage)
    disks = read_local_disks(_section(task, "ephemeral_storage_config"), storage)
    name = text(task, "name", NAME)
    for of, written in _WRITTEN.items():
        task.note(of, *written)
    task.note_items("ssh_keys", "ssh_key_name")
    found = Task(
        address=address or Address("bid", name or fallback),
        name=name or fallback,
        source=document.position(task.at("name") if task.key is None or task.has("name") else task.key),
        project=text(task, "project_name", _CLOUD_NAME),
        ssh_keys=texts(task, "ssh_key_name", _CLOUD_NAME),
        priority=price.priority,
        limit_price=price.limit_price,
        instance_types=wanted.instance_types,
        gpu=wanted.gpu,
        instance_quantity=quantity,
        region=wanted.region,
        optimize=wanted.optimize,
        estimated_hours=wanted.estimated_hours,
        ports=read_ports(document, task.get("ports")),
        volumes=tuple(storage.uses),
        local_disks=disks,
        container_image=read_image(task),
        startup_script=read_script(task, read_file),
        paused=flag(task, "paused"),
        lifecycle=read_lifecycle(task),
        lifetime=read_lifetime(_section(task, "lifetime")),
        positions=Positions(task.notes.places, task.notes.elsewhere),
        named=address is not None and name is not None,
    )
    _warn_of_prevented(task, found)
    tasks = (found,) if name is not None or not task.has("name") else ()
    budget = read_guards(_section(task, "guards"))
    return Part(tasks, tuple(storage.created), None if task.has("name") else document, budget)


def _warn_of_prevented(task: Section, found: Task) -> None:
    """Report a lifetime that can end nothing."""
    lifecycle = task.node.get("lifecycle")
    if found.lifetime is None or not found.lifecycle.prevent_destroy or not isinstance(lifecycle, MappingNode):
        return
    summary = "prevent_destroy keeps the lifetime from ending the task"
    hint = "keep one of the two; a bid past its lifetime runs on and costs money until it is cancelled"
    node, also = lifecycle.value("prevent_destroy"), (("its lifetime is here", task.node.key("lifetime")),)
    task.document.problem(node, summary, hint, code="lifetime-prevented", severity="warning", also=also)


def _section(task: Section, key: str) -> Section | None:
    return task.within(key, keys.MAPPINGS[key])


def _warn_of_ignored(task: Section) -> None:
    for key in _IGNORED:
        if task.has(key):
            summary = f"{key} has no effect: FCP has no such setting"
            task.document.problem(task.node.key(key), summary, "delete it", code="ignored", severity="warning")
