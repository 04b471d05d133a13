"""Addresses as a stack file writes them: `task.train`, `bid.train`, `volume.data["a"]`. Pure."""

from __future__ import annotations

import re

from flowplan.config.section import Section
from flowplan.config.values import Grammar, text
from flowplan.model.address import KEYED, Address, spelled
from flowplan.patterns import regex

_NAME = rf"[A-Za-z0-9][A-Za-z0-9._-]*{KEYED}"
_LETTERS = regex(r'[A-Za-z0-9._"\[\]-]', re.ASCII)
ADDRESS = Grammar(
    regex(rf"(?:task|bid|volume)\.{_NAME}", re.ASCII),
    _LETTERS,
    "an address, such as task.train or volume.data",
    200,
)
TASK = Grammar(regex(rf"(?:task\.|bid\.)?{_NAME}", re.ASCII), _LETTERS, "the name of a task of this stack", 200)


def address(section: Section, key: str) -> Address | None:
    """The address under `key`; a task is its bid. Problems are reported."""
    written = text(section, key, ADDRESS)
    if written is None:
        if section.lacks(key):
            hint = f"add {key}: task.NAME or {key}: volume.NAME"
            section.document.problem(section.node, f"{section.title} has no {key}", hint, code="missing")
        return None
    return Address.given(written)


def task_address(written: str) -> Address:
    """The bid that `written`, of the grammar TASK, names."""
    return Address("bid", spelled(written.removeprefix("task.").removeprefix("bid.")))
