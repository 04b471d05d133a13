"""A mapping that is being read: its keys, what messages call them, and where each is written. Pure."""

from __future__ import annotations

from attrs import field

from flowplan.classes import define
from flowplan.config.keys import SECTIONS, Keys
from flowplan.config.positions import Notes
from flowplan.config.yaml import KINDS, Broken, Document, Node, Scalar, home_of
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.config.yaml import Sequence as SequenceNode


@define(eq=False)
class Section:
    """A mapping that is being read. `title`: how messages name it; "" for the task itself."""

    document: Document
    node: MappingNode
    title: str
    misspelt: set[str] = field(factory=set)  # known keys that an unknown one was probably meant to be
    key: Scalar | None = None  # the one whose value it is, in a resource's own mapping
    notes: Notes = field(factory=Notes)  # of the resource that it belongs to

    def get(self, key: str) -> Node | None:
        """The value of `key`; None when there is none, or when it is empty, which is reported: a section that holds
        nothing is as if it were not there."""
        node = self.node.get(key)
        if node is None:
            return None
        if isinstance(node, Scalar):
            if not node.is_null:
                return node
            if self._is_section(key):
                return None
            hint = "give it one, or delete the key"
            self.document.problem(node, f"{self.name(key)} has no value", hint, code="empty")
            return None
        return None if isinstance(node, Broken) else node

    def has(self, key: str) -> bool:
        """Whether `key` is written, whatever stands behind it."""
        return key in self.node.entries

    def lacks(self, key: str) -> bool:
        """Whether `key` is missing, and nothing was reported that explains it."""
        return not ((self.has(key) and not self._is_absent(key)) or key in self.misspelt or self.node.incomplete)

    def _is_absent(self, key: str) -> bool:
        """Whether `key` is a section that holds nothing."""
        node = self.node.get(key)
        return self._is_section(key) and isinstance(node, Scalar) and node.is_null

    def _is_section(self, key: str) -> bool:
        """Whether `key` holds a section; a volume of a stack has some of a task's."""
        return self.name(key) in SECTIONS or (self.title.startswith("volumes.") and key in SECTIONS)

    def at(self, key: str) -> Node:
        """Where to report something about `key`: its value, or the whole mapping when it has none."""
        return self.node.get(key) or self.node

    def note(self, name: str, *keys: str) -> None:
        """Note where the field `name` of the resource is written: at the value of the first of `keys` that is there (at
        the key, where the value has several lines), else at the section's own key."""
        for key in keys:
            entry = self.node.entries.get(key)
            if entry is not None:
                place = entry[1] if isinstance(entry[1], Scalar) else entry[0]
                break
        else:
            if self.key is None:
                return
            place = self.key
        self._note(name, place)

    def note_items(self, name: str, key: str) -> None:
        """Note where each item of a list of texts under `key` is written: that of `a` as the field `name.a`."""
        found = self.node.get(key)
        for item in found.items if isinstance(found, SequenceNode) else ():
            if isinstance(item, Scalar):
                self._note(f"{name}.{item.text}", item)

    def _note(self, name: str, place: Node) -> None:
        mark, text = place.alias or place.start, self.document.text
        home = home_of(mark, text)
        self.notes.add(name, mark, None if home is text or home.file == text.file else home.file)

    def within(self, key: str, keys: Keys) -> Section | None:
        """The mapping under `key`, as a section of the same resource."""
        found = open_section(self.document, self.get(key), self.name(key), keys)
        if found is not None:
            found.key, found.notes = self.key or self.node.entries[key][0], self.notes
        return found

    def name(self, key: str) -> str:
        """The whole name of `key`, as messages have it: `task_management.priority`."""
        return f"{self.title}.{key}" if self.title else key


def open_section(
    document: Document, node: Node | None, title: str, keys: Keys, defaults: MappingNode | None = None
) -> Section | None:
    """`node` as a section, its unknown keys reported; None when it is no mapping. `defaults`: what lies under it, whose
    unknown keys are those of `defaults`."""
    if node is None or node.kind == "broken":
        return None
    if not isinstance(node, MappingNode):
        summary = f"{title or 'a document'} must be a mapping, not {KINDS[node.kind]}"
        document.problem(node, summary, f"write {keys.example}", code="type")
        return None
    section = Section(document, node, title)
    if not keys.every.issuperset(node.entries):
        from flowplan.config.unknown_keys import report, report_set_aside  # most files have none

        for key in node.entries:
            if key.startswith("x-"):  # a place to hang anchors on
                report_set_aside(document, node, key, keys)
            elif key not in keys.every:
                of_defaults = defaults is not None and key in defaults.entries and defaults.key(key) is node.key(key)
                within = "defaults" if of_defaults else title
                section.misspelt |= report(document, node, key, keys, within, title)
    return section
