"""What was checked -> text: a line each, what to do below it, and how many are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING

from flowplan.documents.doctor import Checkup
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes.doctor import Verdict

_STYLES: Mapping[Verdict, str] = MappingProxyType(
    {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
)
_VERDICT, _SUBJECT = 8, 14  # columns


def text(found: Checkup, paint: Paint) -> str:
    """All of it."""
    lines: list[str] = []
    for (verdict, summary, remedy), alike in groupby(found.checks, lambda one: (one.verdict, one.summary, one.remedy)):
        subjects = [check.subject.replace("_", " ") for check in alike]
        lines += _lines(verdict, subjects, summary, remedy, paint)
    return "\n".join([*lines, "", _sum(found)]) + "\n"


def _lines(verdict: Verdict, subjects: list[str], summary: str, remedy: str | None, paint: Paint) -> Iterator[str]:
    """One check, or several of which the same is to be said."""
    first = paint(verdict, _STYLES[verdict]) + " " * (_VERDICT - len(verdict))
    indent = " " * (_VERDICT + _SUBJECT)
    said, subject = paint.typed(shown(summary, 1000)), subjects[0]
    if len(subjects) > 1:
        said, indent, subject = f"{', '.join(subjects)}: {said}", " " * _VERDICT, ""
    yield from wrapped(said, f"{first}{subject:<{len(indent) - _VERDICT}}", indent, paint.width)
    if remedy:
        yield from wrapped(f"-> {paint.typed(shown(remedy, 1000))}", indent, f"{indent}   ", paint.width)


def _sum(found: Checkup) -> str:
    failed, warnings = found.count("failed"), found.count("warning")
    if not failed and not warnings:
        return "Nothing is wrong."
    counted = [_counted(failed, "failed check"), _counted(warnings, "warning")]
    return f"{', '.join(filter(None, counted))}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""
