"""Blocks of changes that are alike."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

EXAMPLE = json.loads((Path(__file__).parent.parent / "cases" / "create-example" / "plan.json").read_text())
ENTRIES = {one["type"]: one for one in EXAMPLE["resource_changes"]}


def create(kind: str, name: str, **other: Any) -> Any:
    entry = deepcopy(ENTRIES[kind])
    entry |= {"address": f"{kind}.{name}", "name": name}
    if kind != "ports":
        entry["change"]["after"] |= {"name": name.replace('["', "-").strip('"]'), **other}
    return entry


def named(text: str) -> list[str]:
    """The addresses that a text of ranges means."""
    found = []
    for one in text.split(", "):
        first, dots, last = one.partition(" \N{HORIZONTAL ELLIPSIS} ")
        found += _between(first, last) if dots else [one]
    return found


def _between(first: str, last: str) -> list[str]:
    bracket, _, end = last.rpartition('["')
    del bracket
    number, rest = re.search(r"([0-9]+)([^0-9]*)$", end).groups()  # type: ignore[union-attr]
    start = re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", first)
    assert start and start[3] == rest
    width = len(start[2]) if start[2].startswith("0") or len(start[2]) == len(number) else 0
    return [f"{start[1]}{n:0{width}}{rest}" for n in range(int(start[2]), int(number) + 1)]
