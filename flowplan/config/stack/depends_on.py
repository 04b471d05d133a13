"""depends_on: which tasks of a stack wait for which. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import attrs

from flowplan.config import keys
from flowplan.config.config import Task
from flowplan.config.section import Section, open_section
from flowplan.config.stack.addresses import TASK, task_address
from flowplan.config.stack.names import Names
from flowplan.config.values import choice, items, text, text_of
from flowplan.config.yaml import Node, Scalar
from flowplan.diagnostics import Position, candidates
from flowplan.model.address import Address
from flowplan.model.lifecycle import UNTIL, After


def read_depends_on(task: Section) -> tuple[After, ...]:
    """What `task` waits for: names, or mappings of `task` and `until`. Problems are reported."""
    node = task.get("depends_on")
    if node is None:
        return ()
    found: dict[Address, tuple[After, Node]] = {}
    for item in items(task.document, node, task.name("depends_on")):
        after = _one(task, item)
        if after is None:
            continue
        if after.task in found:
            also = (("first given here", found[after.task][1]),)
            summary = f"depends_on names {after.task} twice"
            task.document.problem(item, summary, "keep one of the two", code="duplicate", also=also)
        else:
            found[after.task] = (after, item)
    return tuple(after for after, _ in found.values())


def _one(task: Section, item: Node) -> After | None:
    document, title = task.document, task.name("depends_on")
    if isinstance(item, Scalar):
        name = text_of(document, item, title, TASK)
        return None if name is None else After(task_address(name), "placed", document.position(item))
    section = open_section(document, item, title, keys.AFTER)
    if section is None:
        return None
    name = text(section, "task", TASK)
    if name is None:
        if section.lacks("task"):
            document.problem(item, f"{title} names no task", f"write {keys.AFTER.example}", code="missing")
        return None
    until = choice(section, "until", UNTIL) or "placed"
    return After(task_address(name), until, document.position(section.at("task")))


def of_instances(tasks: Sequence[Task], repeated: Set[Address]) -> list[Task]:
    """`tasks`, where a wait for one of `repeated`, the tasks with a `for_each`, is one for each of its instances. A
    wait that names an instance says itself how far that one has to be."""
    instances: dict[Address, list[Address]] = {one: [] for one in repeated}
    for task in tasks:
        instances.get(Address("bid", task.address.base), []).append(task.address)
    return [
        attrs.evolve(task, depends_on=_single(task.depends_on, instances)) if task.depends_on else task
        for task in tasks
    ]


def _single(waits: tuple[After, ...], instances: Mapping[Address, Sequence[Address]]) -> tuple[After, ...]:
    named = {after.task for after in waits}
    found: list[After] = []
    for after in waits:
        each = instances.get(after.task)
        found += [after] if each is None else [attrs.evolve(after, task=one) for one in each if one not in named]
    return tuple(found)


Report = tuple[Position, str, str | None, tuple[tuple[str, Position], ...]]


def wrong(tasks: Mapping[Address, Task], names: Names) -> list[Report]:
    """What is wrong with who waits for whom, each with its place, summary, hint and further places: a task that
    does not exist, and circles. `names`: those that are declared."""
    found: list[Report] = []
    known = [f"task.{name}" for address in tasks for name in {address.name, address.base}]
    graph: dict[Address, list[Address]] = {address: [] for address in tasks}
    for address, task in tasks.items():
        for after in task.depends_on:
            if after.task in tasks:
                graph[address].append(after.task)
            elif not names.explain(after.task):
                what = f"task.{after.task.name}"
                others = [one for one in known if one not in (f"task.{address.name}", f"task.{address.base}")]
                found.append((after.source, f"there is no {what} to wait for", candidates(what, others), ()))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        members: list[Address] = error.args[1][::-1]
        found.append(_circle(tasks, members))
    return found


def _circle(tasks: Mapping[Address, Task], members: list[Address]) -> Report:
    """A circle, with the place of each of its waits."""
    if members[0] == members[1]:
        place = next(after.source for after in tasks[members[0]].depends_on if after.task == members[0])
        return place, f"task.{members[0].name} waits for itself", "leave it out", ()
    places = [
        (f"task.{one.name} waits for task.{other.name} here", after.source)
        for one, other in pairwise(members)
        for after in tasks[one].depends_on
        if after.task == other
    ]
    summary = f"these tasks wait for each other: {' -> '.join(f'task.{one.name}' for one in members)}"
    return places[0][1], summary, "leave out one of the waits", tuple(places[1:])
