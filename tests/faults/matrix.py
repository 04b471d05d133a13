"""The fault matrix as data: rows, columns, the cells that are tests and those that cannot be, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from attrs import define, field, frozen

COLUMNS = ("plan", "apply", "destroy")


@frozen
class Test:
    """One test of a cell. A cell may have several: `variant` tells them apart."""

    __test__ = False

    row: str
    column: str
    variant: str
    play: Callable[..., None]
    given: tuple[Any, ...] = ()
    seldom: bool = False  # left to the long run

    @property
    def id(self) -> str:
        return "/".join(part for part in (self.row, self.column, self.variant) if part)


@define
class Matrix:
    """A table of faults. `rows`: short name -> the row's title. Cells are filled by `cell` and by `not_applicable`."""

    name: str
    rows: Mapping[str, str]
    tests: list[Test] = field(factory=list)
    reasons: dict[tuple[str, str], str] = field(factory=dict)

    def cell(
        self, row: str, *columns: str, variants: Mapping[str, Any] | None = None, usual: Sequence[str] | None = None
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Registers a function for cells of `row`. It is called with the world and the column, and, when there are
        `variants` (name -> value), with the value. Variants that `usual` does not name are left to the long run."""

        def register(play: Callable[..., None]) -> Callable[..., None]:
            assert row in self.rows, row
            for column in columns:
                for variant, given in (variants or {"": None}).items():
                    arguments = (given,) if variants else ()
                    self.tests.append(
                        Test(row, column, variant, play, arguments, usual is not None and variant not in usual)
                    )
            return play

        return register

    def not_applicable(self, reason: str, *cells: str) -> None:
        """Lists cells ("row/column", "row/*") that are no test, with the reason."""
        for cell in cells:
            row, _, column = cell.partition("/")
            assert row in self.rows, row
            for one in COLUMNS if column == "*" else (column,):
                assert (row, one) not in self.reasons, cell
                self.reasons[row, one] = reason

    def parameters(self) -> list[Any]:
        return [pytest.param(one, id=one.id, marks=[pytest.mark.slow] * one.seldom) for one in self.tests]

    def cells(self) -> Iterator[tuple[str, str]]:
        return ((row, column) for row in self.rows for column in COLUMNS)

    def tested(self) -> set[tuple[str, str]]:
        return {(test.row, test.column) for test in self.tests}

    def figure(self) -> str:
        """The count, in one line."""
        whole = len(self.rows) * len(COLUMNS)
        return (
            f"{self.name}: {len(self.rows)} rows x {len(COLUMNS)} = {whole} cells, {len(self.tested())} tested "
            f"(by {len(self.tests)} tests), {len(self.reasons)} n/a"
        )

    def hold_complete(self) -> None:
        """Every cell is a test or has a reason, and none is both; no two tests share a name."""
        tested, excused = self.tested(), set(self.reasons)
        assert not tested & excused, f"both: {sorted(tested & excused)}"
        missing = sorted(set(self.cells()) - tested - excused)
        assert not missing, f"neither tested nor n/a: {missing}"
        names = [test.id for test in self.tests]
        assert len(set(names)) == len(names), f"twice: {sorted(n for n in names if names.count(n) > 1)}"
