"""All sources -> Config: names, addresses, and what tasks share. Pure: the files' bytes are given."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

import attrs
from attrs import field

from flowplan.classes import define
from flowplan.config import keys
from flowplan.config.config import Config, Source, Task, VolumeUse, VolumeWanted
from flowplan.config.foreign.shapes import is_kept, tool_of
from flowplan.config.stack.given import NOTHING_GIVEN, Given
from flowplan.config.stack.said import Stack
from flowplan.config.stack.where import is_stack
from flowplan.config.task.lifecycle import wrong_triggers
from flowplan.config.task.script import ReadFile
from flowplan.config.task.secrets import warn_of_keys
from flowplan.config.task.task import NAME, Part, read_task
from flowplan.config.yaml import (
    KINDS,
    Document,
    Findings,
    Mapping,
    Scalar,
    Text,
    TooManyProblems,
    documents,
    quoted,
    read_text,
)
from flowplan.diagnostics import Position, candidates, looks_like
from flowplan.errors import ConfigError
from flowplan.masking import holds_token
from flowplan.model.address import Address

if TYPE_CHECKING:
    from flowplan.model.budget import Budget

Resource = TypeVar("Resource", Task, VolumeWanted)


def read(sources: Sequence[Source], read_file: ReadFile, given: Given = NOTHING_GIVEN) -> Config:
    """What all `sources` together ask for. `given`: values of variables, and the environment.

    `read_file(source_name, path)` gives the bytes of a file that a source names, relative to that source; it
    raises OSError. Raises ConfigError with every problem of every source, warnings among them.
    """
    reading = _Reading(read_file)
    try:
        for source in sources:
            reading.source(source)
        reading.stack(given)
        reading.link()
    except TooManyProblems:
        pass
    if reading.findings.has_errors:
        raise ConfigError(reading.findings.all)
    stack = reading.found
    return Config(
        reading.tasks,
        reading.volumes,
        tuple(reading.findings.all),
        tuple(sources),
        tuple(reading.budgets),
        is_stack=bool(reading.stacked),
        stack=stack.name,
        name_prefix=stack.prefix,
        state=stack.state,
        outputs=stack.outputs,
        empty=frozenset(stack.names.empty),
        moved=tuple(stack.moved),
        removed=tuple(stack.removed),
        imports=tuple(stack.imports),
        variables=stack.variables,
        secrets=frozenset(reading.findings.secrets),
        sensitive=stack.sensitive,
        policies=tuple(stack.policies),
        hooks=tuple(stack.hooks),
        watch=stack.watch,
    )


@define
class _Reading:
    """What has been read so far. `texts`: the files, for problems that show later."""

    read_file: ReadFile
    findings: Findings = field(factory=Findings)
    tasks: dict[Address, Task] = field(factory=dict)
    volumes: dict[Address, VolumeWanted] = field(factory=dict)
    texts: dict[str, Text] = field(factory=dict)
    budgets: list[Budget] = field(factory=list)
    stacked: list[Document] = field(factory=list)  # the documents of the stack
    found: Stack = field(factory=Stack)
    unread: bool = False  # whether something could not be read that may have declared names

    def source(self, source: Source) -> None:
        text = read_text(source.name, source.data, self.findings)
        if text is None:
            self.unread = True
            return
        self.texts[source.name] = text
        name, suspicious = PurePath(source.name).stem, holds_token(text.content)  # asked of the file once
        parts = []
        for number, document in enumerate(documents(text)):
            if _is_foreign(document, first=not number):
                self.unread = True
            elif is_stack(document):
                self.stacked.append(document)
            else:
                parts.append(_read_document(document, name, self.read_file))
                self.unread |= not parts[-1].tasks
            if suspicious:
                warn_of_keys(document)
        for part in parts:
            self.add(part, alone=len(parts) == 1)

    def stack(self, given: Given) -> None:
        """Read the stack that the documents of all sources make; without one, what is given to it is for nothing."""
        if self.stacked or given.options or given.files:
            from flowplan.config.stack.stack import read_stack

            self.found = read_stack(self.stacked, given, self.findings, self.read_file)
        if self.unread:
            self.found.names.unread |= {"bid", "volume"}
        for task in self.found.tasks:
            self.put(self.tasks, task)
        for volume in self.found.volumes:
            self.put(self.volumes, volume)
        self.budgets += self.found.budgets

    def add(self, part: Part, *, alone: bool) -> None:
        if part.unnamed is not None and not _name_derived(part.unnamed, part.tasks[0].name, alone):
            return
        for task in part.tasks:
            self.put(self.tasks, task)
        for volume in part.volumes:
            self.put(self.volumes, volume)
        if part.budget is not None:
            self.budgets.append(part.budget)

    def put(self, there: dict[Address, Resource], resource: Resource) -> None:
        """Add a resource; its address must be its own."""
        first = there.setdefault(resource.address, resource)
        if first is resource:
            return
        if resource.address.kind == "volume":
            hint = "create it in one task; the others attach it"
        elif first.source == resource.source:
            hint = "the same file is given twice"
        else:
            hint = "a name belongs to one task: give this one another"
        also = (("first given here", first.source),)
        self.problem(resource.source, f"{resource.address} is given twice", hint, code="duplicate-address", also=also)

    def link(self) -> None:
        """Turn the names of volumes that this configuration creates into their addresses."""
        names = self.found.names
        configured: dict[Address, Task | VolumeWanted] = {**self.tasks, **self.volumes}
        if self.stacked:
            self.hold_together(configured)
        ports = (Address("ports", address.name) for address, task in self.tasks.items() if task.ports)
        lifecycles = {address: one.lifecycle for address, one in configured.items()}
        for place, summary, hint, also in wrong_triggers(
            lifecycles, (*configured, *ports, *names.empty), names.explain
        ):
            self.problem(place, summary, hint, code="trigger", also=also)
        self.names()
        for address, task in self.tasks.items():
            uses = tuple(self.linked(task, use) for use in task.volumes)
            if any(new is not old for new, old in zip(uses, task.volumes, strict=True)):
                self.tasks[address] = attrs.evolve(task, volumes=uses)

    def hold_together(self, configured: dict[Address, Task | VolumeWanted]) -> None:
        """Report what of a stack cannot be, as only its documents together show."""
        from flowplan.config.stack.depends_on import wrong
        from flowplan.config.stack.hand_over import contradictions
        from flowplan.config.stack.outputs import unknown_references

        for place, summary, hint, also in wrong(self.tasks, self.found.names):
            self.problem(place, summary, hint, code="depends-on", also=also)
        for place, summary, also_hint in unknown_references(self.found.outputs, configured, self.found.names):
            self.problem(place, summary, also_hint, code="reference", also=())
        for place, summary, hint, also in contradictions(self.found, configured):
            self.problem(place, summary, hint, code="conflict", also=also)

    def names(self) -> None:
        """Report tasks, and volumes, that would have one name in the cloud."""
        self.one_name_each("tasks", "name", self.tasks.values())
        self.one_name_each("volumes", "volume_name", self.volumes.values())

    def one_name_each(self, what: str, key: str, resources: Iterable[Task | VolumeWanted]) -> None:
        """Report those of `resources` that are called like an earlier one."""
        first: dict[str, Task | VolumeWanted] = {}
        for one in resources:
            other = first.setdefault(one.name, one)
            if other is not one:
                also = ((f"{other.address} has this name here", other.source),)
                hint = f"give each a {key} of its own; with for_each, let ${{each.key}} be part of it"
                summary = f"two {what} are named {one.name}: {other.address} and {one.address}"
                self.problem(one.source, summary, hint, code="duplicate", also=also)

    def linked(self, task: Task, use: VolumeUse) -> VolumeUse:
        address = use.volume if isinstance(use.volume, Address) else Address("volume", use.volume)
        created = self.volumes.get(address)
        if created is None:
            if isinstance(use.volume, Address) and not self.found.names.explain(use.volume):
                hint = candidates(use.volume.name, (one.name for one in self.volumes))
                summary = f"there is no volume {use.volume.name} in this stack"
                hint = hint or "declare it under `volumes`; volume_name attaches one that exists"
                self.problem(use.source, summary, hint, code="volume-unknown", also=())
            return use
        if created.source == use.source:  # the task creates it itself
            return use
        also = ((f"{created.address} is created here", created.source),)
        if created.interface == "Block" and task.instance_quantity > 1:
            summary = f"a Block volume has one writer, and the task has {task.instance_quantity} instances"
            self.problem(use.source, summary, "create it with disk_interface: File", code="conflict", also=also)
        if created.region is not None and task.region is not None and created.region != task.region:
            summary = f"{created.address} is in {created.region}, but the task runs in {task.region}"
            hint = "a volume and its instances must be in the same region"
            self.problem(use.source, summary, hint, code="conflict", also=also)
        return attrs.evolve(use, volume=created.address)

    def problem(
        self, place: Position, summary: str, hint: str | None, *, code: str, also: tuple[tuple[str, Position], ...]
    ) -> None:
        self.texts[place.file].problem(place, summary, hint, code=code, also=also)


def _name_derived(document: Document, name: str, alone: bool) -> bool:
    """Whether the name of the file will do for a task without one; reported when not."""
    if not alone:
        hint = "several tasks in one file need names: add `name: my-task` to each"
        document.problem(document.root, "this task has no name", hint, code="missing")
        return False
    if not NAME.pattern.fullmatch(name):
        summary = f"this task has no name, and the name of its file, {quoted(name)}, is not a valid one"
        hint = f"add `name: my-task`; a name is {NAME.says}"
        document.problem(document.root, summary, hint, code="missing")
        return False
    return True


# ---- the formats --------------------------------------------------------------------------------------------

Format = Callable[[Document, str, ReadFile], Part]


FORMATS: dict[str, Format] = {"1": read_task, "1.1": read_task, "1.2": read_task}


def _is_foreign(document: Document, first: bool) -> bool:
    """Whether `document`, the first of its file or a later one, is one of another tool, or one that flowplan writes for
    itself, which is reported."""
    if is_kept(document):
        return True
    tool = tool_of(document.root)
    if tool is None:
        return False
    hint = "give flowplan its own files"
    if tool.converts and first:
        file = document.text.file
        made = "stack.yaml" if PurePath(file) == PurePath("flowplan.yaml") else "flowplan.yaml"  # a new file
        hint = shlex.join(("flowplan", "convert", file, "--out", made))
    elif tool.converts:
        hint = "split the file: flowplan convert reads one task a file"
    summary = f"this is {tool.a_file}, not a task file of flowplan"
    document.problem(document.root, summary, hint, code="foreign-file")
    return True


def _is_stack_without_version(document: Document) -> bool:
    """Whether `document` has the tasks of a stack and no version, which is reported."""
    root = document.root
    if not isinstance(root, Mapping) or "tasks" not in root.entries or "resources_specification" in root.entries:
        return False
    near = looks_like("version", [key for key in root.entries if key not in keys.STACK_FILE.every])
    if near is not None:
        hint = "did you mean 'version'?"
        document.problem(root.key(near), f"unknown key {quoted(near)}", hint, code="unknown-key")
    else:
        document.problem(
            root, "a file with tasks is a stack file, which has a version", "add version: 2", code="version"
        )
    return True


def _read_document(document: Document, fallback: str, read_file: ReadFile) -> Part:
    """Read `document` by its version; without one it is a task."""
    node = document.root.get("version") if isinstance(document.root, Mapping) else None
    if node is None and _is_stack_without_version(document):
        return Part()
    if node is None:
        return read_task(document, fallback, read_file)
    known = FORMATS.get(node.text) if isinstance(node, Scalar) else None
    if known is None:
        what = quoted(node.text) if isinstance(node, Scalar) and not node.is_null else f"of {KINDS[node.kind]}"
        hint = "a task file has version: 1.2, a stack file version: 2"
        document.problem(node, f"there is no version {what}", hint, code="version")
        return Part()
    return known(document, fallback, read_file)
