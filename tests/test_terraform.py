"""docs/terraform.md names a test in each row: it is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = [
    line.split(" | ")[-1].removesuffix(" |").strip()
    for line in (TESTS.parent / "docs" / "terraform.md").read_text().splitlines()
    if line.startswith("| ") and ".py::" in line
]


def test_every_row_names_a_test() -> None:
    rows = [line for line in (TESTS.parent / "docs" / "terraform.md").read_text().splitlines() if line.startswith("| ")]
    headers = [row for row in rows if row.endswith("| shown by |")]
    assert len(rows) - len(headers) == len(ROWS) > 59


@pytest.mark.parametrize("named", sorted(set(ROWS)))
def test_the_test_is_there(named: str) -> None:
    found = re.fullmatch(r"([\w/]+\.py)::(\w+)(?:\[([\w -]+)\])?", named)
    assert found is not None
    text = (TESTS / found[1]).read_text()
    functions = {one.name for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef)}
    assert found[2] in functions
    assert found[2].startswith("test_") or "\n@cell(" in text  # a cell of the matrix of faults
    if found[1] == "test_cases.py":
        assert (TESTS / "cases" / found[3]).is_dir()
    elif found[3]:
        assert f'"{found[3]}"' in text
