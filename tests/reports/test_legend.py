"""The legend of a plan explains each symbol that the plan uses, and no other: in every golden plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PLANS = sorted((Path(__file__).parent.parent / "cases").glob("*/plan.txt"))
_HEAD = re.compile(r"^ *([-+~.</]+) [a-z]+\.\S+ (?:will be|must be|is gone|has )", re.MULTILINE)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_it_has_the_symbols_in_use_and_no_other(path: Path) -> None:
    text = path.read_text()
    legend, used = re.search(r"following actions:\n((?: {4,}\S.*\n| +\S+ [a-z].*\n)+)", text), set(_HEAD.findall(text))
    explained = {line.split()[0] for line in legend[1].splitlines()} if legend else set()
    assert explained == used


def test_the_golden_plans_use_every_symbol_but_that_of_an_import() -> None:
    used = {symbol for path in PLANS for symbol in _HEAD.findall(path.read_text())}
    assert used == {"+", "-", "~", "-/+", "+/-", "."}
