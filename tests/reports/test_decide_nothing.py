"""Reports decide nothing: they ask pricing and documents what is worth a word, and what belongs beside a figure.

A threshold on money, a share or a number of times is a Decimal: in text there is none but nothing itself."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.documents.differing import changed_fields, differing_fields
from flowplan.documents.totals import AddedUp, Over, expected_make, is_rounded_apart, stands_alone
from flowplan.documents.track_record import held_of, overrun
from flowplan.pricing.notable import hardly_moves, is_hardly_ever, is_seldom, raises_the_price, runs_always

TEXTS = sorted((Path(flowplan.__file__).parent / "reports" / "text").glob("*.py"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_no_text_holds_a_threshold(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    made = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == "Decimal" and one.args]
    literals = [one.args[0].value for one in made if isinstance(one.args[0], ast.Constant)]
    assert [value for value in literals if value not in (0, "0")] == []


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        (runs_always, "0.99"),
        (lambda times: not is_seldom(times), "0.1"),
        (lambda times: not is_hardly_ever(times), "0.05"),
        (raises_the_price, "0.005"),
        (lambda by: not hardly_moves(-by, Decimal(200)), "2"),
    ],
)
def test_from_which_size_on_a_figure_is_worth_a_word(asked: Any, least: str) -> None:
    assert asked(Decimal(least))
    assert not asked(Decimal(least) - Decimal("0.0001"))


def totals(now: str = "3.00", p90: str = "3.00", horizon: bool = True) -> Any:
    """Totals of dollars: 1 as it is, 2 more, so 3 as planned."""
    sides = {"current": "1.00", "planned": "3.00", "delta": "2.00"}
    whole: Any = {side: {"now": amount, "worst": amount} for side, amount in sides.items()}
    ahead: Any = {side: {"expected": amount, "p90": amount} for side, amount in sides.items()}
    whole["planned"]["now"], ahead["planned"]["p90"] = now, p90
    return {**whole, "horizon": ahead if horizon else None}


def test_rows_that_do_not_add_are_found() -> None:
    assert not is_rounded_apart(totals())
    assert is_rounded_apart(totals(now="3.01"))
    assert not stands_alone(totals(p90="3.01"))
    assert is_rounded_apart(totals(p90="3.01"))  # its change is shown
    assert not is_rounded_apart(totals(p90="3.02"))  # it is not
    assert stands_alone(totals(p90="3.02"))
    assert not stands_alone(totals(horizon=False))


def bid(expected: str | None, outlook: str = "runs") -> Any:
    ahead = {"expected": expected}
    return {"unit": "USD/instance-hour", "outlook": outlook, "cost": {"horizon": ahead}}


def volume(gb: int) -> Any:
    return {"unit": "USD/GB-month", "quantity": gb}


@pytest.mark.parametrize(
    ("costs", "total", "made"),
    [
        ([bid("3.04"), bid("3.04"), bid("3.04")], "9.12", None),
        ([bid("3.04"), bid("3.04"), bid("3.04")], "9.13", ("9.12", "0")),
        ([bid("3.04"), bid("3.04", "waits"), volume(100)], "6.33", ("6.34", "0.26")),  # $8.00 a month, a day of 30.4
        ([bid("3.04"), bid("3.04"), volume(100)], "6.34", None),
        ([bid("3.04"), bid("3.04")], "6.10", None),  # more than rounding: of something else
        ([bid("3.04"), bid(None)], "6.09", None),
        ([bid("3.04"), bid("3.04"), bid("0.00", "paused")], "6.09", ("6.08", "0")),  # which costs nothing, for sure
        ([bid("3.04"), bid("3.04"), bid("0.00", "cannot_win")], "6.09", ("6.08", "0")),
        ([bid("3.04"), bid("3.04", "unknown")], "6.09", None),
        ([bid("3.04"), None], "3.05", None),
        ([volume(100)], "0.27", None),
        ([bid("3.04")], None, None),
    ],
)
def test_expected_costs_that_do_not_add_up(costs: list[Any], total: str | None, made: tuple[str, str] | None) -> None:
    found = expected_make(costs, Over(24.0, None if total is None else Decimal(total)))
    assert found == (None if made is None else AddedUp(Decimal(made[0]), Decimal(made[1])))
    assert expected_make(costs, None) is None


@pytest.mark.parametrize(
    ("place", "paid", "top", "times"),
    [
        ("above", "10.05", "10.00", "1.005"),
        ("above", "10.04", "10.00", None),
        ("inside", "20.00", "10.00", None),
        ("above", "1.00", "0.00", None),
    ],
)
def test_how_many_times_the_upper_end_was_paid(place: str, paid: str, top: str, times: str | None) -> None:
    judged: Any = {"place": place, "paid": paid, "cost": {"p90": top}, "counts": True}
    assert overrun(judged) == (None if times is None else Decimal(times))
    assert held_of([judged, {**judged, "place": "inside"}, {**judged, "counts": False}]) == (1 + (place == "inside"), 2)


def test_what_a_plan_says_differs() -> None:
    before = {"name": "a", "ssh_keys": ["k1", "k2"], "memory_gb": 64, "mounts": None, "limit_price": "1.00"}
    after = {"name": "a", "ssh_keys": ["k2", "k1"], "memory_gb": None, "mounts": [], "limit_price": "2.00"}
    assert differing_fields(before, after) == ["mounts", "limit_price"]
    assert changed_fields(before, after, ()) == ["limit_price"]
    assert changed_fields(before, after, {"mounts"}) == ["mounts", "limit_price"]
