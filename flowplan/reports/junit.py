"""What came of the cases of a stack, or of a check of its files -> JUnit XML, as CI systems read it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from flowplan.documents.test import Outcome
from flowplan.documents.validate import Checked, in_repository, sentence, unchecked
from flowplan.printable import shown
from flowplan.reports.text.paint import LONGEST_LINE, Paint

if TYPE_CHECKING:
    from flowplan.documents.failure import Failure
    from flowplan.documents.shapes.validate import Found


def test(outcomes: Sequence[Outcome], _: Paint) -> str:
    """One suite; a file of cases is a class name."""
    failed = sum(not one.passed for one in outcomes)
    seconds = sum(one.seconds for one in outcomes)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="flowplan" tests="{len(outcomes)}" failures="{failed}" errors="0" time="{seconds:.3f}">',
    ]
    for one in outcomes:
        where = f'classname="{_text(one.source.file)}" file="{_text(one.source.file)}" line="{one.source.line}"'
        opened = f'  <testcase name="{_text(one.name)}" {where} time="{one.seconds:.3f}"'
        if one.passed:
            lines.append(f"{opened}/>")
            continue
        said = "\n".join(_text(failure) for failure in one.failures)
        lines += [f"{opened}>", f'    <failure message="{_text(one.failures[0])}">{said}</failure>', "  </testcase>"]
    return "\n".join([*lines, "</testsuite>"]) + "\n"


def checked(found: Checked, _: Paint) -> str:
    """One suite, in which a file is a case: its errors are the failure, its warnings the output. What has no place in a
    file, as wrong usage, is an error of the suite."""
    by_file: dict[str, list[Found]] = {found.checkout.name(file): [] for file in found.files}
    unplaced = []
    for one in in_repository(found):
        if one["source"] is None:
            unplaced.append(one)
        else:
            by_file.setdefault(one["source"]["file"], []).append(one)
    cases = [*(_case(file, said) for file, said in by_file.items()), *map(_broken, unplaced)]
    failed = sum(any(one["severity"] == "error" for one in said) for said in by_file.values())
    counts = f'tests="{len(cases)}" failures="{failed}" errors="{len(unplaced)}"'
    opened = f'<testsuite name="flowplan validate" {counts} time="0.000">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', opened, *cases, "</testsuite>"]) + "\n"


def failure(found: Failure, _: Paint) -> str:
    """A suite that did not come about."""
    return checked(unchecked(found), _)


def _case(file: str, said: Sequence[Found]) -> str:
    opened = f'  <testcase name="{_text(file)}" classname="flowplan.validate" file="{_text(file)}" time="0.000"'
    errors = [one for one in said if one["severity"] == "error"]
    parts = []
    if errors:
        message = _text(errors[0]["summary"]) + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
        parts.append(f'    <failure message="{message}" type="{errors[0]["code"]}">{_listed(errors)}</failure>')
    if rest := [one for one in said if one["severity"] != "error"]:
        parts.append(f"    <system-out>{_listed(rest)}</system-out>")
    return "\n".join([f"{opened}>", *parts, "  </testcase>"]) if parts else f"{opened}/>"


def _broken(one: Found) -> str:
    opened = '  <testcase name="flowplan validate" classname="flowplan.validate" time="0.000">'
    said = f'    <error message="{_text(one["summary"])}" type="{one["code"]}">{_lines(sentence(one))}</error>'
    return "\n".join([opened, said, "  </testcase>"])


def _listed(said: Sequence[Found]) -> str:
    return "\n".join(_lines(f"{_place(one)}: {one['severity']}: {sentence(one)}") for one in said)


def _place(one: Found) -> str:
    place = one["source"]
    return f"{place['file']}:{place['line']}:{place['column']}" if place else ""


def _lines(text: str) -> str:
    return "\n".join(map(_text, text.split("\n")))


def _text(text: str) -> str:
    """Fit to stand in XML, whatever it came from."""
    return escape(shown(text, LONGEST_LINE))
