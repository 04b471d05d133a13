"""ports: every spelling -> pairs of external and internal ports. Pure.

On the instance, `foundrypf` publishes a port under its own number. A pair whose two ports differ therefore needs
a forwarder that listens on the external one: that port is taken on the instance, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from flowplan.classes import frozen
from flowplan.config import keys
from flowplan.config.section import open_section
from flowplan.config.values import whole_hint
from flowplan.config.yaml import KINDS, Document, Node, Scalar, Sequence, quoted
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.model.resources import PortPair
from flowplan.patterns import regex

LAST = 65535
WIDEST = 1_000
_LOW_ALLOWED = (80, 443)
_SSH = 22
_WHOLE = f"a port is a whole number from 1 to {LAST}"
_HINT = f'{_WHOLE}: 8080, "6006-6010", "8441:8001" or {{external: 8442, internal: 8002}}'
_ALLOWED = "FCP publishes 80, 443 and 1024-65535"
_UDP = "FCP's forwarder (foundrypf) publishes only TCP"


_RANGE = r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?"
_TEXT = regex(rf"{_RANGE}(?::{_RANGE})?", re.ASCII)
_SIDE = regex(_RANGE, re.ASCII)

pair = lru_cache(maxsize=10_000)(PortPair)  # tasks publish the same few


@frozen
class Item:
    """One entry of the list: equally long ranges of ports."""

    node: Node
    external: range
    internal: range

    def pairs(self) -> Iterator[PortPair]:
        """Each external port with the internal one that answers behind it."""
        return map(pair, self.external, self.internal)

    @property
    def forwards(self) -> bool:
        """Whether it takes the forwarder: some port is another one inside."""
        return self.external != self.internal


def read_ports(document: Document, node: Node | None) -> tuple[PortPair, ...]:
    """The pairs in order of their external ports."""
    if node is None or node.kind == "broken":
        return ()
    if not isinstance(node, Sequence):
        document.problem(node, f"ports must be a list, not {KINDS[node.kind]}", "write ports: [8080]", code="type")
        return ()
    found = [item for entry in node.items if (item := _item(document, entry)) is not None]
    kept = _without_overlaps(document, found)
    _refuse_taken(document, kept)
    return tuple(sorted((pair for item in kept for pair in item.pairs()), key=lambda pair: pair.external))


# ---- one entry --------------------------------------------------------------------------------------------


def _item(document: Document, node: Node) -> Item | None:
    if isinstance(node, MappingNode):
        return _from_mapping(document, node)
    if not isinstance(node, Scalar) or node.kind not in ("string", "int", "float"):
        if node.kind != "broken":
            document.problem(node, f"ports: {KINDS[node.kind]} is not a port", _HINT, code="port")
        return None
    found = _TEXT.fullmatch(node.text)
    if found is None:
        document.problem(node, f"ports: {quoted(node.text)} is not a port", _port_hint(node), code="port")
        return None
    external = _range(document, node, found[1], found[2])
    internal = _range(document, node, found[3], found[4]) if found[3] else external
    return _checked(document, node, external, internal)


def _from_mapping(document: Document, node: MappingNode) -> Item | None:
    section = open_section(document, node, "ports", keys.PORT)
    if section is None:
        return None
    if not _is_tcp(document, node.get("protocol")):
        return None
    if not section.has("external"):
        if section.lacks("external"):
            document.problem(node, "ports: this port has no external", f"write {keys.PORT.example}", code="missing")
        return None
    external = _side(document, section.get("external"))
    internal = _side(document, section.get("internal")) if section.has("internal") else external
    return _checked(document, node, external, internal)


def _is_tcp(document: Document, node: Node | None) -> bool:
    if node is None or (isinstance(node, Scalar) and node.text == "tcp"):
        return True
    if isinstance(node, Scalar) and node.text.lower() == "udp":
        document.problem(node, "udp ports cannot be published", _UDP, code="port")
    elif isinstance(node, Scalar):
        hint = "write tcp" if node.text.lower() == "tcp" else f"it is tcp: {_UDP}"
        document.problem(node, f"ports: the protocol cannot be {quoted(node.text)}", hint, code="port")
    elif node.kind != "broken":
        document.problem(node, f"ports: the protocol cannot be {KINDS[node.kind]}", "write tcp", code="port")
    return False


def _side(document: Document, node: Node | None) -> range | None:
    """One side of a mapping: a port or a range."""
    if node is None:
        return None
    found = _SIDE.fullmatch(node.text) if isinstance(node, Scalar) and node.kind in ("string", "int") else None
    if found is not None:
        return _range(document, node, found[1], found[2])
    if isinstance(node, Scalar) and node.kind in ("string", "int", "float"):
        document.problem(node, f"ports: {quoted(node.text)} is not a port", _port_hint(node), code="port")
    else:
        document.problem(node, f"ports: {KINDS[node.kind]} is not a port", _HINT, code="port")
    return None


def _port_hint(node: Scalar) -> str:
    text = node.text
    wrong = whole_hint(text)
    if wrong:
        return f"{wrong}; {_WHOLE}"
    if text != text.strip() and _TEXT.fullmatch(text.strip()):
        return f'write "{text.strip()}", without the space; {_WHOLE}'
    if text.lower().endswith("/udp"):
        return _UDP
    if text.lower().endswith("/tcp"):
        return "leave out /tcp: every port is"
    return _HINT


def _range(document: Document, node: Node, low: str, high: str | None) -> range | None:
    first, last = int(low), int(high or low)
    wrong = next((port for port in (first, last) if port > LAST), None)
    if wrong is not None:
        document.problem(node, f"ports: {wrong} is not a port", _WHOLE, code="port")
    elif last < first:
        document.problem(node, f"ports: the range {first}-{last} is reversed", f"write {last}-{first}", code="port")
    elif last - first >= WIDEST:
        summary = f"ports: the range {first}-{last} has {last - first + 1:,} ports"
        document.problem(node, summary, f"a range has at most {WIDEST:,} ports", code="port")
    else:
        return range(first, last + 1)
    return None


def _checked(document: Document, node: Node, external: range | None, internal: range | None) -> Item | None:
    if external is None or internal is None:
        return None
    if len(external) != len(internal):
        summary = f"external {_span(external)} and internal {_span(internal)} are not equally long"
        document.problem(node, summary, "ranges pair up port by port", code="port")
        return None
    refused = next((port for port in external if port < 1024 and port not in _LOW_ALLOWED), None)
    if refused == _SSH:
        hint = f"every instance has SSH without it; {_ALLOWED}"
        document.problem(node, "the external port 22 is reserved for SSH", hint, code="port")
        return None
    if refused is not None:
        hint = f'{_ALLOWED}; "{refused + 8000}:{refused}" publishes it under another number'
        document.problem(node, f"the external port {refused} cannot be published", hint, code="port")
        return None
    return Item(node, external, internal)


def _span(ports: range) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"


# ---- entries together -------------------------------------------------------------------------------------


def _without_overlaps(document: Document, found: list[Item]) -> list[Item]:
    """`found` without those that publish a port again."""
    kept: list[Item] = []
    owners: dict[int, Item] = {}
    for item in found:
        again = [port for port in item.external if port in owners]
        if again:
            also = (("first published here", owners[again[0]].node),)
            summary = f"the external port {_some(again)} is published twice"
            document.problem(item.node, summary, "give each its own external port", code="port-overlap", also=also)
            continue
        owners.update(dict.fromkeys(item.external, item))
        kept.append(item)
    return kept


def _refuse_taken(document: Document, found: list[Item]) -> None:
    """A port on which a forwarder listens is not there for a program: neither for that of another pair."""
    listening = {port: item for item in found if item.forwards for port in item.external}
    taken: dict[frozenset[int], tuple[Item, Item, list[int]]] = {}
    if not listening:
        return
    for item in found:
        for port in item.internal:
            if port in listening:
                forwarder = listening[port]
                taken.setdefault(frozenset((id(forwarder), id(item))), (forwarder, item, []))[2].append(port)
    for forwarder, item, ports in taken.values():
        summary = f"port {_some(ports)} is needed twice on the instance"
        forwarded = f"{_span(forwarder.external)}:{_span(forwarder.internal)}"
        detail = (
            f"the forwarder of {forwarded} listens there, and the program behind {_label(item)} must listen there too"
        )
        also = ((f"{forwarded} listens there", forwarder.node),) if forwarder is not item else ()
        hint = "choose another external or internal port"
        document.problem(item.node, summary, hint, detail=detail, code="port-conflict", also=also)


def _label(item: Item) -> str:
    return f"{_span(item.external)}:{_span(item.internal)}" if item.forwards else _span(item.external)


def _some(ports: list[int]) -> str:
    return f"{ports[0]} (and {len(ports) - 1} more)" if len(ports) > 1 else f"{ports[0]}"
