"""The documents of a stack -> its tasks and volumes, and what it says besides. Pure.

Several files and documents are one stack: variables and defaults of one hold for the tasks of all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import attrs
from attrs import field

from flowplan.classes import define
from flowplan.config import keys
from flowplan.config.hooks import read_hooks
from flowplan.config.policies import read_policies
from flowplan.config.section import Section, open_section
from flowplan.config.stack.defaults import under
from flowplan.config.stack.depends_on import of_instances, read_depends_on
from flowplan.config.stack.given import Given
from flowplan.config.stack.hand_over import read_imports, read_moved, read_removed
from flowplan.config.stack.instances import holds_nothing, instances_of
from flowplan.config.stack.outputs import read_outputs
from flowplan.config.stack.said import Stack
from flowplan.config.stack.substitution import Each, Scope
from flowplan.config.stack.variables import Variable, read_variables, written
from flowplan.config.stack.volumes import read_volume
from flowplan.config.stack.where import one_place, read_place
from flowplan.config.task.guards import read_guards
from flowplan.config.task.instances import REGION
from flowplan.config.task.script import ReadFile
from flowplan.config.task.task import NAME, read_section
from flowplan.config.values import Grammar, dashed, text
from flowplan.config.watch import read_watch
from flowplan.config.yaml import KINDS, Document, Findings, Node, Scalar, carried, quoted
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import looks_like
from flowplan.model.address import Address, Kind, instance_name
from flowplan.model.resources import BID_NAME, VOLUME_NAME, VOLUME_NAME_LENGTH, name_at
from flowplan.patterns import regex

T = TypeVar("T")
_KEY = regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_KEY_HINT = "letters, digits, _ and -, beginning with a letter or a digit, at most 63"
_PREFIX = Grammar(
    regex(r"[a-z][a-z0-9-]{0,31}", re.ASCII),
    regex(r"[a-z0-9-]", re.ASCII),
    "lowercase letters, digits and '-', beginning with a letter",
    32,
)
_OF_TASKS = ("project_name", "ssh_key_name")  # keys of a stack that each task has, unless it says otherwise


def read_stack(documents: Sequence[Document], given: Given, findings: Findings, read_file: ReadFile) -> Stack:
    """The stack that `documents` make; problems are reported to them."""
    sections = [
        section
        for document in documents
        if (section := open_section(document, document.root, "", keys.STACK_FILE)) is not None
    ]
    declared = [(one.document, node) for one in sections if (node := one.get("variables")) is not None]
    variables = read_variables(declared, given, findings)
    incomplete = any(not (one.lacks("variables") or isinstance(one.get("variables"), MappingNode)) for one in sections)
    return _Reading(sections, variables, given, read_file, incomplete).run()


@define(eq=False)
class _Reading:
    """The reading of one stack, section by section."""

    sections: list[Section]
    variables: dict[str, Variable]
    given: Given
    read_file: ReadFile
    incomplete: bool  # whether variables may be missing, for a reason that was reported
    found: Stack = field(factory=Stack)
    prefix: str = ""
    said: dict[str, tuple[Section, str]] = field(factory=dict)  # what only one document may say, or all alike
    watched: Section | None = None  # the one that has `watch`
    titles: dict[tuple[str, str], str] = field(factory=dict)  # what messages call what is under a name

    def run(self) -> Stack:
        self.found.variables = {name: one.given for name, one in self.variables.items() if one.given is not None}
        hidden = {name: one.value for name, one in self.variables.items() if one.sensitive}
        self.found.sensitive = {name: written(value) for name, value in hidden.items() if value is not None}
        self.found.name = self._once("name", NAME)
        self.prefix = self.found.prefix = self._once("name_prefix", _PREFIX)
        places = [place for section in self.sections if (place := read_place(section)) is not None]
        if places:
            self.found.state = one_place(places, self.sections[0].document.text.findings)
        defaults = self._defaults()
        for section in self.sections:
            self._limits(section)
            self._volumes(section, defaults)
            self._tasks(section, defaults)
            self._besides(section)
        self.found.tasks = of_instances(self.found.tasks, self.found.names.repeated)
        self.found.names.settle([one.address for one in self.found.tasks] + [one.address for one in self.found.volumes])
        return self.found

    # -- what holds for the whole

    def _scope(self, section: Section, *, later: bool = False) -> Scope:
        return Scope(self.variables, self.given.environ, section.document, later=later, incomplete=self.incomplete)

    def _once(self, key: str, grammar: Grammar) -> str:
        """A text that documents may say once, or alike; "" where none does."""
        first: tuple[Section, str] | None = None
        for section in self.sections:
            node = section.get(key)
            made = None if node is None else self._scope(section).replaced(node)
            value = None if made is None else text(_with(section, key, made), key, grammar)
            if value is None:
                continue
            if first is not None and first[1] != value:
                other = first[0]
                also = (("the other one", other.document.position(other.at(key))),)
                place = section.document.position(section.at(key))
                summary = f"{key} is {value} here, and {first[1]} in another document of this stack"
                hint = "documents of one stack have one: keep one of the two; two stacks are two commands"
                section.document.text.problem(place, summary, hint, code="conflict", also=also)
            first = first or (section, value)
        return "" if first is None else first[1]

    def _defaults(self) -> MappingNode | None:
        """`defaults`, and what the stack says for each of its tasks, as one mapping for the documents of any text."""
        found: MappingNode | None = None
        holder: Section | None = None
        for section in self.sections:
            for key in ("defaults", *_OF_TASKS):
                node = section.get(key)
                if node is None:
                    continue
                if key != "defaults":
                    node = _only(section, key, node)
                made = carried(node, section.document.text)
                if not isinstance(made, MappingNode):
                    summary = f"defaults must be a mapping, not {KINDS[made.kind]}"
                    section.document.problem(node, summary, "write what a task has", code="type")
                    continue
                if key == "defaults" and holder is not None:
                    _twice(key, section, holder)
                    continue
                holder = section if key == "defaults" else holder
                found = made if found is None else under(made, found, ("used here", section.node.start))
        return found

    def _limits(self, section: Section) -> None:
        node = section.get("guards")
        made = None if node is None else self._scope(section).replaced(node, ("guards",))
        budget = read_guards(open_section(section.document, made, "guards", keys.GUARDS))
        if budget is not None:
            self.found.budgets.append(budget)
        node = section.get("policies")
        made = None if node is None else self._scope(section).replaced(node, ("policies",))
        rules = None if made is None else read_policies(section.document, made)
        if rules is not None:
            self.found.policies.append(rules)
        self._watch(section)

    def _watch(self, section: Section) -> None:
        """What the watch may do, which one document says for the whole stack."""
        node = section.get("watch")
        if node is None:
            return
        if self.watched is not None:
            _twice("watch", section, self.watched)
            return
        self.watched = section
        self.found.watch = read_watch(section.document, self._scope(section).replaced(node, ("watch",)))

    def _besides(self, section: Section) -> None:
        outputs = section.get("outputs")
        if outputs is not None:
            read_outputs(section.document, outputs, self._scope(section, later=True), self.found.outputs)
        self.found.moved += self._list(section, "moved", read_moved)
        self.found.removed += self._list(section, "removed", read_removed)
        self.found.hooks += self._list(section, "hooks", read_hooks)
        self.found.imports += self._list(section, "import", read_imports)

    def _list(self, section: Section, key: str, read: Callable[[Document, Node], list[T]]) -> list[T]:
        node = section.get(key)
        return [] if node is None else read(section.document, self._scope(section).replaced(node, (key,)))

    # -- resources

    def _volumes(self, section: Section, defaults: MappingNode | None) -> None:
        for key, each, node in self._entries(section, "volumes", None):
            name = name_at(key.text, None if each is None else each.key)
            node = self._placed(section, node, defaults)
            opened = open_section(section.document, node, self._title("volumes", key.text), keys.STACK_VOLUME)
            if opened is None:
                continue
            volume = read_volume(opened, key, _address("volume", key, each), name)
            if volume is not None:
                called = self._prefixed(section, key, volume.name, VOLUME_NAME, VOLUME_NAME_LENGTH)
                self.found.volumes.append(attrs.evolve(volume, name=called))

    def _placed(self, section: Section, volume: MappingNode, defaults: MappingNode | None) -> MappingNode:
        """`volume` with the region that `defaults` give, where it says none. What is wrong with that, tasks report."""
        specification = defaults.get("resources_specification") if defaults is not None else None
        if "region_id" in volume.entries or not isinstance(specification, MappingNode):
            return volume
        written = next((key for key in ("cluster_id", "region") if key in specification.entries), None)
        made = self._scope(section).replaced(specification.value(written)) if written is not None else None
        if written is None or not isinstance(made, Scalar) or made.kind != "string":
            return volume
        if not REGION.pattern.fullmatch(made.text):
            return volume
        return attrs.evolve(volume, entries={**volume.entries, "region_id": (specification.key(written), made)})

    def _tasks(self, section: Section, defaults: MappingNode | None) -> None:
        for key, each, node in self._entries(section, "tasks", defaults):
            name = name_at(key.text, None if each is None else each.key)
            task = open_section(section.document, node, self._title("tasks", key.text), keys.STACK_TASK, defaults)
            if task is None:
                continue
            task.title, task.key = "", key
            part = read_section(task, name, self.read_file, _address("bid", key, each))
            after = read_depends_on(task)
            for one in part.tasks:
                called = self._prefixed(section, key, one.name, BID_NAME, 128)
                self.found.tasks.append(attrs.evolve(one, name=called, depends_on=after))
            for volume in part.volumes:
                called = self._prefixed(section, key, volume.name, VOLUME_NAME, VOLUME_NAME_LENGTH)
                self.found.volumes.append(attrs.evolve(volume, name=called))

    def _prefixed(self, section: Section, key: Scalar, name: str, grammar: re.Pattern[str], longest: int) -> str:
        """`name` with the stack's prefix; a name that is none any more is reported."""
        made = f"{self.prefix}{name}"
        if self.prefix and (len(made) > longest or not grammar.fullmatch(made)):
            hint = "shorten name_prefix or the name"
            section.document.problem(
                key, f"with name_prefix, its name is not valid: {quoted(made)}", hint, code="value"
            )
        return made

    def _entries(
        self, section: Section, key: str, defaults: MappingNode | None
    ) -> Iterator[tuple[Scalar, Each | None, MappingNode]]:
        """The resources under `key`, one by one: where its name is written, which instance it is, and what it says,
        with `defaults` under it and every `${...}` replaced."""
        node, kind = section.get(key), _kind(key)
        if node is None:
            if not section.lacks(key):  # something was reported
                self.found.names.unread.add(kind)
            return
        if not isinstance(node, MappingNode):
            hint = f"write {key}: {{NAME: {{...}}}}"
            section.document.problem(node, f"{key} must be a mapping, not {KINDS[node.kind]}", hint, code="type")
            self.found.names.unread.add(kind)
            return
        findings = section.document.text.findings.all
        taken = set(node.entries)
        lost = self._astray(section.document, key, node)
        for name in node.entries:
            if name in lost:
                self._note(Address(kind, name), True)
                continue
            before = len(findings)
            own = self._own(section, key, node, name)
            named = node.key(name) if own is None or _KEY.fullmatch(name) else _fit(node.key(name))
            if own is not None and (named.text == name or named.text not in taken):
                taken.add(named.text)
                self.titles[key, named.text] = _title(key, name)
                merged = own if defaults is None else under(defaults, own, ("used here", named.start))
                yield from self._instances(section, Address(kind, named.text), named, merged)
            self._note(Address(kind, name), any(one.severity == "error" for one in findings[before:]))

    def _astray(self, document: Document, key: str, node: MappingNode) -> set[str]:
        """Report what stands under `key` among the names and is what one of them has, one level too far to the left.
        Returns that, and the names that are left with nothing by it."""
        known, lost, above = _keys_under(key), set[str](), None
        for name, (where, value) in node.entries.items():
            if name in known.known and _is_astray(name, value):
                if above not in lost:  # one problem for what stands together
                    kind = key.removesuffix("s")
                    hint = f"write {key}: {{NAME: {{{name}: ...}}}}" if above is None else f"indent it, under {above}"
                    document.problem(where, f"{quoted(name)} is a key of a {kind}, not a {kind}", hint, code="value")
                if above is not None and _is_nothing(node.value(above)):
                    lost.add(above)
                lost.add(name)
            above = name
        return lost

    def _title(self, key: str, name: str) -> str:
        return self.titles.get((key, name), f"{key}.{name}")

    def _note(self, address: Address, faulty: bool) -> None:
        """Note that a name is declared, and whether something was reported of what it stands for."""
        names = self.found.names
        if not address.name.startswith("x-"):
            names.declared.add(address)
        if faulty:
            names.faulty.add(address)

    def _own(self, section: Section, key: str, node: MappingNode, name: str) -> MappingNode | None:
        """What is written under one name; None: a problem was reported."""
        where, own = node.key(name), node.value(name)
        if name.startswith("x-"):
            from flowplan.config.unknown_keys import report_ignored  # most files have none

            report_ignored(section.document, _title(key, name), where, own, _keys_under(key))
            return None
        if not _KEY.fullmatch(name):
            section.document.problem(where, f"{quoted(name)} is not a name under {key}", _KEY_HINT, code="value")
        if _is_nothing(own):
            return MappingNode(where.start)
        if not isinstance(own, MappingNode):
            summary = f"{_title(key, name)} must be a mapping, not {KINDS[own.kind]}"
            example = name if _KEY.fullmatch(name) else "NAME"
            section.document.problem(own, summary, f"write {key}: {{{example}: {{...}}}}", code="type")
            return None
        return own

    def _instances(
        self, section: Section, address: Address, key: Scalar, template: MappingNode
    ) -> Iterator[tuple[Scalar, Each | None, MappingNode]]:
        scope = self._scope(section)
        of = template.get("for_each")
        kind = "volumes" if address.kind == "volume" else "tasks"
        known = _keys_under(kind)
        if of is None and looks_like("for_each", [name for name in template.entries if name not in known.every]):
            open_section(section.document, template, self._title(kind, key.text), known)  # reports it
            return
        if of is None or (isinstance(of, Scalar) and of.is_null):
            made = scope.replaced(template)
            if isinstance(made, MappingNode):
                yield key, None, made
            return
        self.found.names.repeated.add(address)
        bare = attrs.evolve(template, entries={k: e for k, e in template.entries.items() if k != "for_each"})
        scope.waiting = True
        shared = scope.replaced(bare)  # what is the same for all is replaced once
        scope.waiting = False
        each_of = scope.replaced(of, ("for_each",))
        if holds_nothing(each_of):
            self.found.names.empty.add(address)
        for each in instances_of(section.document, each_of):
            scope.each = each
            made = scope.replaced(shared)
            if isinstance(made, MappingNode):
                yield key, each, made


def _fit(name: Scalar) -> Scalar:
    """A name for what has one that cannot be: what it says is read for what else is wrong."""
    return attrs.evolve(name, text=dashed(name.text)[:63] or "unnamed")


def _title(key: str, name: str) -> str:
    """What messages call what is under `key`: by its name as it is written, in quotes where that can be none."""
    return f"{key}.{name if _KEY.fullmatch(name) else quoted(name)}"


def _twice(key: str, section: Section, first: Section) -> None:
    """Report that `section` has a `key` which `first` has already."""
    also = (("first given here", first.document.position(first.node.key(key))),)
    place = section.document.position(section.node.key(key))
    hint = "a stack has one: put all of it in one place"
    section.document.text.problem(place, f"{key} is given twice", hint, code="duplicate", also=also)


def _keys_under(section: str) -> keys.Keys:
    return keys.STACK_VOLUME if section == "volumes" else keys.STACK_TASK


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _is_astray(name: str, value: Node) -> bool:
    """Whether `value` is that of the key `name` of a resource, and not a resource with this name."""
    if not isinstance(value, MappingNode):
        return value.kind != "broken" and not _is_nothing(value)
    own = keys.MAPPINGS[name].known if name in keys.MAPPINGS else ()
    has = value.entries
    return "resources_specification" not in has and any(
        key in own and key not in keys.STACK_TASK.known and key not in keys.STACK_VOLUME.known for key in has
    )


def _kind(section: str) -> Kind:
    return "volume" if section == "volumes" else "bid"


def _address(kind: str, key: Scalar, each: Each | None) -> Address:
    name = key.text if each is None else instance_name(key.text, each.key)
    return Address("volume" if kind == "volume" else "bid", name)


def _with(section: Section, key: str, node: Node) -> Section:
    """`section` in which `key` has another value."""
    entries = {**section.node.entries, key: (section.node.key(key), node)}
    return Section(section.document, attrs.evolve(section.node, entries=entries), section.title)


def _only(section: Section, key: str, node: Node) -> MappingNode:
    """A mapping that says nothing but this."""
    return MappingNode(section.node.key(key).start, entries={key: (section.node.key(key), node)})
