"""What is said of a plan -> lines: each warning and note with its place and what to do. What says the same of several
resources of one auction is said once, with a count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from flowplan.classes import frozen
from flowplan.names import ranges
from flowplan.patterns import regex
from flowplan.printable import natural, shown
from flowplan.reports.text.paint import Paint, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Said
    from flowplan.documents.shapes.plan import Entry

_STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}
_ORDER = ("warning", "note", "error")
_ABOUT = regex(
    r'((?:deleting |replacing )?)((?:bid|volume|ports)\.[\w@-]+(?:\.[\w@-]+)*(?:\["[^"]*"\](?:@g\d+)?)?)(?=[\s:,])'
)
_ALONE = 3  # so many of one kind in one auction are shown, however they differ
_LONGEST = 1000  # characters of one
Auction: TypeAlias = tuple[str, str]


class About(NamedTuple):
    """A thing said: the address that it begins with, or "", in which auction that is, and the rest of it. `verb`: what
    is done to that, where the address stands behind it."""

    said: Said
    address: str
    auction: Auction | None
    rest: str
    verb: str = ""


@frozen
class Notice:
    """Things said that differ in nothing but the address that they begin with. `others`: what else is said of the kind
    in this auction, and not shown; `places`: in how many those are that it shows."""

    first: About
    addresses: tuple[str, ...]
    others: tuple[About, ...] = ()
    places: int = 1


def notices(entries: Iterable[Said], changes: Iterable[Entry], paint: Paint) -> str:
    """Warnings, then notes, then errors, each in the order in which it is said. `changes`: those of the plan."""
    found = grouped(entries, changes, each=paint.verbose)
    return "\n".join(line for one in found for line in _lines(one, paint))


def grouped(entries: Iterable[Said], changes: Iterable[Entry], *, each: bool = False) -> list[Notice]:
    """What is said, in that order, together what says the same. `each`: nothing is."""
    auctions = _auctions(changes)
    found = sorted((_about(one, auctions) for one in entries), key=lambda one: _ORDER.index(one.said["severity"]))
    kinds: dict[object, list[About]] = {}
    for index, one in enumerate(found):
        kind, place = one.said["detail"], one.said["source"]
        rule = str(place) if kind == "policy" else ""  # a refusal stands where its rule does
        key = (one.said["severity"], kind, one.auction, rule, one.verb) if one.address and kind else index
        kinds.setdefault(index if each else key, []).append(one)
    return [one for kind in kinds.values() for one in _of_kind(kind)]


def _auctions(changes: Iterable[Entry]) -> dict[str, Auction]:
    """The auction of each bid that changes, as people name it."""
    found = {}
    for one in changes:
        if one["type"] == "bid" and (bid := one["change"]["after"] or one["change"]["before"]):
            found[one["address"]] = (bid["instance_type_name"] or bid["instance_type"], bid["region"])
    return found


def _about(said: Said, auctions: Mapping[str, Auction]) -> About:
    found = _ABOUT.match(said["summary"])
    if found is None:
        return About(said, "", None, said["summary"])
    return About(said, found[2], auctions.get(found[2]), said["summary"][found.end() :], found[1])


def _of_kind(found: Sequence[About]) -> list[Notice]:
    """Those that say the same together; of many that differ the first, and that there are more."""
    same: dict[tuple[str, str | None], list[About]] = {}
    for one in found:
        same.setdefault((one.rest, one.said["hint"]), []).append(one)
    if len(same) > _ALONE:
        first, *others = sorted(found, key=lambda one: natural(one.address))
        return [Notice(first, (first.address,), tuple(others))]
    return [
        Notice(these[0], tuple(one.address for one in these), places=len({str(one.said["source"]) for one in these}))
        for these in same.values()
    ]


def summary_of(notice: Notice, dots: str) -> str:
    """What it says of all that it is about. `dots`: what stands for the rest of a range."""
    many = len(notice.addresses)
    if many == 1:
        return notice.first.said["summary"]
    kinds = {one.partition(".")[0].removesuffix("s") for one in notice.addresses}
    kind = f"{kinds.pop()}s" if len(kinds) == 1 else "resources"
    rest = notice.first.rest
    each = ": each" if rest.startswith(" ") and rest.split(None, 1)[0].endswith("s") else ""  # its verb is of one
    return f"{notice.first.verb}{', '.join(ranges(notice.addresses, dots))} ({many:,} {kind}){each}{rest}"


def place_of(notice: Notice) -> str:
    """Where the first stands, and at how many more places others; "" for nowhere."""
    place, many = notice.first.said["source"], notice.places
    if place is None:
        return ""
    others = f" and {many - 1:,} more place{'s' if many > 2 else ''}" if many > 1 else ""
    return f"{shown(str(place['file']), 300)}:{place['line']}:{place['column']}{others}"


def _lines(notice: Notice, paint: Paint) -> list[str]:
    said = notice.first.said
    word = paint(said["severity"] + ":", _STYLES[said["severity"]], "bold")
    lines = wrapped(f"{word} {paint.typed(shown(summary_of(notice, paint.dots), _LONGEST))}", "", "  ", paint.width)
    if place := place_of(notice):
        lines.append(f"  at {place}")
    if said["hint"]:
        lines += wrapped(f"hint: {paint.typed(shown(said['hint'], _LONGEST))}", "  ", "    ", paint.width)
    return [*lines, *_more(notice, paint)]


def _more(notice: Notice, paint: Paint) -> list[str]:
    """How many more there are of a kind, and of what."""
    if not notice.others:
        return []
    auction = notice.first.auction
    where = f" in {shown(auction[0])} in {shown(auction[1])}" if auction else ""
    names = ", ".join(ranges((one.address for one in notice.others), paint.dots))
    return wrapped(
        f"and {len(notice.others):,} more of this kind{where}: {shown(names, _LONGEST)}; --verbose shows each",
        "  ",
        "    ",
        paint.width,
    )
