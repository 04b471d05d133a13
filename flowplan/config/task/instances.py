"""What is bid for, and for how much: resources_specification and task_management. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Literal, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.config import keys
from flowplan.config.config import GpuWanted, LimitPrice
from flowplan.config.section import Section
from flowplan.config.values import Given, Grammar, agree, as_text, choice, decimal, given, items, money, text, whole
from flowplan.config.yaml import Document, Node, quoted
from flowplan.model.catalogue import PRIORITIES
from flowplan.model.type_names import TypeName, has_word, read_type_name
from flowplan.patterns import regex

DEFAULT_PRIORITY = "standard"
DEFAULT_LIMIT = LimitPrice(PRIORITIES[DEFAULT_PRIORITY], "gpu")
MOST_INSTANCES = 256  # of one bid (fcp: instance_quantity)
_MOST_GPUS = 64  # of one instance; beyond that it is a slip of the pen
_LONGEST_TYPE = 100
_MOST_HOURS = Decimal(100_000)

Optimize: TypeAlias = Literal["budget", "job_completion_time"]

REGION = Grammar(
    regex(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII),
    regex(r"[a-z0-9-]", re.ASCII),
    "the name of a region, such as us-central1-b",
    64,
)
PROPERTY = Grammar(
    regex(r"[A-Za-z0-9][A-Za-z0-9 ._/+-]*", re.ASCII),
    regex(r"[A-Za-z0-9 ._/+-]", re.ASCII),
    "a short text of letters, digits, spaces and . _ / + -",
    64,
)


@frozen
class Wanted:
    """resources_specification, read. The nodes are kept for what other fields must agree with."""

    instance_types: tuple[str, ...] = ()
    gpu: GpuWanted = field(factory=GpuWanted)
    region: str | None = None
    region_node: Node | None = None
    optimize: Optimize | None = None
    estimated_hours: Decimal | None = None


@frozen
class Price:
    """task_management, read."""

    priority: str = DEFAULT_PRIORITY
    limit_price: LimitPrice = DEFAULT_LIMIT


# ---- resources_specification ------------------------------------------------------------------------------


def read_specification(task: Section, section: Section | None) -> Wanted:
    """What `resources_specification` asks for; its problems are reported."""
    document = task.document
    if section is None:
        if task.lacks("resources_specification"):
            hint = f"add {keys.SPECIFICATION.example}"
            document.problem(task.node, "there is no resources_specification", hint, code="missing")
        return Wanted()
    types = _types(section)
    section.note("instance_type", "fcp_instance", "gpu_type")
    section.note("gpus", "num_gpus")
    section.note("region", "cluster_id", "region")
    gpu = GpuWanted(
        text(section, "gpu_type", PROPERTY),
        whole(section, "num_gpus", 1, _MOST_GPUS, "GPUs"),
        text(section, "intranode_interconnect", PROPERTY),
        text(section, "internode_interconnect", PROPERTY),
    )
    misspelt = "resources_specification" in task.misspelt  # this one is of the defaults
    if section.lacks("fcp_instance") and section.lacks("gpu_type") and not misspelt:
        key = task.node.key("resources_specification")
        hint = "add fcp_instance: h100.8x.SXM5.IB, or gpu_type: H100 with num_gpus: 8"
        document.problem(key, "no instance type is named", hint, code="missing")
    _gpus_agree(section, types, gpu)
    region = _region(section)
    advanced = section.within("advanced", keys.ADVANCED)
    optimize, hours = _advanced(advanced) if advanced else (None, None)
    (advanced or section).note("optimize", "optimize")
    (advanced or section).note("estimated_hours", "nearest_estimated_duration")
    node = section.node.get("cluster_id") or section.node.get("region")
    return Wanted(tuple(name.text for name, _ in types), gpu, region, node, optimize, hours)


def _types(section: Section) -> list[tuple[TypeName, Node]]:
    node = section.get("fcp_instance")
    if node is None:
        return []
    found: dict[str, tuple[TypeName, Node]] = {}
    for item in items(section.document, node, section.name("fcp_instance")):
        name = _type(section, item)
        if name is not None and name.text in found:
            also = (("first given here", found[name.text][1]),)
            summary = f"fcp_instance has {quoted(name.text)} twice"
            section.document.problem(item, summary, "keep one of the two", code="duplicate", also=also)
        elif name is not None:
            found[name.text] = (name, item)
    return list(found.values())


def _type(section: Section, item: Node) -> TypeName | None:
    found = as_text(section.document, item, section.name("fcp_instance"))
    if found is None:
        return None
    written = found.text
    try:
        if len(written) > _LONGEST_TYPE:
            raise ValueError(written)
        return read_type_name(written)
    except ValueError:
        summary = f"fcp_instance {quoted(written)} is not the name of an instance type"
        section.document.problem(item, summary, _type_hint(written), code="value")
        return None


def _type_hint(written: str) -> str:
    for between in (".", "-", ":", ""):
        plain = re.sub(r"[\s_]+", between, written[:_LONGEST_TYPE].strip())
        with suppress(ValueError):
            if read_type_name(plain).gpu is not None:
                return f"did you mean '{plain}'?"
    from flowplan.model.near_types import meaning

    means = meaning(written[:_LONGEST_TYPE])
    if means is not None and means.short is not None:
        return f"did you mean '{means.short}'?"
    return "write h100.8x.SXM5.IB, h100-80gb.sxm.8x, 8xh100, h100:8, or an id such as it_5ECSoHQjLBzrp5YM"


def _gpus_agree(section: Section, types: list[tuple[TypeName, Node]], gpu: GpuWanted) -> None:
    """num_gpus and gpu_type against what the names themselves tell."""
    for name, node in types:
        if None not in (gpu.gpus, name.gpus) and gpu.gpus != name.gpus:
            summary = f"num_gpus is {gpu.gpus}, but {name.text} has {name.gpus}"
            _disagree(section, "num_gpus", summary, name, node)
        if gpu.gpu_type is not None and name.gpu is not None and not has_word(gpu.gpu_type, name.gpu):
            summary = f"gpu_type is {gpu.gpu_type}, but {name.text} has {name.gpu.upper()}"
            _disagree(section, "gpu_type", summary, name, node)


def _disagree(section: Section, key: str, summary: str, name: TypeName, node: Node) -> None:
    also = ((f"{name.text} is named here", node),)
    hint = f"leave {key} out, or change one of the two"
    section.document.problem(section.at(key), summary, hint, code="conflict", also=also)


def _region(section: Section) -> str | None:
    cluster, region = text(section, "cluster_id", REGION), text(section, "region", REGION)
    agree(section.document, given(section, "cluster_id", cluster) + given(section, "region", region))
    return cluster or region


def _advanced(section: Section) -> tuple[Optimize | None, Decimal | None]:
    optimize: Optimize | None = choice(section, "optimize", ("budget", "job_completion_time"))
    hours = decimal(section, "nearest_estimated_duration", "hours", places=4, highest=_MOST_HOURS)
    return optimize, hours


# ---- how many ---------------------------------------------------------------------------------------------


def read_quantity(document: Document, sections: list[Section | None]) -> tuple[int, Node | None]:
    """num_instances, wherever it stands: in all places the same. With the place, when it is given."""
    found: list[Given] = []
    for section in sections:
        if section is not None:
            found += given(section, "num_instances", whole(section, "num_instances", 1, MOST_INSTANCES))
    agree(document, found)
    place = next((section for section in sections if section is not None and section.has("num_instances")), sections[0])
    if place is not None:
        place.note("instance_quantity", "num_instances")
    for number in found:
        if isinstance(number.value, int):
            return number.value, number.node
    return 1, None


# ---- task_management --------------------------------------------------------------------------------------


def read_price(section: Section | None) -> Price:
    """The limit: utility_threshold_price, or _per_gpu, or what the priority stands for."""
    if section is None:
        return Price()
    section.note("limit_price", "utility_threshold_price", "utility_threshold_price_per_gpu", "priority")
    section.note("priority", "priority")
    priority = choice(section, "priority", tuple(PRIORITIES)) or DEFAULT_PRIORITY
    limit = money(section, "utility_threshold_price", "dollars per instance-hour")
    table = _priorities(section)
    per_gpu = money(section, "utility_threshold_price_per_gpu", "dollars per GPU-hour")
    if section.has("utility_threshold_price") and section.has("utility_threshold_price_per_gpu"):
        one, other = section.node.key("utility_threshold_price"), section.node.key("utility_threshold_price_per_gpu")
        summary = "utility_threshold_price and utility_threshold_price_per_gpu are both given"
        hint = "keep one: the limit per instance-hour, or per GPU-hour"
        section.document.problem(other, summary, hint, code="conflict", also=(("the other one", one),))
    if limit is not None:
        return Price(priority, LimitPrice(limit, "instance"))
    return Price(priority, LimitPrice(per_gpu if per_gpu is not None else table[priority], "gpu"))


def _priorities(section: Section) -> Mapping[str, Decimal]:
    """Foundry's table, with what `priorities` puts in its place."""
    own = section.within("priorities", keys.MAPPINGS["task_management.priorities"])
    if own is None:
        return PRIORITIES
    given = {name: money(own, name, "dollars per GPU-hour") for name in PRIORITIES if own.has(name)}
    return {**PRIORITIES, **{name: amount for name, amount in given.items() if amount is not None}}
