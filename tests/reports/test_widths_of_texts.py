"""Texts are made for the width that they are shown in: a terminal's, COLUMNS, 80 where nobody says; 60 to 200."""

from __future__ import annotations

import io
import json
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from flowplan.cli.colour import paint_of
from flowplan.reports.text.paint import Paint, columns, listed, wrapped
from flowplan.reports.text.plan import refusals, text
from tests.conftest import Place

CASES = Path(__file__).parent.parent / "cases"
PLANS = {path.parent.name: json.loads(path.read_text()) for path in sorted(CASES.glob("*/plan.json"))}
_WITH_TABLES = ("type-chosen-by-budget", "region-chosen", "what-if")  # of places and simulations: as wide as they are


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", [name for name in PLANS if name not in _WITH_TABLES])
def test_a_plan_fits_and_says_the_same_at_every_width(name: str, width: int) -> None:
    body = PLANS[name]
    paint = Paint(width=width)
    shown = text(body, paint) + refusals(body, paint)
    words = (text(body, Paint()) + refusals(body, Paint())).split()
    assert shown.split() == words or "->" in words or width == 60  # at 60 a table stands in other lines
    long = [line for line in shown.splitlines() if columns(line) > width and " " in line.strip()]
    assert [line for line in long if "will be" not in line and "must be" not in line] == []


@pytest.mark.parametrize(
    ("given", "width"),
    [("", 80), ("100", 100), ("20", 60), ("0", 80), ("100000000000000", 200), ("-5", 80), ("wide", 80), ("٣٠٠", 80)],
)
def test_columns_says_how_wide(given: str, width: int) -> None:
    assert paint_of(io.StringIO(), {"COLUMNS": given}).width == width


def test_a_terminal_says_how_wide_it_is() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        assert paint_of(stream, {}).width == 80  # one of no size
        os.system(f"stty cols 132 rows 40 < {os.ttyname(theirs)}")
        assert paint_of(stream, {}).width == 132
        assert paint_of(stream, {"COLUMNS": "70"}).width == 70
    os.close(ours)


def test_a_wide_letter_takes_two_columns_and_a_mark_none() -> None:
    assert (columns("訓練"), columns("e\N{COMBINING ACUTE ACCENT}"), columns("\x1b[31mab\x1b[0m")) == (4, 1, 2)
    assert all(columns(line) <= 60 for line in wrapped(" ".join(["訓練訓練"] * 30), "", "  ", 60))
    assert all(columns(line) <= 60 for line in listed(", ".join(["訓練訓練"] * 30), "  ", "  ", 60))


def test_status_and_apply_take_the_width_too(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done: Any = example.run("apply", "--auto-approve")
    assert done.code == 0
    lines = (done.out + example.ok("status")).splitlines()
    assert [one for one in lines if columns(one) > 60 and " will be " not in one and "(bid_" not in one] == []


_COMMAND = "`flowplan destroy --target volume.data --allow-volume-destroy data`"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"to delete it with all of its data: {_COMMAND}", ["to delete it with all of its data:", _COMMAND]),
        (f"first {_COMMAND}, then `flowplan plan`", [f"first {_COMMAND},", "then `flowplan plan`"]),
        (f"({_COMMAND})", [f"({_COMMAND})"]),
        (f"{_COMMAND[:-1]} --state elsewhere.json`", [f"{_COMMAND[:-1]} --state", "elsewhere.json`"]),  # has no room
        ("what is ` and is not closed " + "x" * 60, ["what is ` and is not closed", "x" * 60]),
    ],
    ids=["at the end", "two", "in brackets", "longer than a line", "one backtick"],
)
def test_a_command_is_broken_only_where_no_line_has_room_for_it(text: str, lines: list[str]) -> None:
    """Half a destroy, copied with the end of its line, is another one."""
    assert [line.strip() for line in wrapped(text, "  ", "  ", 80)] == lines
