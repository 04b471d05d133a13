"""The changes of a plan document, as a page lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowplan.classes import frozen
from flowplan.documents.amounts import price
from flowplan.documents.totals import is_at_most
from flowplan.names import ranges
from flowplan.reports.text.actions import head_of, ordered, symbol_of
from flowplan.reports.text.cost import cost_line
from flowplan.reports.text.fields import fields_of
from flowplan.reports.text.folding import Fold, folded
from flowplan.reports.text.plan import ending_of, word_of

if TYPE_CHECKING:
    from flowplan.documents.shapes.offers import Candidate
    from flowplan.documents.shapes.plan import Entry
    from flowplan.reports.text.rows import Row

# Symbols -> what happens: the name of a style, and the head of a list. What is lost comes first.
_KINDS: Mapping[str, tuple[str, str]] = {
    "-": ("delete", "Destroy"),
    "-/+": ("replace", "Replace"),
    "+/-": ("replace", "Replace"),
    "~": ("update", "Update"),
    "<-": ("import", "Import"),
    ".": ("forget", "Forget"),
    "+": ("create", "Create"),
}
_ROWS = {"+": "new", "-": "gone", "~": "differs", ".": "same", " ": "same", "#": "hidden"}
_OPEN = 12  # so many changes are shown with what is in them
_LONG = 25  # a list with more is folded


@frozen
class Card:
    """One change, or several that are alike. `id`: of the first in the page; `title`: its address, or all of theirs;
    `short`: what it costs, in a few words; `said`: sentences about it; `members`: id, address and place of each of
    several; `words`: by what it is found."""

    id: str
    symbol: str
    kind: str
    title: str
    head: str
    short: str
    said: Sequence[str]
    rows: Sequence[tuple[str, Row]]
    places: Sequence[Mapping[str, str]]
    word: str
    cost: str
    source: str
    members: Sequence[tuple[str, str, str]]
    words: str
    is_open: bool


@frozen
class Group:
    """The changes of one kind."""

    kind: str
    head: str
    count: int
    cards: Sequence[Card]

    @property
    def is_long(self) -> bool:
        """Whether it begins closed: its cards would push what follows out of sight."""
        return len(self.cards) > _LONG


def kind_of(entry: Entry) -> str:
    """What happens to it: the name of a style; "same" for nothing."""
    symbol = symbol_of(entry)
    return "same" if symbol is None else _KINDS[symbol][0]


def groups_of(entries: Sequence[Entry]) -> list[Group]:
    """What changes, by what happens to it."""
    anchors = anchors_of(entries)
    folds = folded(ordered(entries))
    cards: dict[str, list[Card]] = {kind: [] for kind, _ in _KINDS.values()}
    counts: Counter[str] = Counter()
    for fold in folds:
        kind = kind_of(fold.shown)
        counts[kind] += len(fold.entries)
        cards[kind].append(_card(fold, kind, anchors, is_open=len(folds) <= _OPEN))
    heads = dict(_KINDS.values())
    return [Group(kind, heads[kind], counts[kind], found) for kind, found in cards.items() if found]


def anchors_of(entries: Iterable[Entry]) -> dict[str, str]:
    """The id in a page of each change, by its address."""
    return {entry["address"]: f"change-{number}" for number, entry in enumerate(entries)}


def _card(fold: Fold, kind: str, anchors: Mapping[str, str], *, is_open: bool) -> Card:
    entry, many = fold.shown, len(fold.entries)
    rows, line, first = fields_of(entry), cost_line(entry, fold.forecasts), fold.entries[0]
    sources = [_source(one) for one in fold.entries]
    alike = f"{', '.join(ranges(fold.addresses))} ({many:,} alike)"
    return Card(
        id=f"{anchors[first['address']]}-all" if many > 1 else anchors[first["address"]],
        symbol=symbol_of(entry) or "",
        kind=kind,
        title=alike if many > 1 else entry["address"],
        head=head_of(entry),
        short=_short(entry) and f"{_short(entry)}{', each' if many > 1 else ''}",
        said=[*_said(entry)],
        rows=[(_ROWS[row.symbol], row) for row in rows],
        places=[_place(one) for one in entry.get("candidates", ())],
        word=word_of(fold, saves=kind == "delete").capitalize(),
        cost=line,
        source="" if many > 1 else sources[0],
        members=_members(fold, anchors) if many > 1 else (),
        words=" ".join([*fold.addresses, *_words(first), *dict.fromkeys(sources)]).lower(),
        is_open=is_open,
    )


def _members(fold: Fold, anchors: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(anchors[one["address"]], one["address"], _source(one)) for one in fold.entries]


def _source(entry: Entry) -> str:
    place = entry["source"]
    return f"{place['file']}:{place['line']}:{place['column']}" if place else ""


def _said(entry: Entry) -> Iterable[str]:
    if "previous_address" in entry:
        yield f"moved from {entry['previous_address']}"
    if entry["note"]:
        yield entry["note"]
    if "lifetime" in entry:
        yield ending_of(entry, entry["lifetime"])
    for wait in entry.get("waits_for", ()):
        yield f"waits until {wait['address']} is {wait['until']}"


def _place(one: Candidate) -> dict[str, str]:
    """A place where the bid could go, as a row of a table."""
    done = ""
    if one["expected_cost"] is not None and one["expected_hours"] is not None:
        done = f"{price(one['expected_cost'])} in {one['expected_hours']:.1f} hours"
    return {
        "where": f"{one['instance_type_name']} in {one['region']}",
        "now": price(one["price_now"]),
        "limit": price(one["limit_price"]),
        "done": done or "unknown",
        "why": one["why_not"] or "chosen",
    }


def _short(entry: Entry) -> str:
    if entry["type"] == "ports" or entry["cost"] is None or entry["change"]["actions"] == ["forget"]:
        return ""
    if entry["type"] == "volume":
        return f"{price(entry['cost']['cost']['month']['now'])} a month"
    hour = entry["cost"]["cost"]["hour"]
    most = "at most " if is_at_most(entry["cost"]) else ""
    return f"{most}{price(hour['now'])} an hour now" if hour["now"] is not None else "price unknown"


def _words(entry: Entry) -> Iterable[str]:
    """What somebody may look for, besides the address."""
    sides: list[Any] = [entry["change"]["before"], entry["change"]["after"]]
    for side in sides:
        if isinstance(side, dict):
            yield from (str(side[key]) for key in ("name", "instance_type_name", "region") if side.get(key))
    yield from entry["change"]["actions"]
