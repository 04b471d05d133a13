"""What a stack may cost, and how much of it a plan may change: limits somebody set, in a command or a file. Pure.

cost/budgets.py and planning/mass_change.py hold plans to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from flowplan.classes import frozen
from flowplan.diagnostics import Position
from flowplan.errors import UsageProblem
from flowplan.model.bases import BudgetBasis
from flowplan.patterns import regex

if TYPE_CHECKING:
    from flowplan.model.mass_change import MaxChanges

Limit: TypeAlias = Literal["max_hourly_cost", "max_cost_increase"]
_NUMBER = regex(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,2})?", re.ASCII)
_DECIMAL_COMMA = regex(r"[0-9]+,[0-9]{1,2}", re.ASCII)
_THOUSANDS = regex(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,2})?", re.ASCII)


@frozen
class Increase:
    """By how much a cost may grow: `amount` dollars an hour, or percent of what it was."""

    amount: Decimal
    percent: bool = False

    def allowed(self, before: Decimal) -> Decimal:
        """Dollars. A percentage of nothing is nothing."""
        return before * self.amount / 100 if self.percent else self.amount

    def __str__(self) -> str:
        return f"{self.amount:f}%" if self.percent else f"{self.amount:.2f}"


@frozen
class Budget:
    """Limits in dollars an hour, judged on `basis`: with every limit price paid (`worst`), or by the forecast.
    `position`: where a file sets them; None: the command line does. `proven`: whether that is beyond doubt, which it is
    not of what a saved plan says unless its digest or its signature was checked. `basis_alone`: its basis is one on
    which the limits of files are judged, too. `saved`: a saved plan was made with it, and keeps it. `section`: the key
    of the file that sets it."""

    max_hourly_cost: Decimal | None = None
    max_cost_increase: Increase | None = None
    basis: BudgetBasis = "worst"
    position: Position | None = None
    max_changes: MaxChanges | None = None
    proven: bool = True
    basis_alone: bool = False
    saved: bool = False
    section: str = "guards"

    @property
    def stands_alone(self) -> bool:
        """Whether its `max_changes` stands for those of files: somebody gave it for one plan."""
        return self.position is None and self.proven

    @property
    def by_forecast(self) -> bool:
        """Whether it is held on a percentile of the forecast, which can be unknown, instead of the worst case."""
        return self.basis != "worst"

    @property
    def empty(self) -> bool:
        """Whether it limits nothing."""
        return self.is_free and self.max_changes is None and not self.basis_alone

    @property
    def is_free(self) -> bool:
        """Whether it leaves open what the stack costs."""
        return self.max_hourly_cost is None and self.max_cost_increase is None


def side_by_side(given: Iterable[Budget], of_files: Iterable[Budget]) -> tuple[Budget, ...]:
    """Every budget that a plan is held to: those of the command line and those of files, each on its own basis, and
    those of files again where only a basis was given. So no basis loosens a file. Raises UsageProblem where a basis was
    given, and nobody sets a limit."""
    given, files = tuple(given), tuple(of_files)
    alone = [one.basis for one in given if one.basis_alone]
    limits = [one for one in files if not one.is_free]
    if alone and not limits:
        raise UsageProblem("--budget-basis needs --max-hourly-cost or --max-cost-increase, or guards in a file")
    again = (
        attrs.evolve(one, basis=basis, max_changes=None) for basis in alone for one in limits if one.basis != basis
    )
    return (*given, *files, *again)


@frozen
class Judged:
    """What became of one limit. Dollars an hour, None where unknown; `allowed`: what `after` may be at most. `waits`:
    bids that would wait are in `after` with their limits, whatever the basis; `pausing`: so are those that are placed
    to be paused."""

    limit: Limit
    budget: Budget
    before: Decimal | None
    after: Decimal | None
    allowed: Decimal | None
    refused: bool
    waits: bool = False
    pausing: bool = False


def dollars(text: str) -> Decimal:
    """An amount of money in whole cents, zero too. Raises ValueError saying how to write it."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"write dollars per hour, such as {_meant(text) or '60 or 12.50'}")
    return Decimal(text)


def _meant(text: str) -> str | None:
    """The number that `text` surely means: without the dollar sign, with a point in the place of a decimal comma, and
    without those between thousands. None: nobody knows."""
    plain = text.replace("$", "").strip()
    if _DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    elif _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    return plain if _NUMBER.fullmatch(plain) else None


def increase(text: str) -> Increase:
    """`5.00` or `20%`. Raises ValueError saying how to write it."""
    number = text.removesuffix("%")
    if not _NUMBER.fullmatch(number):
        raise ValueError("write dollars per hour, such as 5.00, or a percentage, such as 20%")
    return Increase(Decimal(number), percent=text.endswith("%"))
