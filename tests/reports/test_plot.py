"""Pictures of prices in text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flowplan.pricing.slices import Prices, slices
from flowplan.reports.text.plot import plot, sparkline

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stream(*prices: tuple[float, str]) -> Prices:
    return [(START + hours * HOUR, Decimal(price)) for hours, price in prices]


def test_slices_weigh_by_duration() -> None:
    parts = slices(stream((0, "8"), (1.5, "12"), (3, "8")), START, START + 4 * HOUR, 2)
    assert [part and tuple(part) for part in parts] == [
        (Decimal(8), Decimal(12), Decimal(9)),
        (Decimal(8), Decimal(12), Decimal(10)),
    ]


def test_before_the_first_price_nothing_is_known() -> None:
    parts = slices(stream((2, "8")), START, START + 4 * HOUR, 2)
    assert parts[0] is None
    assert parts[1] is not None
    assert sparkline(stream((2, "8")), START, START + 4 * HOUR, 4) == "  ▁▁"
    assert sparkline([], START, START + HOUR, 4) == "    "
    assert plot([], START, START + HOUR, width=40, height=4) == []


def test_sparkline() -> None:
    assert sparkline(stream((0, "1"), (1, "2"), (2, "8"), (3, "1")), START, START + 4 * HOUR, 4) == "▁▂█▁"
    assert sparkline(stream((0, "1"), (2, "8")), START, START + 4 * HOUR, 4, ascii=True) == "__##"


def test_plot() -> None:
    lines = plot(stream((0, "8"), (2, "12"), (3, "8")), START, START + 4 * HOUR, width=40, height=3, ascii=True)
    assert lines == [
        "$12.00 |                *********",
        "       |                *       *",
        " $8.00 |*****************       ********",
        "        01 Nov 00:00    01 Nov 04:00 UTC",
    ]


def test_a_price_that_stood_still_is_one_line() -> None:
    lines = plot(stream((0, "8")), START, START + HOUR, width=40, height=8)
    assert lines[0] == "$8.00 ┤" + "⣀" * 33
    assert len(lines) == 2


@given(
    st.lists(st.tuples(st.integers(0, 400), st.decimals("0.01", "999", places=2)), max_size=30),
    st.integers(1, 60),
)
def test_no_price_is_lost_and_nothing_is_invented(found: list[tuple[int, Decimal]], count: int) -> None:
    prices = [(START + minutes * timedelta(minutes=1), price) for minutes, price in sorted(dict(found).items())]
    end = START + timedelta(minutes=500)
    parts = slices(prices, START, end, count)
    known = {price for _, price in prices}
    assert {part.greatest for part in parts if part} | {part.least for part in parts if part} <= known
    if known:
        assert max(part.greatest for part in parts if part) == max(known)
        assert all(part.least <= part.mean.quantize(Decimal("0.000001")) <= part.greatest for part in parts if part)
    lines = plot(prices, START, end, width=80, height=6)
    assert all(len(line) <= 80 for line in lines)


def test_a_line_across_lies_under_the_strokes() -> None:
    prices, reserve = stream((0, "8"), (2, "12"), (3, "8")), {"reserve": Decimal("8.6")}
    bare = plot(prices, START, START + 4 * HOUR, width=32, height=4)[:-1]
    lined = plot(prices, START, START + 4 * HOUR, width=40, height=4, lines=reserve)[:-1]
    assert lined[-1].endswith(" reserve")
    for before, after in zip(bare, lined, strict=True):
        drawn = {index: char for index, char in enumerate(before) if char != " "}
        assert {index: after[index] for index in drawn} == drawn
    assert lined != bare
