"""A SkyPilot task -> a task of a stack. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.config.foreign.parts import (
    env_of,
    foreign_variables,
    limit_of,
    literal,
    mount_of,
    name_of,
    named_type,
    ports_of,
    quantity_of,
    region_of,
    secrets_left,
    type_of,
)
from flowplan.config.foreign.reading import Path, Reading, Value
from flowplan.config.foreign.script import Program
from flowplan.config.task.instances import REGION
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.config.yaml import Scalar

_KINDS = ("accelerators", "instance_type")
_PLACES = ("infra", "cloud", "region", "zone")
_FCP = ("mithril", "fcp", "foundry")
_DOCKER = "docker:"
_NO_COPIES = "flowplan copies no files; let setup fetch them, or attach a volume"


def read_skypilot(reading: Reading, fallback: str) -> dict[str, Value]:
    """The stack of one SkyPilot task. Problems go to the document."""
    task: dict[str, Value] = {}
    key = name_of(reading, fallback, task)
    quantity = quantity_of(reading, "num_nodes")
    task["resources_specification"] = _specification(reading, quantity)
    task["task_management"] = _price(reading, quantity)
    if ports := ports_of(reading, ("resources", "ports")):
        task["ports"] = ports
    attached = _volumes(reading)
    if attached:
        task["persistent_storage"] = {"attach": attached}
    script = _program(reading, [str(one["mount_point"]) for one in attached]).startup_script
    if script:
        task["startup_script"] = script
    _left(reading)
    return {"version": 2, "tasks": {key: task}}


def _price(reading: Reading, quantity: int) -> dict[str, Value]:
    found = [
        limit_of(reading, ("config", "mithril", "limit_price")),
        limit_of(reading, ("resources", "max_hourly_cost"), quantity),
    ]
    limits = [one for one in found if one is not None]
    if limits:
        return {"utility_threshold_price": min(limits)}
    reading.remark(
        ("config", "mithril", "limit_price"),
        "no limit is given: the task has the lowest priority, $2.00 per GPU-hour; set utility_threshold_price to yours",
    )
    return {"priority": "low"}


# ---- resources --------------------------------------------------------------------------------------------


def _specification(reading: Reading, quantity: int) -> dict[str, Value]:
    own: Path = ("resources",)
    alternatives = _alternatives(reading, own)
    kinds = [_in_force(reading, own, path, _KINDS) for path in alternatives]
    offered = [_accelerators(reading, path) for path in dict.fromkeys(kinds or [own])]
    types = list(dict.fromkeys(one for found, _ in offered for one in found))
    unordered = any(one for _, one in offered) or bool(alternatives and reading.entries(*own, "any_of"))
    places = [_in_force(reading, own, path, _PLACES) for path in alternatives]
    regions = _regions(reading, list(dict.fromkeys(places or [own])))
    if alternatives:
        for key in (*_KINDS, *_PLACES):
            if reading.at(*own, key) is not None and own not in (kinds if key in _KINDS else places):
                reading.leave((*own, key), "each of the alternatives has its own")
    if not types:
        hint = "write accelerators: H100:8"
        reading.refuse(own, "the task asks for no GPU that an instance type of FCP could have", hint)
    made: dict[str, Value] = {"fcp_instance": types[0] if len(types) == 1 else types, "num_instances": quantity}
    if regions:
        made["cluster_id"] = regions
    if unordered and len(types) > 1:
        made["advanced"] = {"optimize": "budget"}
    return made


def _alternatives(reading: Reading, own: Path) -> list[Path]:
    """Those that may be on FCP. SkyPilot chooses from them instead of `own`, whose keys they override. Where none
    is on FCP, `own` is carried over as it is written."""
    keys = ("any_of", "ordered")
    listed: list[Path] = [(*own, key, item) for key in keys for item in reading.entries(*own, key)]
    found = []
    for path in listed:
        infra, cloud = reading.scalar(*path, "infra"), reading.scalar(*path, "cloud")
        named = infra.text.partition("/")[0] if infra is not None else cloud.text if cloud is not None else _FCP[0]
        if named.lower() in _FCP:
            found.append(path)
        else:
            reading.leave(path, "it is on another cloud, and flowplan places tasks only on FCP")
    return found


def _in_force(reading: Reading, own: Path, alternative: Path, keys: Sequence[str]) -> Path:
    """Which of the two says `keys` for the alternative."""
    return alternative if any(reading.at(*alternative, key) is not None for key in keys) else own


def _accelerators(reading: Reading, where: Path) -> tuple[list[str], bool]:
    """The instance types, and whether the cheapest of them is wanted: a mapping has no order."""
    path = (*where, "accelerators")
    node = reading.at(*path)
    found: list[str] = []
    if isinstance(node, Scalar):
        found += _type(reading, path, node.text)
    elif isinstance(node, MappingNode):
        for name in node.entries:
            count = reading.scalar(*path, name)
            found += _type(reading, (*path, name), name if count is None else f"{name}:{count.text}")
    else:
        for item in reading.entries(*path):
            one = reading.scalar(*path, item)
            found += _type(reading, (*path, item), one.text) if one is not None else []
    named = reading.scalar(*where, "instance_type")
    if named is not None and (kind := named_type(named.text)) is not None:
        reading.take(*where, "instance_type")
        found.append(kind)
    elif named is not None:
        reading.leave((*where, "instance_type"), "it is an instance type of another cloud")
    return found, isinstance(node, MappingNode)


def _type(reading: Reading, path: Path, text: str) -> list[str]:
    name, _, count = text.partition(":")
    kind = type_of(name.strip(), count.strip() or None)
    if kind is None:
        reading.leave(path, "no instance type of FCP is named so: write a GPU and a whole number, such as H100:8")
        return []
    reading.take(*path)
    return [kind]


def _regions(reading: Reading, places: Sequence[Path]) -> str | None:
    """The region, where all say the same; places on other clouds are left."""
    anywhere = any(_is_anywhere(reading, where) for where in places)
    found: dict[Path, str] = {}
    for where in places:
        infra, cloud = reading.scalar(*where, "infra"), reading.scalar(*where, "cloud")
        path = (*where, "infra")
        if infra is not None:
            on, _, region = infra.text.partition("/")
            if on.lower() not in _FCP:
                reading.leave(path, "flowplan places tasks only on FCP")
            elif not region or region == "*":
                reading.take(*path)
            elif REGION.pattern.fullmatch(region):
                found[path] = region
            else:
                reading.leave(path, "it names no region of FCP")
        if cloud is not None and cloud.text.lower() in _FCP:
            reading.take(*where, "cloud")
            there = region_of(reading, (*where, "region"))
            if there is not None:
                found[(*where, "region")] = there
        else:
            _elsewhere(reading, where)
    chosen = set(found.values())
    why = "another alternative may be in any region" if anywhere else "a task has one region, and several are named"
    for path in found:
        if len(chosen) == 1 and not anywhere:
            reading.take(*path)
        else:
            reading.leave(path, f"{why}: flowplan chooses among all")
    return chosen.pop() if len(chosen) == 1 and not anywhere else None


def _is_anywhere(reading: Reading, where: Path) -> bool:
    """Whether an alternative may be in every region of FCP."""
    infra, cloud = reading.scalar(*where, "infra"), reading.scalar(*where, "cloud")
    if infra is not None:
        on, _, region = infra.text.partition("/")
        return on.lower() in _FCP and region in {"", "*"}
    if cloud is not None:
        return cloud.text.lower() in _FCP and reading.at(*where, "region") is None
    return all(reading.at(*where, key) is None for key in ("region", "zone"))


def _elsewhere(reading: Reading, where: Path) -> None:
    for key in ("cloud", "region", "zone"):
        if reading.at(*where, key) is not None:
            reading.leave((*where, key), "it is a place on another cloud, and flowplan places tasks only on FCP")


# ---- volumes ----------------------------------------------------------------------------------------------


def _volumes(reading: Reading) -> list[dict[str, Value]]:
    """The volumes that the task attaches: they exist."""
    found: list[dict[str, Value]] = []
    if not isinstance(reading.at("volumes"), MappingNode):
        return found
    for mount in reading.entries("volumes"):
        path: Path = ("volumes", mount)
        named = path if reading.scalar(*path) is not None else (*path, "name")
        name = reading.scalar(*named)
        if name is None:
            reading.leave(path, "it names no volume; a volume that lives with the cluster has no like here")
        elif mount_of(reading, path, mount) is not None:
            reading.take(*named)
            found.append({"volume_name": literal(name.text), "mount_point": mount})
    return found


# ---- what runs --------------------------------------------------------------------------------------------


def _program(reading: Reading, mounts: list[str]) -> Program:
    texts = {}
    for key in ("setup", "run"):
        node = reading.scalar(key)
        if node is None and reading.at(key) is not None:
            hint = f"write {key}: |, and the commands below it"
            reading.refuse((key,), f"{key} is not text, so the task would be placed without it", hint)
        texts[key] = node.text if node is not None else ""
        if node is not None:
            reading.take(key)
            foreign_variables(reading, (key,), node.text, "SKYPILOT_")
    env = env_of(reading, "envs", missing="it has no value; `sky launch --env` would give it one")
    secrets_left(reading, "secrets")
    return Program(texts["run"], texts["setup"], env, _image(reading), mounts)


def _image(reading: Reading) -> str:
    path: Path = ("resources", "image_id")
    node = reading.scalar(*path)
    if node is None:
        return ""
    if not node.text.startswith(_DOCKER) or node.text == _DOCKER:
        reading.leave(path, "it is a machine image; FCP's instances have one of their own, and run docker: images")
        return ""
    reading.take(*path)
    return node.text.removeprefix(_DOCKER)


def _left(reading: Reading) -> None:
    """What must not pass without its reason."""
    spot = reading.scalar("resources", "use_spot")
    if spot is not None and spot.text.lower() == "true":
        reading.take("resources", "use_spot")
    elif spot is not None:
        reading.leave(("resources", "use_spot"), "every bid can be interrupted when its limit no longer wins")
    if reading.at("workdir") is not None:
        reading.leave(("workdir",), _NO_COPIES)
    for mount in reading.entries("file_mounts"):
        reading.leave(("file_mounts", mount), _NO_COPIES)
