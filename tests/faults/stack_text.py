"""What a stack file of the random lives says, and what is drawn of it; never from what is there, so that a sequence
can be played again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import attrs
from attrs import field, frozen
from hypothesis import strategies as st

ENVIRONMENTS = ("staging", "production")
NAMES = ("a", "b", "c")  # a task waits only for those before it
KEYS = ("x", "y", "z")
Field = Literal["limit_price", "paused", "startup_script", "ports"]


@frozen
class Ending:
    """A lifetime: hours of running, dollars, or hours from the first moment of the sequence."""

    what: Literal["max_hours", "max_cost", "end_at"]
    much: int

    def text(self, start: datetime) -> str:
        if self.what != "end_at":
            return f"{{{self.what}: {self.much}}}"
        return f'{{end_at: "{self.end(start):%Y-%m-%dT%H:%M:%SZ}"}}'

    def end(self, start: datetime) -> datetime:
        return (start + timedelta(hours=self.much)).astimezone(UTC)


@frozen
class Written:
    """A task of the stack file. `keys`: those of its for_each; None: it has none."""

    price: str = "25.60"
    big: bool = False
    keys: tuple[str, ...] | None = None
    script: int = 0
    ports: tuple[int, ...] = (8080,)
    paused: bool = False
    volume: str | None = None
    prevent: bool = False
    first: bool = False  # create_before_destroy
    ignored: tuple[Field, ...] = ()
    triggers: bool = False  # by the task before it
    until: str | None = None  # how far the task before it has to be
    ending: Ending | None = None

    @property
    def instances(self) -> tuple[str, ...]:
        """What follows the name in its addresses."""
        return ("",) if self.keys is None else tuple(f'["{key}"]' for key in self.keys)


@frozen
class Kept:
    """A volume of the stack file."""

    size: int = 1
    prevent: bool = False


@frozen
class File:
    """The whole stack file. `moved`: old -> new name of a task, `dropped`: tasks that are removed and stay live,
    `imports`: (address of a task, id of a bid)."""

    tasks: Mapping[str, Written]
    volumes: Mapping[str, Kept]
    moved: Mapping[str, str] = field(factory=dict)
    dropped: frozenset[str] = frozenset()
    imports: tuple[tuple[str, str], ...] = ()
    ended: frozenset[str] = frozenset()  # what is removed, and goes
    budget: int | None = None

    def addresses(self) -> dict[str, Written]:
        """The bids that it names."""
        return {f"bid.{name}{instance}": task for name, task in self.tasks.items() for instance in task.instances}

    def now_at(self, address: str) -> str:
        """Where the resource at `address` stands once what is moved has moved."""
        kind, _, name = address.partition(".")
        base, bracket, key = name.partition("[")
        new = self.moved.get(base) if kind == "bid" and base not in self.tasks else None
        return f"bid.{new}{bracket}{key}" if new in self.tasks else address

    def text(self, start: datetime) -> str:
        names = list(self.tasks)
        parts = [
            'version: 2\nname: s\nname_prefix: "${var.env}-"',
            "project_name: my-foundry-project\nssh_key_name: my-ssh-key",
            "variables: {env: {type: string}}",
            "volumes:" if self.volumes else "",
            *(
                f"  {name}: {{size: {one.size}, region_id: us-central1-b, disk_interface: File, "
                f"lifecycle: {{prevent_destroy: {_bool(one.prevent)}}}}}"
                for name, one in self.volumes.items()
            ),
            "tasks:" if self.tasks else "",
            *(self._task(name, names[at - 1] if at else None, start) for at, name in enumerate(names)),
            *self._blocks(),
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def _task(self, name: str, before: str | None, start: datetime) -> str:
        task = self.tasks[name]
        kind = "h100.8x.SXM5.IB" if task.big else "a100.1x.SXM4.IB"
        cycle = [f"prevent_destroy: {_bool(task.prevent)}", f"create_before_destroy: {_bool(task.first)}"]
        cycle += [f"ignore_changes: [{', '.join(task.ignored)}]"] if task.ignored else []
        cycle += (
            [f"replace_triggered_by: [task.{before}]"]
            if task.triggers and before and self.tasks[before].instances
            else []
        )
        lines = [
            f"  {name}:",
            f"    for_each: [{', '.join(task.keys)}]" if task.keys is not None else "",
            f"    resources_specification: {{fcp_instance: {kind}, cluster_id: us-central1-b}}",
            f"    task_management: {{utility_threshold_price: {task.price}}}",
            f"    paused: {_bool(task.paused)}",
            f"    startup_script: echo script-{task.script}.",
            f"    ports: {list(task.ports)}" if task.ports else "",
            f"    lifecycle: {{{', '.join(cycle)}}}",
            f"    lifetime: {task.ending.text(start)}" if task.ending else "",
        ]
        if task.volume in self.volumes:
            lines.append(f"    persistent_storage: {{attach: {{volume: {task.volume}, mount_point: /mnt/data}}}}")
        if task.until and before:
            lines.append(f"    depends_on: [{{task: {before}, until: {task.until}}}]")
        return "\n".join(line for line in lines if line)

    def _blocks(self) -> list[str]:
        moved = {old: new for old, new in self.moved.items() if old not in self.tasks and new in self.tasks}
        dropped = sorted(one for one in self.dropped if one not in self.tasks and one not in moved)
        known = self.addresses()
        imports = [f"{{address: '{one}', id: {id}}}" for one, id in self.imports if one in known]
        moves = [f"{{from: task.{old}, to: task.{new}}}" for old, new in moved.items()]
        removals = [f"{{address: task.{one}, destroy: false}}" for one in dropped]
        removals += [f"{{address: '{one}'}}" for one in sorted(self.ended)]
        return [
            f"moved: [{', '.join(moves)}]" if moves else "",
            f"removed: [{', '.join(removals)}]" if removals else "",
            f"import: [{', '.join(imports)}]" if imports else "",
            f"guards: {{max_hourly_cost: {self.budget}}}" if self.budget else "",
        ]


def giving_up(known: Iterable[str]) -> File:
    """A file that gives up all that is `known`: what was applied with prevent_destroy stays protected otherwise."""
    return File({}, {}, ended=frozenset(one.partition("[")[0].partition("@")[0] for one in known))


def _bool(value: bool) -> str:
    return str(value).lower()


# ---- what is drawn ------------------------------------------------------------------------------------------------

SELDOM = st.sampled_from([False] * 5 + [True])
PRICES = st.sampled_from(["17.92", "21.50", "25.60", "25.60"])
EACH = st.none() | st.lists(st.sampled_from(KEYS), unique=True, max_size=3).map(tuple)
ENDINGS = st.none() | st.sampled_from(
    [Ending("max_hours", 1), Ending("max_hours", 3), Ending("max_cost", 20), Ending("end_at", 6), Ending("end_at", 48)]
)
FIELDS: st.SearchStrategy[Field] = st.sampled_from(["limit_price", "paused", "startup_script", "ports"])
IGNORED = st.just(()) | st.lists(FIELDS, unique=True, max_size=2).map(tuple)
UNTIL = st.sampled_from([None, None, None, "placed", "allocated", "running", "terminated"])
VOLUMES = st.none() | st.sampled_from(["v", "w"])
PORTS = st.sampled_from([(8080,), (8080, 8081), ()])
TASK_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "price": PRICES,
    "big": st.booleans(),
    "keys": EACH,
    "script": st.integers(0, 2),
    "ports": PORTS,
    "paused": SELDOM,
    "volume": VOLUMES,
    "prevent": SELDOM,
    "first": st.booleans(),
    "ignored": IGNORED,
    "triggers": st.booleans(),
    "until": UNTIL,
    "ending": ENDINGS,
}
TASKS = st.builds(Written, **TASK_FIELDS)
KEPT = st.builds(Kept, size=st.sampled_from([1, 1, 2]), prevent=SELDOM)


@frozen
class Edit:
    """What the user changes of `name`; `to`: the new value."""

    what: str
    name: str
    to: Any = None


_TASK = st.sampled_from(NAMES)
_VOLUME = st.sampled_from(["v", "w"])
EDIT = st.one_of(
    *(st.builds(Edit, st.just(what), _TASK, to) for what, to in TASK_FIELDS.items()),
    st.builds(Edit, st.just("task"), _TASK, TASKS | st.none()),
    st.builds(Edit, st.just("task"), _TASK, TASKS),
    st.builds(Edit, st.just("rename"), _TASK, _TASK),
    st.builds(Edit, st.just("drop"), _TASK),
    st.builds(Edit, st.just("add volume"), _VOLUME, KEPT | st.none()),
    st.builds(Edit, st.just("budget"), _TASK, st.sampled_from([None, None, None, 60, 150])),
)
EDITS = st.lists(EDIT, max_size=3)


def edited(file: File, edit: Edit) -> File:
    tasks, name = dict(file.tasks), edit.name
    if edit.what == "task":
        tasks.pop(name, None)
        if edit.to is not None:
            tasks[name] = edit.to
        return attrs.evolve(file, tasks=_sorted(tasks), dropped=file.dropped - {name})
    if edit.what == "add volume":
        volumes = {one: kept for one, kept in file.volumes.items() if one != name}
        return attrs.evolve(file, volumes=volumes | ({name: edit.to} if edit.to else {}))
    if edit.what == "budget":
        return attrs.evolve(file, budget=edit.to)
    if name not in tasks:
        return file
    if edit.what == "rename":
        if edit.to in tasks:
            return file
        tasks[edit.to] = tasks.pop(name)
        moved = {old: new for old, new in file.moved.items() if edit.to not in (old, new) and name not in (old, new)}
        return attrs.evolve(file, tasks=_sorted(tasks), moved=moved | {name: edit.to})
    if edit.what == "drop":
        del tasks[name]
        return attrs.evolve(file, tasks=tasks, dropped=file.dropped | {name})
    tasks[name] = attrs.evolve(tasks[name], **{edit.what: edit.to})
    return attrs.evolve(file, tasks=tasks)


def _sorted(tasks: dict[str, Written]) -> dict[str, Written]:
    return {name: tasks[name] for name in sorted(tasks)}
