"""A document that is converted: every value of it is carried over, or listed with its place and why not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from attrs import field

from flowplan.classes import define
from flowplan.config.yaml import Document, Node, Scalar
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.diagnostics import Diagnostic, by_position

Value: TypeAlias = "str | int | bool | Decimal | Mapping[str, Value] | Sequence[Value]"
Path: TypeAlias = tuple[str, ...]


@define
class Reading:
    """`left`: what is not carried over, each with its place. A path is settled, with all below it, once it is taken or
    left; `rest` leaves everything else, so that nothing is dropped in silence."""

    document: Document
    left: list[Diagnostic] = field(factory=list)
    _settled: set[Path] = field(factory=set)

    def at(self, *path: str) -> Node | None:
        """The value at `path`, a list's items by their numbers; None: there is none, or it is null."""
        node: Node | None = self.document.root
        for step in path:
            if isinstance(node, MappingNode):
                node = node.get(step)
            elif isinstance(node, SequenceNode) and step.isdigit() and int(step) < len(node.items):
                node = node.items[int(step)]
            else:
                return None
        return None if isinstance(node, Scalar) and node.is_null else node

    def scalar(self, *path: str) -> Scalar | None:
        """What stands there, if it is a scalar; None for a list, a mapping, or nothing."""
        node = self.at(*path)
        return node if isinstance(node, Scalar) else None

    def entries(self, *path: str) -> list[str]:
        """The keys of a mapping, or the numbers of a list's items."""
        node = self.at(*path)
        if isinstance(node, MappingNode):
            return list(node.entries)
        return [str(number) for number in range(len(node.items))] if isinstance(node, SequenceNode) else []

    def take(self, *path: str) -> None:
        """What stands at `path` is carried over."""
        self._settled.add(path)

    def remark(self, path: Path, says: str) -> None:
        """Something that must be known of what stands at `path`, or would stand there."""
        self._say(path, f"{spelled(path)}: {says}")

    def leave(self, path: Path, why: str) -> None:
        """What stands at `path` is not carried over."""
        self._settled.add(path)
        self._say(path, f"{spelled(path)} is not carried over: {why}")

    def refuse(self, path: Path, summary: str, hint: str) -> None:
        """Report a problem with which there is no conversion."""
        node = self.at(*path)
        self.document.problem(node or self.document.root, summary, hint, code="value")

    def rest(self) -> None:
        """Leave all that is neither taken nor left."""
        for path in list(_leaves(self.document.root, ())):
            if not any(path[:length] in self._settled for length in range(len(path) + 1)):
                self.leave(path, "flowplan has no such setting")
        self.left.sort(key=by_position)

    def _say(self, path: Path, summary: str) -> None:
        place = self.document.position(self._place(path))
        self.left.append(Diagnostic("not-carried-over", summary, severity="note", position=place))

    def _place(self, path: Path) -> Node:
        """Where `path` is written, or the next thing above it that is."""
        for length in range(len(path), 0, -1):
            above = self.at(*path[: length - 1])
            step = path[length - 1]
            if isinstance(above, MappingNode) and step in above.entries:
                return above.key(step)
            if isinstance(above, SequenceNode) and step.isdigit() and int(step) < len(above.items):
                return above.items[int(step)]
        return self.document.root


def spelled(path: Path) -> str:
    """A path as messages have it: `volumes[0].name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if step.isdigit() and text else (f".{step}" if text else step)
    return text


def _leaves(node: Node, path: Path) -> Iterator[Path]:
    if isinstance(node, MappingNode) and node.entries:
        for name in node.entries:
            yield from _leaves(node.value(name), (*path, name))
    elif isinstance(node, SequenceNode) and node.items:
        for number, item in enumerate(node.items):
            yield from _leaves(item, (*path, str(number)))
    else:
        yield path
