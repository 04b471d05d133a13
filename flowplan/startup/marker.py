"""The marker: line 2 of a startup script as sent. Live ports, mounts and the inputs digest are read from it.

    # flowplan:1 stack=S lineage=L address=A generation=N intent=I inputs=SHA256 ports=P mounts=M

Every value is percent-encoded, so that no value can end the line or begin another field.
    ports     8080,6006-6010,8443-8445:8003-8005    consecutive pairs are one range, in the order given
    mounts    vol_a:/mnt/a,vol_b:/mnt/b             id and directory each encoded: `,` and `:` only separate

A marker is a fact about where a bid came from; it is not a secret and grants nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, overload
from urllib.parse import quote, unquote

from flowplan.model.address import Address
from flowplan.model.resources import Mount, PortPair

if TYPE_CHECKING:
    from flowplan.model.live import Marker

START = "# flowplan:1 "
FIELDS = ("stack", "lineage", "address", "generation", "intent", "inputs", "ports", "mounts")
# Lineage and intent are made by flowplan; with these limits the length of a script is known before they are.
LINEAGE_LENGTH = INTENT_LENGTH = 64
GENERATION_DIGITS = 10
# A script has at most 10,000 characters, and room for its ports and mounts twice: what is more than that is not ours.
LINE_LENGTH = 10_000
PARTS = 1_000  # ranges of ports, and mounts
PORTS = 65_535


def line(marker: Marker) -> str:
    """The marker as one line of ASCII without its newline. `read` gives an equal marker back.

    Raises ValueError for what a marker cannot hold: a volume without id, udp, a port or generation
    outside its range, a digest that is none, a lineage or intent over its length.
    """
    _check(marker)
    values = (
        quote(marker.stack, safe=""),
        quote(marker.lineage, safe=""),
        quote(str(marker.address), safe=""),
        str(marker.generation),
        quote(marker.intent, safe=""),
        marker.inputs,
        ranges(marker.ports, ","),
        ",".join(f"{quote(str(m.volume), safe='')}:{quote(m.mount_point)}" for m in marker.mounts),
    )
    return START + " ".join(f"{name}={value}" for name, value in zip(FIELDS, values, strict=True))


def read(script_text: str) -> Marker | None:
    """The marker on line 2 of `script_text`, which may be any text at all; None when there is none.

    None also when it is malformed, and when its version is not 1: a bid marked by a newer flowplan is
    treated as somebody else's, which is never adopted, replaced or deleted. Unknown fields are ignored.
    """
    start = script_text.find("\n") + 1
    if not start or not script_text.startswith(START, start):
        return None
    end = script_text.find("\n", start, start + LINE_LENGTH)
    text = script_text[start + len(START) : end if end >= 0 else start + LINE_LENGTH].removesuffix("\r")
    try:
        return _parse(text)
    except (ValueError, KeyError):
        return None


def ranges(pairs: Iterable[PortPair], separator: str) -> str:
    """`pairs` as written in the marker and in the script: consecutive pairs are one range."""
    return separator.join(_range_text(first, last) for first, last in _runs(pairs))


def _check(marker: Marker) -> None:
    if any(isinstance(mount.volume, Address) for mount in marker.mounts):
        raise ValueError("a marker holds volume ids: some volume is not created yet")
    if any(pair.protocol != "tcp" for pair in marker.ports):
        raise ValueError("a marker holds tcp ports only")
    if not all(0 < pair.external <= PORTS and 0 < pair.internal <= PORTS for pair in marker.ports):
        raise ValueError("a port outside 1-65535")
    if not _is_digest(marker.inputs):
        raise ValueError(f"not a SHA-256 digest: {marker.inputs!r}")
    if not 0 <= marker.generation < 10**GENERATION_DIGITS:
        raise ValueError(f"a generation outside 0-{10**GENERATION_DIGITS - 1}: {marker.generation}")
    if len(quote(marker.lineage, safe="")) > LINEAGE_LENGTH or len(quote(marker.intent, safe="")) > INTENT_LENGTH:
        raise ValueError("the lineage or intent is too long for a marker")


def _runs(pairs: Iterable[PortPair]) -> Iterator[tuple[PortPair, PortPair]]:
    """The first and last pair of every run in which both ports count up by one."""
    first = last = None
    for pair in pairs:
        if first is None or last is None:
            first = pair
        elif (pair.external, pair.internal) != (last.external + 1, last.internal + 1):
            yield first, last
            first = pair
        last = pair
    if first is not None and last is not None:
        yield first, last


def _range_text(first: PortPair, last: PortPair) -> str:
    if first == last:
        return str(first)
    external = f"{first.external}-{last.external}"
    return external if first.external == first.internal else f"{external}:{first.internal}-{last.internal}"


def _parse(text: str) -> Marker:
    """Raises ValueError or KeyError when `text` is not the fields of a marker."""
    from flowplan.model.live import Marker

    words = text.split(" ")
    fields = dict(word.split("=", 1) for word in words)
    if len(fields) != len(words) or not _is_digest(fields["inputs"]):
        raise ValueError(text)
    return Marker(
        _decode(fields["stack"]),
        _decode(fields["lineage"]),
        Address.parse(_decode(fields["address"])),
        _number(fields["generation"], GENERATION_DIGITS),
        _decode(fields["intent"]),
        fields["inputs"],
        _ports(fields["ports"]),
        _mounts(fields["mounts"]),
    )


def _decode(text: str) -> str:
    return unquote(text, errors="strict") if "%" in text else text


def _number(text: str, digits: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= digits):
        raise ValueError(text)
    return int(text)


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


class _Ports(Sequence[PortPair]):
    """The pairs of a marker's ranges, made when somebody looks: most markers of a project are not ours, and one short
    line may name every port there is. Equal to the tuple of its pairs."""

    def __init__(self, runs: tuple[tuple[range, range], ...]) -> None:
        self._runs = runs

    def __len__(self) -> int:
        return sum(len(outer) for outer, _ in self._runs)

    def __iter__(self) -> Iterator[PortPair]:
        return chain.from_iterable(map(PortPair, outer, inner) for outer, inner in self._runs)

    @overload
    def __getitem__(self, index: int) -> PortPair: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PortPair, ...]: ...
    def __getitem__(self, index: int | slice) -> PortPair | tuple[PortPair, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Ports) and self._runs == other._runs:
            return True
        return isinstance(other, tuple | _Ports) and len(self) == len(other) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def _ports(text: str) -> _Ports:
    found = _Ports(tuple(map(_run, _parts(text))))
    if len(found) > PORTS:
        raise ValueError(text)
    return found


def _parts(text: str) -> list[str]:
    parts = text.split(",") if text else []
    if len(parts) > PARTS:
        raise ValueError(text)
    return parts


# Many bids publish the same ports, so they are read once.
@lru_cache(maxsize=4096)
def _run(text: str) -> tuple[range, range]:
    external, colon, internal = text.partition(":")
    outer = _range(external)
    inner = _range(internal) if colon else outer
    if len(outer) != len(inner):
        raise ValueError(text)
    return outer, inner


def _range(text: str) -> range:
    first, dash, last = text.partition("-")
    start = _number(first, 5)
    stop = _number(last, 5) if dash else start
    if not 0 < start <= stop <= PORTS:
        raise ValueError(text)
    return range(start, stop + 1)


def _mounts(text: str) -> tuple[Mount, ...]:
    parts = (part.split(":") for part in _parts(text))
    return tuple(Mount(_decode(volume), _decode(mount_point)) for volume, mount_point in parts)
