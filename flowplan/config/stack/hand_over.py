"""What happens to addresses that the state knows: moved, removed, import. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from flowplan.config import keys
from flowplan.config.config import Import, Moved, Removed
from flowplan.config.keys import Keys
from flowplan.config.stack.addresses import address
from flowplan.config.values import Grammar, Section, flag, items, open_section, text
from flowplan.config.yaml import Document, Node

T = TypeVar("T")
_ID = Grammar(
    re.compile(r"(?:bid|vol)_[A-Za-z0-9]+", re.ASCII),
    re.compile(r"[A-Za-z0-9_]", re.ASCII),
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
            summary = f"{id} is no {'volume' if found.kind == 'volume' else 'bid'}, so it cannot be {found}"
            section.document.problem(section.at("id"), summary, code="value")
            return None
        return Import(found, id, section.document.position(section.node))

    return _each(document, node, "import", keys.IMPORT, one)


def _each(document: Document, node: Node, title: str, known: Keys, read: Callable[[Section], T | None]) -> list[T]:
    sections = (open_section(document, item, title, known) for item in items(document, node, title))
    found = (read(section) for section in sections if section is not None)
    return [one for one in found if one is not None]
