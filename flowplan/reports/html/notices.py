"""What is said of a plan, as a page lists it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.patterns import regex
from flowplan.reports.text.notices import grouped, place_of, summary_of
from flowplan.reports.text.paint import Paint

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Said
    from flowplan.documents.shapes.plan import Entry

_TYPED = regex(r"`([^`]+)`|(?<!\S)(--[a-z][-a-z]*)")
_SEVERITIES = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


@frozen
class Note:
    """A thing said of one resource, or the same of several; `others`: what else is said of the kind, one by one. `hint`
    in parts, by turns of prose and of what to type."""

    summary: str
    place: str
    hint: Sequence[str]
    others: Sequence[str]


@frozen
class Notes:
    """What is said of one severity. `count`: of how many resources."""

    severity: str
    head: str
    count: int
    notes: Sequence[Note]


def notes_of(diagnostics: Iterable[Said], changing: Iterable[Entry]) -> list[Notes]:
    """What is said, what refuses the plan first. `changing`: what the plan changes."""
    found: dict[str, list[Note]] = {severity: [] for severity in _SEVERITIES}
    counts: Counter[str] = Counter()
    for one in grouped(diagnostics, changing):
        said, others = one.first.said, [other.said["summary"] for other in one.others]
        summary = summary_of(one, Paint().dots)
        found[said["severity"]].append(Note(summary, place_of(one), typed(said["hint"] or ""), others))
        counts[said["severity"]] += len(one.addresses) + len(others)
    return [Notes(name, _SEVERITIES[name], counts[name], notes) for name, notes in found.items() if notes]


def typed(text: str) -> list[str]:
    """Prose, what to type (which stands in ` `, or is an option), prose, and so on; [] of no text."""
    parts, end = [], 0
    for found in _TYPED.finditer(text):
        parts += [text[end : found.start()], found.group(1) or found.group(2)]
        end = found.end()
    return [*parts, text[end:]] if text else []
