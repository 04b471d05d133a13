"""What a document is made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from copy import copy
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias, cast

from attrs import field

from flowplan.classes import define, frozen
from flowplan.config.yaml.text import Mark, Text, elsewhere, home_of
from flowplan.diagnostics import Position, Severity
from flowplan.patterns import regex

Kind: TypeAlias = Literal["string", "null", "bool", "int", "float", "list", "mapping", "broken"]
Also: TypeAlias = tuple[str, Mark]

# How messages name each.
KINDS: MappingType[Kind, str] = {
    "string": "text",
    "null": "nothing (null)",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "list": "a list",
    "mapping": "a mapping",
    "broken": "unreadable",
}

# The core schema of YAML 1.2. Anything else is a string: dates, `yes`, `22:22`.
_CORE = regex(
    r"(?P<null>|~|null|Null|NULL)"
    r"|(?P<bool>true|True|TRUE|false|False|FALSE)"
    r"|(?P<int>[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
    re.ASCII,
)


_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


@lru_cache(maxsize=10_000)  # documents say the same few things over and over
def _plain_kind(text: str) -> Kind:
    found = _CORE.fullmatch(text)
    return cast(Kind, found.lastgroup) if found else "string"


@define(eq=False)
class Scalar:
    """A value as written: `text` without quotes and escapes, `style` "" when plain, else ' " | or >.

    Of every node: `start` is where it is written, `alias` where an alias stands for it, and `also` names
    the other place when one of the two has a part in a problem."""

    text: str
    style: str
    start: Mark
    end: Mark
    alias: Mark | None = None
    also: Also | None = None
    nodes: ClassVar[int] = 1
    height: ClassVar[int] = 0

    @property
    def kind(self) -> Kind:
        """What YAML 1.2 takes it for: what is quoted or in a block is a string, whatever it looks like."""
        if self.style:
            return "string"
        return _plain_kind(self.text) if len(self.text) < 100 else _plain_kind.__wrapped__(self.text)

    @property
    def is_null(self) -> bool:
        """Whether it says that there is no value: `null`, `~`, or nothing at all."""
        return not self.style and self.text in _NULLS


@define(eq=False)
class Secretive(Scalar):
    """A text that holds the values of sensitive variables."""

    secrets: tuple[str, ...] = ()


@define(eq=False)
class Sequence:
    """A list. `nodes` and `height` are those of the tree below, aliases expanded."""

    start: Mark
    alias: Mark | None = None
    also: Also | None = None
    through: Also | None = None  # the alias by which the items were reached
    nodes: int = 1
    height: int = 1
    own: list[Node] = field(factory=list)
    kind: ClassVar[Kind] = "list"

    @property
    def items(self) -> list[Node]:
        """The nodes of the list, each with the alias by which the list was reached."""
        return [reached(item, self.through) for item in self.own] if self.through else self.own


@define(eq=False)
class Mapping:
    """Keys (strings, each once) to values, in the order of the text; merge keys are merged already."""

    start: Mark
    alias: Mark | None = None
    also: Also | None = None
    through: Also | None = None
    nodes: int = 1
    height: int = 1
    entries: dict[str, tuple[Scalar, Node]] = field(factory=dict)
    incomplete: bool = False  # an entry was left out, because its key is no text
    pending: Node | None = None  # while it is built: the key whose value comes next
    merges: list[Node] = field(factory=list)
    kind: ClassVar[Kind] = "mapping"

    def get(self, key: str) -> Node | None:
        """What `key` stands for; None: the key is not there."""
        entry = self.entries.get(key)
        return entry and (reached(entry[1], self.through) if self.through else entry[1])

    def value(self, key: str) -> Node:
        """What `key` stands for. Raises KeyError."""
        return reached(self.entries[key][1], self.through)

    def key(self, key: str) -> Scalar:
        """Where `key` itself is written. Raises KeyError."""
        return cast(Scalar, reached(self.entries[key][0], self.through))


@define(eq=False)
class Broken:
    """A value that could not be read, with a problem already reported: treat it as absent."""

    start: Mark
    alias: Mark | None = None
    also: Also | None = None
    nodes: ClassVar[int] = 1
    height: ClassVar[int] = 0
    kind: ClassVar[Kind] = "broken"


Node: TypeAlias = Scalar | Sequence | Mapping | Broken


def reached(node: Node, through: Also | None) -> Node:
    """`node` as seen through an alias above it: its problems name the alias, too."""
    if through is None or node.also is not None:
        return node
    seen = copy(node)
    seen.also = through
    if isinstance(seen, Sequence | Mapping):
        seen.through = through
    return seen


def scalars(root: Node) -> Iterator[Scalar]:
    """Every value under `root` that is no collection."""
    left: list[Node] = [root]
    while left:
        node = left.pop()
        if isinstance(node, Scalar):
            yield node
        elif isinstance(node, Sequence):
            left += node.own
        elif isinstance(node, Mapping):
            left += [value for _, value in node.entries.values()]


def carried(node: Node, home: Text) -> Node:
    """A copy of `node`, which stands in `home`, for documents of other texts: its marks know where they belong."""

    def mark(one: Mark) -> Mark:
        return elsewhere(one, home)

    made = copy(node)
    made.start = mark(node.start)
    made.alias = None if node.alias is None else mark(node.alias)
    made.also = None if node.also is None else (node.also[0], mark(node.also[1]))
    if isinstance(made, Scalar):
        made.end = mark(made.end)
    elif isinstance(made, Sequence):
        made.own, made.through = [carried(item, home) for item in made.items], None
    elif isinstance(made, Mapping):
        names = list(made.entries)
        made.entries = {
            one: (cast(Scalar, carried(made.key(one), home)), carried(made.value(one), home)) for one in names
        }
        made.through = None
    return made


@frozen
class Document:
    """One document of a file. `root` is what it holds, the top of the tree; `referred`: the index of each node that an
    alias stands for."""

    text: Text
    root: Node
    referred: frozenset[int] = frozenset()

    def says(self, key: str) -> str | None:
        """The text of `key` at its top; None: it has none, or it is not text."""
        node = self.root.get(key) if isinstance(self.root, Mapping) else None
        return node.text if isinstance(node, Scalar) else None

    def position(self, node: Node) -> Position:
        """Where `node` stands: its alias, if it was reached by one."""
        return self.text.position(node.alias or node.start)

    def _end(self, node: Node) -> Position | None:
        """Where `node` ends, if it is written here, on one line."""
        if not isinstance(node, Scalar) or node.alias is not None:
            return None
        written = node.start.index < node.end.index and node.start.line == node.end.line
        return self.text.position(node.end) if written else None

    def raw(self, node: Scalar) -> str:
        """The characters of the file between which `node` stands: quotes, escapes and line ends included."""
        return home_of(node.start, self.text).content[node.start.index : node.end.index]

    def problem(
        self,
        node: Node,
        summary: str,
        hint: str | None = None,
        *,
        code: str,
        detail: str | None = None,
        severity: Severity = "error",
        also: tuple[tuple[str, Node], ...] = (),
        excerpt: bool = True,
    ) -> None:
        """Report something at `node`; where an anchor or alias has a part in it, both places are named."""
        further = [(what, self.position(other)) for what, other in also]
        if node.also is not None:
            further.append((node.also[0], self.text.position(node.also[1])))
        self.text.problem(
            self.position(node),
            summary,
            hint,
            code=code,
            detail=detail,
            severity=severity,
            end=self._end(node),
            also=tuple(further),
            excerpt=excerpt,
        )
