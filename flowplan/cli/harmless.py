"""Texts without what a terminal obeys, and without lines that a CI runner takes for commands."""

from __future__ import annotations

import re

from flowplan.printable import inert
from flowplan.reports.text.paint import OWN


def harmless(text: str, painted: bool = False, *, commands: bool = False) -> str:
    """`text` without what a terminal obeys and what a CI runner takes for a command. `painted`: our colours stay;
    `commands`: so do lines that begin one, which are ours."""
    if painted:
        text = "".join(part if number % 2 else inert(part) for number, part in enumerate(OWN.split(text)))
    else:
        text = inert(text)
    if "::" in text and not commands:
        text = _LINE_COMMAND.sub(r"\1\\u003a", text)
    if "##" in text:
        text = _COMMAND.sub(r"\\u0023", text)
    return text


# GitHub trims a line before it looks for `::`; `##[`, and Azure's `##vso[`, count wherever they stand.
_LINE_COMMAND = re.compile(r"^((?:[ \t]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)
_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)")
