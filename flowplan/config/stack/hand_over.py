"""What happens to addresses that the state knows: moved, removed, import. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias, TypeVar

from flowplan.config import keys
from flowplan.config.config import Import, Moved, Removed, Task, VolumeWanted
from flowplan.config.keys import Keys
from flowplan.config.section import Section, open_section
from flowplan.config.stack.addresses import address
from flowplan.config.stack.names import Names
from flowplan.config.values import Grammar, flag, items, text
from flowplan.config.yaml import Document, Node
from flowplan.diagnostics import Position, looks_like
from flowplan.model.address import Address
from flowplan.patterns import regex

T = TypeVar("T")
# place, what is wrong, what to do, further places
Wrong: TypeAlias = tuple[Position, str, str, tuple[tuple[str, Position], ...]]
Configured: TypeAlias = Mapping[Address, Task | VolumeWanted]


class Said(Protocol):
    """What the documents of a stack say of addresses."""

    @property
    def moved(self) -> list[Moved]:
        """Which address stands for which earlier one."""

    @property
    def removed(self) -> list[Removed]:
        """What is to be forgotten, or destroyed, since no file names it any more."""

    @property
    def imports(self) -> list[Import]:
        """Which live objects are to be taken into the state, each at its address."""

    @property
    def names(self) -> Names:
        """The names of tasks and volumes, by which an address is read."""


_ID = Grammar(
    regex(r"(?:bid|vol)_[A-Za-z0-9]+", re.ASCII),
    regex(r"[A-Za-z0-9_]", re.ASCII),
    "the id of a live object (bid_... or vol_...)",
)


def read_moved(document: Document, node: Node) -> list[Moved]:
    """The resources that have another address now; problems are reported."""

    def one(section: Section) -> Moved | None:
        old, new = address(section, "from"), address(section, "to")
        if old is None or new is None:
            return None
        if old.kind != new.kind or old == new:
            summary = f"{old} cannot become {new}"
            hint = "a task becomes another task, a volume another volume"
            section.document.problem(section.at("to"), summary, hint, code="value")
            return None
        return Moved(old, new, section.document.position(section.node))

    return _each(document, node, "moved", keys.MOVED, one)


def read_removed(document: Document, node: Node) -> list[Removed]:
    """The resources that are configured no longer, and whether they are destroyed; problems are reported."""

    def one(section: Section) -> Removed | None:
        found = address(section, "address")
        destroy = flag(section, "destroy") if section.has("destroy") else True
        return None if found is None else Removed(found, destroy, section.document.position(section.node))

    return _each(document, node, "removed", keys.REMOVED, one)


def read_imports(document: Document, node: Node) -> list[Import]:
    """The live objects that become resources; problems are reported."""

    def one(section: Section) -> Import | None:
        found, id = address(section, "address"), text(section, "id", _ID)
        if id is None and section.lacks("id"):
            section.document.problem(section.node, f"{section.title} has no id", "add id: vol_...", code="missing")
        if found is None or id is None:
            return None
        if id.startswith("vol_") != (found.kind == "volume"):
            summary = f"{id} is not a {'volume' if found.kind == 'volume' else 'bid'}, so it cannot be {found}"
            section.document.problem(section.at("id"), summary, code="value")
            return None
        return Import(found, id, section.document.position(section.node))

    return _each(document, node, "import", keys.IMPORT, one)


def contradictions(said: Said, configured: Configured) -> Iterator[Wrong]:
    """What cannot be: an address or object named twice, what is gone and still configured, moves in a circle."""
    yield from _twice(((one.old, one.source) for one in said.moved), "{} moves twice")
    yield from _twice(((one.new, one.source) for one in said.moved), "two resources become {}")
    yield from _twice(((one.address, one.source) for one in said.removed), "{} is removed twice")
    yield from _twice(((one.address, one.source) for one in said.imports), "{} is imported twice")
    yield from _twice(((one.id, one.source) for one in said.imports), "{} is imported twice")
    moves = {one.old: one for one in said.moved}
    gone = [(one.old, "has moved", one.source) for one in said.moved]
    gone += [(one.address, "is removed", one.source) for one in said.removed]
    instances = {Address(one.kind, one.base): one for one in configured}
    for one, what, place in gone:
        here = one if one in configured else instances.get(one)
        if here is not None and not (one in moves and moves[one].new.base == one.name):  # a for_each came to it
            hint = "remove one of the two: this block, or the resource"
            also = ((f"{here} is configured here", configured[here].source),)
            yield place, f"{one} {what} but is still configured", hint, also
    for removed in said.removed:
        if removed.address in moves:
            also = (("it moves here", moves[removed.address].source),)
            yield removed.source, f"{removed.address} is removed and moves", "keep one of the two", also
    for found in said.imports:
        if found.address not in configured and not said.names.explain(found.address):
            near = looks_like(str(found.address), [str(one) for one in configured if one.kind == found.address.kind])
            hint = f"did you mean {near}? " if near else ""
            hint += (
                f"write it down, or have it written: flowplan import {found.address.word} {found.id} --generate FILE"
            )
            yield found.source, f"{found.address} is imported, but not configured", hint, ()
    yield from _circles(moves)


def _twice(named: Iterable[tuple[Address | str, Position]], what: str) -> Iterator[Wrong]:
    first: dict[Address | str, Position] = {}
    for name, place in named:
        if first.setdefault(name, place) is not place:
            yield place, what.format(name), "keep one of the two", (("first given here", first[name]),)


def _circles(moves: Mapping[Address, Moved]) -> Iterator[Wrong]:
    known: set[Address] = set()
    for start in moves:
        path: list[Address] = []
        at = start
        while at in moves and at not in known and at not in path:
            path.append(at)
            at = moves[at].new
        if at in path:
            circle = path[path.index(at) :]
            names = " -> ".join(map(str, (*circle, at)))
            also = tuple((f"{one} moves here", moves[one].source) for one in circle[1:])
            yield moves[at].source, f"moves in a circle: {names}", "one of them has to end somewhere else", also
        known |= {*path}


def _each(document: Document, node: Node, title: str, known: Keys, read: Callable[[Section], T | None]) -> list[T]:
    sections = (open_section(document, item, title, known) for item in items(document, node, title))
    found = (read(section) for section in sections if section is not None)
    return [one for one in found if one is not None]
