"""What came of the cases of a stack -> JUnit XML, as CI systems read it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from flowplan.documents.test import Outcome
from flowplan.printable import shown
from flowplan.reports.text.paint import LONGEST_LINE, Paint


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


def _text(text: str) -> str:
    """Fit to stand in XML, whatever it came from."""
    return escape(shown(text, LONGEST_LINE))
