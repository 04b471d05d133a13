"""How people read an amount, a price with its unit, and a share; and that one place writes them."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path

import pytest

import flowplan
from flowplan.pricing.units import on_axis, per_gpu, per_instance, percent, usd

ROOT = Path(flowplan.__file__).parent
WRITERS = {"pricing/units.py", "cloud/rows.py"}  # for people; as FCP takes it


def test_an_amount_has_cents_and_separators_and_is_not_nothing_where_it_is_little() -> None:
    amounts = (None, Decimal(0), Decimal("0.004"), Decimal("-0.004"), Decimal("100000"), Decimal("-1234.565"))
    said = ["unknown", "$0.00", "under $0.01", "-under $0.01", "$100,000.00", "-$1,234.57"]
    assert [usd(one) for one in amounts] == said


def test_a_price_has_its_unit_once_and_that_of_a_gpu_where_there_are_several() -> None:
    assert per_instance(Decimal("17.92"), 8) == "$17.92 per instance-hour ($2.24 per GPU-hour)"
    assert per_instance(Decimal("2.24"), 1) == per_instance(Decimal("2.24")) == "$2.24 per instance-hour"
    assert (per_instance(None, 8), per_gpu(Decimal("2.24"))) == ("unknown", "$2.24 per GPU-hour")


@pytest.mark.parametrize(
    ("share", "said"),
    [("0", "0%"), ("0.0099", "under 1%"), ("0.01", "1%"), ("0.519", "51%"), ("0.9999", "99%"), ("1", "100%")],
)
def test_a_share_is_whole_percents_and_all_or_nothing_only_if_it_is(share: str, said: str) -> None:
    assert percent(Decimal(share)) == said


def test_labels_of_an_axis_can_be_told_apart() -> None:
    assert on_axis(Decimal("1000"), Decimal(500)) == "$1,000"
    assert on_axis(Decimal("0.005"), Decimal("0.005")) == "$0.005"


def test_no_other_place_writes_an_amount() -> None:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name not in WRITERS and not name.startswith("simulator/"):
            found += [f"{name}:{line}" for line in dollars(ast.parse(path.read_text()))]
    assert found == []


def dollars(tree: ast.AST) -> list[int]:
    """The lines of f-strings in which a value follows a dollar sign."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for text, value in zip(node.values, node.values[1:], strict=False)
        if isinstance(text, ast.Constant) and str(text.value).endswith("$") and isinstance(value, ast.FormattedValue)
    ]


def test_it_would_be_seen() -> None:
    assert dollars(ast.parse('a = 1\nb = f"at ${a:.2f}"')) == [2]
