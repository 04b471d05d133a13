"""Texts without what a terminal obeys, and without lines that a CI runner takes for commands."""

from __future__ import annotations

import re
from functools import partial

from flowplan.patterns import regex
from flowplan.printable import inert
from flowplan.reports.text.paint import OWN


def harmless(text: str, painted: bool = False, *, commands: bool = False) -> str:
    """`text` without what a terminal obeys and what a CI runner takes for a command. `painted`: our colours stay;
    `commands`: so do lines that are annotations, which are ours; no other command passes."""
    if painted:
        text = "".join(part if number % 2 else inert(part) for number, part in enumerate(OWN.split(text)))
    else:
        text = inert(text)
    if "::" in text:
        text = _LINE_COMMAND.sub(partial(_defused, commands), text)
    if "##" in text:
        text = _COMMAND.sub(r"\\u0023", text)
    return text


def _defused(commands: bool, found: re.Match[str]) -> str:
    """The beginning of a command, which begins none any more, unless it is that of an annotation and may be one."""
    ours = commands and _ANNOTATION.match(found.string, found.start())
    return found[0] if ours else f"{found[1]}\\u003a"


# GitHub trims a line before it looks for `::`; `##[`, and Azure's `##vso[`, count wherever they stand.
_LINE_COMMAND = regex(r"^((?:[ \t]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)
_PROPERTY = r"[A-Za-z]+=[^:,\n]*"
_ANNOTATION = regex(rf"::(?:error|warning|notice)(?: {_PROPERTY}(?:,{_PROPERTY})*)?::")
_COMMAND = regex(r"#(?=#[A-Za-z]*\[)")
