"""A task of the flow SDK -> a task and volumes of a stack. Pure."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal

from flowplan.config.foreign.parts import (
    env_of,
    foreign_variables,
    key_of,
    limit_of,
    literal,
    mount_of,
    name_of,
    named_type,
    ports_of,
    quantity_of,
    region_of,
    type_of,
)
from flowplan.config.foreign.reading import Path, Reading, Value
from flowplan.config.foreign.script import Program
from flowplan.config.yaml import Scalar
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.model.resources import VOLUME_NAME, VOLUME_NAME_LENGTH
from flowplan.patterns import regex
from flowplan.pricing.units import per_gpu

# Dollars per GPU-hour that a priority stands for in flow, at least: some GPUs have less than others, and some more.
_TIERS = {
    "": {"low": Decimal("2.00"), "med": Decimal("4.00"), "high": Decimal("8.00")},
    "a10": {"low": Decimal("1.00"), "med": Decimal("2.00"), "high": Decimal("4.00")},
    "t4": {"low": Decimal("0.50"), "med": Decimal("1.00"), "high": Decimal("2.00")},
}
_HOURS = regex(r"[0-9]{1,5}(?:\.[0-9]{1,4})?", re.A)
_INTERFACES = {"block": "Block", "file": "File"}


def read_flow(reading: Reading, fallback: str) -> dict[str, Value]:
    """The stack of one flow task. Problems go to the document."""
    task: dict[str, Value] = {}
    key = name_of(reading, fallback, task)
    kind = _type(reading)
    specification: dict[str, Value] = {"fcp_instance": kind or ""}
    quantity = specification["num_instances"] = quantity_of(reading, "num_instances")
    if region := region_of(reading, ("region",)):
        specification["cluster_id"] = region
    task["resources_specification"] = specification
    task["task_management"] = _price(reading, kind or "")
    if keys := _ssh_keys(reading):
        task["ssh_key_name"] = keys
    if ports := ports_of(reading, ("ports",)):
        task["ports"] = ports
    volumes, attached = _volumes(reading)
    if quantity > 1:
        _hold_shared(reading)
    if attached:
        task["persistent_storage"] = {"attach": attached}
    if lifetime := _lifetime(reading):
        task["lifetime"] = lifetime
    mounts = [str(one["mount_point"]) for one in attached]
    _program(reading, mounts, task)
    _uploads(reading)
    return {"version": 2, **({"volumes": volumes} if volumes else {}), "tasks": {key: task}}


def _type(reading: Reading) -> str | None:
    written = reading.scalar("instance_type")
    if written is None:
        reading.refuse((), "the task names no instance type", "write instance_type: 8xh100")
        return None
    reading.take("instance_type")
    named = named_type(written.text)
    if named is not None:
        return named
    alone = type_of(written.text, None)
    if alone is None:
        reading.refuse(("instance_type",), "this is not the name of an instance type", "write instance_type: 8xh100")
        return None
    reading.remark(("instance_type",), f"it says no number of GPUs: {alone} is one")
    return alone


def _price(reading: Reading, kind: str) -> dict[str, Value]:
    limit = limit_of(reading, ("max_price_per_hour",))
    priority = reading.scalar("priority")
    if limit is not None:
        if priority is not None:
            reading.leave(("priority",), "max_price_per_hour is the limit")
        return {"utility_threshold_price": limit}
    gpu = next((one for one in _TIERS if one and re.search(rf"\b(?:[0-9]+x)?{one}\b", kind, re.I)), "")
    amount = _TIERS[gpu].get(priority.text if priority is not None else "low")
    if amount is None:
        reading.refuse(("priority",), "priority is none of low, med, high", "write max_price_per_hour: 17.92")
        return {}
    reading.take("priority")
    says = "flow's default for it" if priority is not None else "no price is given; flow's lowest default"
    reading.remark(("priority",), f"the limit is {per_gpu(amount)}, {says}: set utility_threshold_price to yours")
    return {"utility_threshold_price_per_gpu": amount}


def _ssh_keys(reading: Reading) -> list[Value]:
    found: list[Value] = []
    for item in reading.entries("ssh_keys"):
        node = reading.scalar("ssh_keys", item)
        if node is not None and node.text:
            reading.take("ssh_keys", item)
            found.append(literal(node.text))
    return found


def _lifetime(reading: Reading) -> dict[str, Value]:
    node = reading.scalar("max_run_time_hours")
    if node is None:
        return {}
    if not _HOURS.fullmatch(node.text):
        reading.refuse(
            ("max_run_time_hours",), "max_run_time_hours is not a number of hours", "write 24, or 0 for no end"
        )
        return {}
    reading.take("max_run_time_hours")
    hours = Decimal(node.text)
    return {"max_hours": hours} if hours else {}


# ---- volumes ----------------------------------------------------------------------------------------------


def _volumes(reading: Reading) -> tuple[dict[str, Value], list[dict[str, Value]]]:
    """The volumes that flowplan makes, and what the task attaches."""
    made: dict[str, Value] = {}
    attached: list[dict[str, Value]] = []
    for item in reading.entries("volumes"):
        path: Path = ("volumes", item)
        id, name = reading.scalar(*path, "volume_id"), reading.scalar(*path, "name")
        called = id or name
        if called is None:
            reading.leave(path, "a volume needs a name")
            continue
        mount = _mount(reading, path, called.text)
        if mount is None:
            continue
        size = reading.scalar(*path, "size_gb")
        if id is not None or size is None:
            _attached(reading, path, called, mount, attached)
        else:
            _made(reading, path, called.text, size.text, mount, made, attached)
    return made, attached


def _mount(reading: Reading, path: Path, called: str) -> str | None:
    for key in ("mount_path", "target"):
        node = reading.scalar(*path, key)
        if node is not None:
            mount = mount_of(reading, path, node.text)
            if mount is not None:
                reading.take(*path, key)
            return mount
    return mount_of(reading, path, f"/volumes/{called}")


def _attached(reading: Reading, path: Path, called: Scalar, mount: str, attached: list[dict[str, Value]]) -> None:
    by_id = reading.scalar(*path, "volume_id") is called
    reading.take(*path, "volume_id" if by_id else "name")
    if not by_id:
        reading.remark((*path, "name"), "it has no size_gb, so it is taken for a volume that exists")
    elif reading.at(*path, "name") is not None:
        reading.leave((*path, "name"), "volume_id says which volume it is")
    for key in ("size_gb", "interface"):
        if reading.at(*path, key) is not None:
            reading.leave((*path, key), "a volume that exists has it already")
    attached.append({"volume_name": literal(called.text), "mount_point": mount})


def _made(
    reading: Reading,
    path: Path,
    name: str,
    size: str,
    mount: str,
    made: dict[str, Value],
    attached: list[dict[str, Value]],
) -> None:
    key = key_of(name)
    if not VOLUME_NAME.fullmatch(name) or len(name) > VOLUME_NAME_LENGTH or key != name or key in made:
        reading.leave(
            path, "a volume's name is lowercase letters, digits and -, begins with a letter, and is used once"
        )
        return
    interface = reading.scalar(*path, "interface")
    kind = _INTERFACES.get(interface.text.lower()) if interface is not None else "Block"
    if not re.fullmatch("[1-9][0-9]{0,4}", size) or kind is None:
        reading.leave(path, "its size_gb is not a whole number, or its interface is neither block nor file")
        return
    for one in ("name", "size_gb", "interface"):
        reading.take(*path, one)
    made[key] = {"size": int(size), "disk_interface": kind, "lifecycle": {"prevent_destroy": True}}
    attached.append({"volume": key, "mount_point": mount})


def _hold_shared(reading: Reading) -> None:
    """Refuse volumes that the instances of a task cannot share: flow makes a volume a block device unless told."""
    for item in reading.entries("volumes"):
        path: Path = ("volumes", item)
        interface = reading.scalar(*path, "interface")
        if reading.at(*path, "volume_id") is None and (interface is None or interface.text.lower() == "block"):
            hint = "write interface: file there, or num_instances: 1"
            reading.refuse(path, "a block volume has one writer, and the task has several instances", hint)


# ---- what runs --------------------------------------------------------------------------------------------


def _program(reading: Reading, mounts: list[str], task: dict[str, Value]) -> None:
    image = reading.scalar("image")
    command = _command(reading)
    env = env_of(reading, "env", missing="it has no value")
    foreign_variables(reading, ("command",), command, "FLOW_")
    if image is not None:
        reading.take("image")
    if image is not None and not command:
        task["container_image"] = {"image_name": image.text}
        for name in env:
            reading.leave(("env", name), "there is no command that could use it")
        return
    if image is None and command:
        reading.remark(("image",), "none is given: the command runs on the instance, not in flow's default container")
    script = Program(command, env=env, image=image.text if image is not None else "", mounts=mounts).startup_script
    if script:
        task["startup_script"] = script


def _command(reading: Reading) -> str:
    node = reading.at("command")
    if isinstance(node, Scalar):
        reading.take("command")
        return node.text
    if isinstance(node, SequenceNode) and all(isinstance(item, Scalar) for item in node.items):
        reading.take("command")
        return shlex.join(item.text for item in node.items if isinstance(item, Scalar))
    if node is not None:
        hint = "write command: |, and the commands below it"
        reading.refuse(("command",), "command is not text, so the task would be placed without it", hint)
    return ""


def _uploads(reading: Reading) -> None:
    node = reading.scalar("upload_code")
    if node is not None and node.text.lower() == "false":
        reading.take("upload_code")
    elif reading.at("upload_code") is not None:
        reading.leave(("upload_code",), "flowplan copies no files; let the command fetch the code")
    else:
        reading.remark(("upload_code",), "flow uploads the working directory unless this is false; flowplan does not")
